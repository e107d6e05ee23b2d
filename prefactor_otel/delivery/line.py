"""The line in memory: what can be sent now, in order, and what waits for what.

Each thing stands where whatever it waits for finds it: what a run has before it is open, with that
run; what names a span whose creation is on its way, behind that. So nobody who looks for something
to send walks past what cannot be sent. All of these places follow from two lists, of the batches
of spans and of the calls of each run; ``rebuilt`` has them anew where a change was struck.
"""

import heapq
import time
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, count
from operator import attrgetter
from typing import Final

from prefactor_otel.delivery.batch import SEALED, Batch, Row
from prefactor_otel.delivery.lost import LostSpans
from prefactor_otel.delivery.operation import Item, Operation, SpanRef
from prefactor_otel.delivery.storage import Storage

_OPENING: Final = (Operation.REGISTER, Operation.START)


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
    is_offered: bool = False
    has_lost: bool = False
    """Whether a span of it was given up before it was sent."""

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
            and self.calls[0].item.operation is Operation.REGISTER
            and not self.calls[0].attempts
            and self.calls[-1].item.operation is Operation.FINISH_RUN
        )


class Line:
    """Batches in memory. A batch of spans takes up to ``max_items``, and ``max_bytes`` of a
    request."""

    def __init__(
        self,
        lost: LostSpans,
        max_items: int,
        max_bytes: int,
        numbers: Iterator[int] | None = None,
    ) -> None:
        self.items = 0
        """Operations in here, those in flight included."""
        self.flying = 0
        """Operations in flight."""
        self._lost = lost
        self._max_items = max_items
        self._max_bytes = max_bytes
        self._numbers = numbers if numbers is not None else count()
        self._spans: OrderedDict[Batch, None] = OrderedDict()
        self._lanes: dict[str, Lane] = {}
        self._hollow: OrderedDict[str, Lane] = OrderedDict()
        self._ready: deque[Batch] = deque()
        self._offers: deque[Lane] = deque()
        self._later: list[tuple[float, int, Batch]] = []
        self._flying: dict[Batch, Batch] = {}
        """Batches in flight, and with which they were leased."""
        self._absent: dict[Batch, frozenset[SpanRef | None]] = {}
        """The spans that are to be created by what has left the line."""
        self._behind: dict[Batch, list[Batch]] = {}

    # -- what comes -------------------------------------------------------------------------------

    def add(self, item: Item, file: Storage | None, row: Row | None) -> Batch:
        """An operation comes, in the last place. Returns the batch that it has joined."""
        span = item.span
        if span is None:
            return self._add_call(item, file, row)
        lane = self._lanes.get(item.run)
        if lane is None:
            lane = self._lanes[item.run] = Lane(item.run)
        self.items += 1
        lane.spans += 1
        line = lane.waiting if lane.opening else self._ready
        is_anew = span in self._lost.parents and item.operation is Operation.CREATE
        batch = line[-1] if line else None
        if (
            batch is None
            or batch.size + len(item.body) > batch.limit
            or batch.file is not file
            or is_anew
        ):
            batch = self._new_batch(lane, file)
            line.append(batch)
        batch.add(item, row)
        if len(batch.items) >= self._max_items:
            batch.limit = SEALED
        if is_anew:
            batch.is_anew = True
            self._lost.end(span, batch.number)
        return batch

    def _add_call(self, item: Item, file: Storage | None, row: Row | None) -> Batch:
        batch = Batch(file, next(self._numbers))
        batch.add(item, row)
        self.insert(batch)
        return batch

    def _new_batch(self, lane: Lane, file: Storage | None) -> Batch:
        self._hollow.pop(lane.run, None)
        batch = Batch(file, next(self._numbers), limit=self._max_bytes)
        self._spans[batch] = None
        return batch

    def insert(self, batch: Batch) -> None:
        """A batch comes, in the last place: a call about a run, or spans of which all or none can
        be sent now."""
        self.items += len(batch.items)
        if batch.is_about_run:
            lane = self._lanes.setdefault(batch.item.run, Lane(batch.item.run))
            lane.calls.append(batch)
            lane.opening += batch.item.operation in _OPENING
            self._see(lane)
            return
        self._spans[batch] = None
        for run, operations in batch.runs.items():
            lane = self._lanes.setdefault(run, Lane(run))
            lane.spans += operations
        (lane.waiting if lane.opening else self._ready).append(batch)

    def _see(self, lane: Lane, *, at_once: bool = False) -> None:
        """See what has become of a run: nothing, nothing but a shell, or its first call's turn."""
        if not lane.calls and not lane.spans:
            self._lanes.pop(lane.run, None)
        if lane.is_hollow:
            self._hollow[lane.run] = lane
            if lane.has_lost:
                self._hollow.move_to_end(lane.run, last=False)
        elif self._hollow:
            self._hollow.pop(lane.run, None)
        if lane.can_be_called and not lane.is_offered:
            lane.is_offered = True
            self._offers.insert(0 if at_once else len(self._offers), lane)

    # -- what is sent -----------------------------------------------------------------------------

    def lease_calls(self, most: int) -> list[Batch]:
        """The calls about runs whose turn it is: at most so many, the oldest first."""
        self._wake_due()
        leased: list[Batch] = []
        while self._offers and len(leased) < most:
            lane = self._offers.popleft()
            lane.is_offered = False
            if lane.can_be_called:
                lane.is_called = True
                self._hollow.pop(lane.run, None)
                self._fly(lane.calls[0])
                leased.append(lane.calls[0])
        return leased

    def lease_spans(self, max_items: int, max_bytes: int) -> Batch | None:
        """The oldest operations of spans that can be sent now, as one batch for one request. What
        names a span whose creation is on its way stays, behind that."""
        self._wake_due()
        leased: Batch | None = None
        while self._ready:
            batch = self._ready[0]
            if leased is not None and not _go_together(leased, batch, max_items, max_bytes):
                break
            self._ready.popleft()
            batch.limit = SEALED
            if not batch:  # all of it was given up
                continue
            batch.unpack()
            self.look_higher(batch)
            free = self._hold_back(batch)
            if free is not None and leased is not None:
                leased.absorb(free)
                del self._spans[free]
            elif free is not None:
                leased = self._shorten(free, max_items, max_bytes)
        if leased is not None:
            self._fly(leased)
        return leased

    def look_higher(self, batch: Batch) -> None:
        """Let what hangs on lost spans hang on their ancestors."""
        if self._lost.parents:
            number, nearest = batch.number, self._lost.nearest
            batch.items = [
                item if item.parent is None else item.under(nearest(item.parent, number))
                for item in batch.items
            ]

    def _shorten(self, batch: Batch, max_items: int, max_bytes: int) -> Batch:
        """Leave in the line what is too much for one request."""
        if len(batch) <= max_items and batch.size <= max_bytes:
            return batch
        size = 0
        for place, item in enumerate(batch.items):
            size += item.size
            if place == max_items or (place and size > max_bytes):
                _, rest = self.split(batch, [range(place), range(place, len(batch))])
                self._ready.appendleft(rest)
                break
        return batch

    def _hold_back(self, batch: Batch) -> Batch | None:
        """Let those operations wait that name a span whose creation is on its way: behind that.
        Returns the others."""
        if not self._is_held_up(batch):
            return batch
        holders = {ref: holder for holder, refs in self._absent.items() for ref in refs}
        groups: dict[Batch | None, list[int]] = {None: []}
        for place, item in enumerate(batch.items):
            is_new = item.operation is Operation.CREATE
            holder = holders.get(item.parent if is_new else item.span)
            if holder is not None and is_new:
                holders[item.span] = holder
            groups.setdefault(holder, []).append(place)
        if not groups[None]:
            del groups[None]
        free = None
        for holder, part in zip(groups, self.split(batch, list(groups.values())), strict=True):
            if holder is None:
                free = part
            else:
                self._absent[part] = part.touched
                self._behind.setdefault(holder, []).append(part)
        return free

    def _is_held_up(self, batch: Batch) -> bool:
        """Whether any of it names a span that something else has left the line to create."""
        others = [refs for holder, refs in self._absent.items() if holder is not batch]
        return bool(others) and not all(map(batch.needed.isdisjoint, others))

    def _fly(self, batch: Batch) -> None:
        self._flying[batch] = batch
        self.flying += len(batch.items)
        if not batch.is_about_run:
            self._absent[batch] = batch.touched

    def is_flying(self, batch: Batch) -> bool:
        """Whether a batch is in flight, and not settled yet."""
        return batch in self._flying

    def blocked(self, batch: Batch) -> list[int]:
        """The places of those operations of a batch in flight that name a span whose creation is
        in another, or wait for one that does."""
        if not self._is_held_up(batch):
            return []
        others = (refs for holder, refs in self._absent.items() if holder is not batch)
        blocked, places = set[SpanRef | None]().union(*others), list[int]()
        for place, item in enumerate(batch.items):
            is_new = item.operation is Operation.CREATE
            if (item.parent if is_new else item.span) in blocked:
                places.append(place)
                if is_new:
                    blocked.add(item.span)
        return places

    def split(self, batch: Batch, groups: Sequence[Sequence[int]]) -> list[Batch]:
        """A batch for each of these groups of places, which grow; the first is the same one."""
        if len(groups) == 1:
            return [batch]
        parts = [batch.part(group) for group in groups[1:]]
        root = self._flying.get(batch)
        for part in reversed(parts):
            self._spans[part] = None
            self._spans.move_to_end(part, last=False)
        if root is not None:
            self._flying.update(dict.fromkeys(parts, root))
        batch.keep(groups[0])
        self._spans.move_to_end(batch, last=False)
        if root is not None:
            self._absent.update({each: each.touched for each in (batch, *parts)})
        return [batch, *parts]

    # -- what becomes of it -----------------------------------------------------------------------

    def settle(self, batch: Batch) -> None:
        """A batch in flight is done with."""
        del self._flying[batch]
        self.flying -= len(batch.items)
        self.remove(batch)

    def remove(self, batch: Batch) -> None:
        """A batch is done with; what waited for it does so no longer."""
        self.items -= len(batch.items)
        if batch.is_about_run:
            self._remove_call(batch)
            return
        self._absent.pop(batch, None)
        del self._spans[batch]
        self._count_out(batch)
        self._return(self._behind.pop(batch, ()))

    def _count_out(self, batch: Batch) -> None:
        for run, operations in batch.runs.items():
            lane = self._lanes[run]
            lane.spans -= operations
            if not lane.spans:
                self._see(lane)

    def _remove_call(self, batch: Batch) -> None:
        lane = self._lanes[batch.item.run]
        lane.calls.remove(batch)
        lane.is_called = False
        if batch.item.operation in _OPENING:
            lane.opening -= 1
            if not lane.opening:
                self._ready.extend(lane.waiting)
                lane.waiting.clear()
        self._see(lane)

    def release(self, root: Batch) -> None:
        """Put what is still in flight of a leased batch back at the front, in its order, and what
        has waited for that behind it; what is to be tried later, not before that."""
        left = [batch for batch, leased in self._flying.items() if leased is root]
        left.sort(key=attrgetter("place"))
        now = time.monotonic()
        back: list[Batch] = []
        for batch in left:
            del self._flying[batch]
            self.flying -= len(batch.items)
            if batch.not_before > now:
                heapq.heappush(self._later, (batch.not_before, next(self._numbers), batch))
            else:
                back.append(batch)
        self._return(back)

    def _return(self, batches: Iterable[Batch]) -> None:
        """Put batches at the front of the line, and what has waited for them behind them."""
        back: list[Batch] = []
        todo = deque(batches)
        while todo:
            batch = todo.popleft()
            if not batch:
                continue
            if batch.is_about_run:
                lane = self._lanes[batch.item.run]
                lane.is_called = False
                self._see(lane, at_once=True)
                continue
            self._absent.pop(batch, None)
            back.append(batch)
            todo.extend(self._behind.pop(batch, ()))
        self._ready.extendleft(reversed(back))

    def _wake_due(self) -> None:
        now = time.monotonic()
        due: list[Batch] = []
        while self._later and self._later[0][0] <= now:
            due.append(heapq.heappop(self._later)[2])
        if due:
            self._return(due)

    def hurry(self) -> None:
        """Let nothing be put off any longer."""
        for batch in self.batches():
            batch.not_before = 0.0
        self._later = [(0.0, number, batch) for _, number, batch in self._later]

    # -- all of it --------------------------------------------------------------------------------

    def batches(self) -> Iterator[Batch]:
        """Everything in here: calls about runs, then spans, the oldest first of either."""
        calls = chain.from_iterable(lane.calls for lane in self._lanes.values())
        return chain(calls, self._spans)

    @property
    def holds_spans(self) -> bool:
        """Whether there are any operations of spans."""
        return bool(self._spans)

    def oldest(self, spared: Storage | None) -> Batch | None:
        """The oldest batch of spans that is not in flight, nor of the file that is spared."""
        for batch in self._spans:
            if batch not in self._flying and (spared is None or batch.file is not spared):
                return batch
        return None

    def take_first(self, batch: Batch) -> Batch:
        """The first operation of a batch of spans leaves the line."""
        lane = self._lanes[batch.item.run]
        lane.has_lost = lane.has_lost or not batch.attempts
        taken = batch.first()
        self.items -= 1
        if batch in self._absent:
            self._absent[batch] = batch.touched
        if not batch:
            del self._spans[batch]
            for line in (lane.waiting, self._ready):
                while line and not line[0]:
                    line.popleft()
        self._count_out(taken)
        return taken

    def hollow_run(self, spared: Storage | None, *, is_full: bool) -> list[Batch]:
        """The calls of the run that is the first to go: it is over, nothing of it was sent, and
        nothing waits in it. Where there is room: only if spans of it were given up."""
        for lane in self._hollow.values():
            if (is_full or lane.has_lost) and (spared is None or lane.calls[0].file is not spared):
                return list(lane.calls)
            break
        return []

    def emptied(self) -> "Line":
        """One like this in which nothing waits."""
        return Line(self._lost, self._max_items, self._max_bytes, self._numbers)

    def rebuilt(self) -> "Line":
        """The same line with all places made anew and nothing in flight, because whoever changed
        it may have been struck: nothing is missing then, and nothing there twice."""
        line = self.emptied()
        seen: set[int] = set()
        for batch in sorted(self.batches(), key=attrgetter("number", "place")):
            places = [place for place, item in enumerate(batch.items) if id(item) not in seen]
            seen.update(map(id, batch.items))
            batch.mend(places)
            batch.limit = SEALED
            if batch:
                line.insert(batch)
        for run, lane in self._lanes.items():
            if lane.has_lost and run in line._lanes:
                line._lanes[run].has_lost = True
        return line


def _go_together(one: Batch, other: Batch, max_items: int, max_bytes: int) -> bool:
    """Whether the second may follow in the first: not sent yet, and not too much together."""
    return (
        one.file is other.file
        and not other.is_anew
        and not one.attempts
        and not other.attempts
        and len(one.items) + len(other.items) <= max_items
        and one.size + other.size <= max_bytes
    )
