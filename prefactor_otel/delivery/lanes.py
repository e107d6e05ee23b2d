"""The runs of which anything waits: whose turn it is to be registered, started or finished."""

from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Final

from prefactor_otel.delivery.batch import Batch
from prefactor_otel.delivery.operation import Item, Operation, judged_as
from prefactor_otel.delivery.storage import Storage

CALLS: Final = (
    *(Operation.FINISH_RUN, Operation.QUALITY),
    *(Operation.START, Operation.REGISTER, Operation.JOIN),
)
"""The operations of runs, those that end what has begun before those that begin more."""
FIRST: Final = (Operation.JOIN, Operation.REGISTER)
"""What the calls of a run begin with."""
_OPENING: Final = (*FIRST, Operation.START)


@dataclass(slots=True, eq=False)
class Lane:
    """What waits of one run."""

    run: str
    calls: deque[Batch] = field(default_factory=deque)
    """Its own operations, one at a time and in order."""
    waiting: deque[Batch] = field(default_factory=deque)
    """Its spans, while it is not open."""
    spans: int = 0
    """Operations of its spans, wherever they are."""
    opening: int = 0
    """Calls that have to be through before its spans can be sent."""
    is_called: bool = False
    """Whether the first call is in flight, or put off."""
    offered: Operation | None = None
    """The kind of the call whose turn it may be, if any."""
    has_dropped: bool = False
    """Whether a span of it was dropped before it was sent."""

    @property
    def can_be_called(self) -> bool:
        """Whether it is the first call's turn: the end of a run waits for everything in it."""
        if self.is_called or not self.calls:
            return False
        return not self.spans or self.calls[0].item.operation is not Operation.FINISH_RUN

    @property
    def is_hollow(self) -> bool:
        """Whether nothing of it was sent, and nothing will come in it but its end."""
        return (
            not self.spans
            and not self.is_called
            and len(self.calls) > 1
            and self.calls[0].item.operation in FIRST
            and not self.calls[0].was_sent
            and self.calls[-1].item.operation is Operation.FINISH_RUN
        )


class Lanes:
    """A lane for each run of which anything waits or is in flight. A run without one is open: its
    spans can be sent."""

    def __init__(self) -> None:
        self._lanes: dict[str, Lane] = {}
        self._offers: dict[Operation, OrderedDict[Lane, None]]
        self._offers = {kind: OrderedDict() for kind in CALLS}
        """In which it may be the turn of the first call, which is of this kind."""
        self._hollow: OrderedDict[str, Lane] = OrderedDict()
        self.judgements: OrderedDict[Batch, None] = OrderedDict()
        """All that wait or are in flight, the oldest first."""
        self._judged: dict[tuple[str, bytes], Batch] = {}
        """The last of each run and name."""

    def of(self, run: str) -> Lane:
        """The lane of a run."""
        lane = self._lanes.get(run)
        if lane is None:
            lane = self._lanes[run] = Lane(run)
        return lane

    def add_call(self, batch: Batch) -> None:
        """A call about a run comes, behind those that there are."""
        lane = self.of(batch.item.run)
        lane.calls.append(batch)
        lane.opening += batch.item.operation in _OPENING
        if batch.is_judgement:
            self.judgements[batch] = None
            self._judged[judged_as(batch.item)] = batch
        self._see(lane)

    def judgement(self, item: Item) -> Batch | None:
        """The one before this, of the same run and under the same name."""
        return self._judged.get(judged_as(item))

    def offered(self, kind: Operation) -> int:
        """How many calls of this kind there may be whose turn it is."""
        return len(self._offers[kind])

    def next_call(self, kind: Operation) -> Batch | None:
        """Of the calls of this kind the next whose turn it is; no other of its run, until it is
        back or through."""
        offers = self._offers[kind]
        while offers:
            lane, _ = offers.popitem(last=False)
            lane.offered = None
            if lane.can_be_called:
                lane.is_called = True
                self._hollow.pop(lane.run, None)
                return lane.calls[0]
        return None

    def call_is_back(self, batch: Batch) -> None:
        """A call is to be made again, before any other."""
        lane = self._lanes[batch.item.run]
        lane.is_called = False
        self._see(lane, at_once=True)

    def call_is_through(self, batch: Batch) -> Iterable[Batch]:
        """A call is done with. Returns what can be sent now."""
        lane = self._lanes[batch.item.run]
        if lane.calls[0] is batch:  # else it is given up, whatever the first is about
            lane.is_called = False
        lane.calls.remove(batch)
        self._forget_judgement(batch)
        freed: Iterable[Batch] = ()
        if batch.item.operation in _OPENING:
            lane.opening -= 1
            if not lane.opening:
                freed, lane.waiting = lane.waiting, deque()
        self._see(lane)
        return freed

    def _forget_judgement(self, batch: Batch) -> None:
        if self.judgements.pop(batch, self) is None:
            judged = judged_as(batch.item)
            if self._judged[judged] is batch:
                del self._judged[judged]

    def are_through(self, batch: Batch) -> None:
        """Operations of spans are done with."""
        for run, operations in batch.runs.items():
            lane = self._lanes[run]
            lane.spans -= operations
            if not lane.spans:
                self._see(lane)

    def is_filled(self, lane: Lane) -> None:
        """A span has come in a run in which there was none."""
        if self._hollow:
            self._hollow.pop(lane.run, None)

    def _see(self, lane: Lane, *, at_once: bool = False) -> None:
        """See what has become of a run: nothing, nothing but a shell, or its first call's turn."""
        if not lane.calls and not lane.spans:
            self._lanes.pop(lane.run, None)
        if lane.is_hollow:
            self._hollow[lane.run] = lane
            if lane.has_dropped:
                self._hollow.move_to_end(lane.run, last=False)
        else:
            self.is_filled(lane)
        kind = lane.calls[0].item.operation if lane.can_be_called else None
        if kind is not lane.offered:
            self._offer(lane, kind, at_once=at_once)

    def _offer(self, lane: Lane, kind: Operation | None, *, at_once: bool) -> None:
        if lane.offered is not None:
            self._offers[lane.offered].pop(lane)
        lane.offered = kind
        if kind is not None:
            self._offers[kind][lane] = None
            self._offers[kind].move_to_end(lane, last=not at_once)

    def hollow_run(self, spared: Storage | None, *, is_full: bool) -> list[Batch]:
        """The calls of the run that is the first to go: it is over, nothing of it was sent, and
        nothing waits in it. Where there is room: only if spans of it were dropped."""
        lane = next(iter(self._hollow.values()), None)
        if lane is None or not (is_full or lane.has_dropped):
            return []
        is_spared = spared is not None and lane.calls[0].file is spared
        return [] if is_spared else list(lane.calls)

    def calls(self) -> Iterator[Batch]:
        """All calls about runs."""
        return chain.from_iterable(lane.calls for lane in self._lanes.values())

    def learn_drops(self, others: "Lanes") -> None:
        """Note of which runs those know that spans were dropped."""
        for run, lane in others._lanes.items():
            if lane.has_dropped and run in self._lanes:
                self._lanes[run].has_dropped = True
                self._see(self._lanes[run])
