"""The line in memory: what can be sent now, in order, and what waits for what.

Each thing stands where whatever it waits for finds it: what a run has before it is open, with that
run; what names a span whose creation is on its way, behind that. So nobody who looks for something
to send walks past what cannot be sent.

A batch of spans stands in ``_spans`` or ``_ends``, by what is left of it, until it is settled. One
more place says what it waits for:

| place                     | it waits                                                          |
|---------------------------|-------------------------------------------------------------------|
| ``Lane.waiting``          | for its run to be open                                            |
| ``_ready``                | for its turn                                                      |
| ``Flights._flying``       | for an answer                                                     |
| ``Flights._later``        | for its time, as it has been put off                              |
| ``Flights._behind``       | for another in one of the last three, which creates what it names |

What a batch in the last three has to do with is in ``Flights._absent``. A call about a run stands
in ``Lane.calls`` until it is settled; the first of a run also among the offers in ``Lanes``, or in
``_flying`` or ``_later``. All of these places follow from ``_spans``, ``_ends`` and the calls:
``rebuilt`` has them anew where a change was struck.
"""

from collections import OrderedDict, deque
from collections.abc import Hashable, Iterable, Iterator, Sequence
from itertools import chain, count
from operator import attrgetter
from typing import TypeVar

from prefactor_otel.delivery.batch import SEALED, Batch, Row
from prefactor_otel.delivery.budget import Share
from prefactor_otel.delivery.flights import Flights
from prefactor_otel.delivery.lanes import Lane, Lanes
from prefactor_otel.delivery.operation import Item, Operation, SpanRef
from prefactor_otel.delivery.storage import Storage
from prefactor_otel.delivery.unrecorded import Unrecorded

F = TypeVar("F", bound=Hashable)


class Line:
    """Batches in memory. A batch of spans takes up to ``max_items``, and ``max_bytes`` of a
    request."""

    def __init__(
        self,
        unrecorded: Unrecorded,
        max_items: int,
        max_bytes: int,
        arrivals: Iterator[int] | None = None,
    ) -> None:
        self.items = 0
        """Operations in here, those in flight included."""
        self._unrecorded = unrecorded
        self._max_items = max_items
        self._max_bytes = max_bytes
        self._arrivals = arrivals if arrivals is not None else count()
        self._spans: OrderedDict[Batch, None] = OrderedDict()
        self._ends: OrderedDict[Batch, None] = OrderedDict()
        """Those of which no more is left than the ends of spans: the last to be given up."""
        self._ready: deque[Batch] = deque()
        self.lanes = Lanes()
        self.flights = Flights()

    @property
    def flying(self) -> int:
        """Operations in flight."""
        return self.flights.items

    # -- what comes -------------------------------------------------------------------------------

    def add(self, item: Item, file: Storage | None, row: Row | None) -> Batch:
        """An operation comes, in the last place. Returns the batch that it has joined."""
        span = item.span
        if span is None:
            return self._add_call(item, file, row)
        lane = self.lanes.of(item.run)
        self.items += 1
        lane.spans += 1
        line = lane.waiting if lane.opening else self._ready
        batch = line[-1] if line else None
        if (
            batch is None
            or batch.size + len(item.body) > batch.limit
            or batch.file is not file
            or span in self._unrecorded.parents
        ):
            batch = self._new_batch(lane, file, item.operation, span)
            line.append(batch)
        batch.add(item, row)
        if len(batch.items) >= self._max_items:
            batch.limit = SEALED
        return batch

    def _add_call(self, item: Item, file: Storage | None, row: Row | None) -> Batch:
        batch = Batch(file, next(self._arrivals))
        batch.add(item, row)
        self.insert(batch)
        return batch

    def _new_batch(
        self, lane: Lane, file: Storage | None, operation: Operation, span: SpanRef
    ) -> Batch:
        """The next batch, which begins with this operation."""
        self.lanes.is_filled(lane)
        batch = Batch(file, next(self._arrivals), limit=self._max_bytes)
        if operation is Operation.CREATE and span in self._unrecorded.parents:
            batch.is_anew = True
            self._unrecorded.end(span, batch.arrival)
        self._spans[batch] = None
        return batch

    def insert(self, batch: Batch) -> None:
        """A batch comes, in the last place: a call about a run, or spans of which all or none can
        be sent now."""
        self.items += len(batch)
        if batch.is_about_run:
            self.lanes.add_call(batch)
            return
        self._kind_of(batch)[batch] = None
        lanes = [(self.lanes.of(run), operations) for run, operations in batch.runs.items()]
        for lane, operations in lanes:
            lane.spans += operations
        is_open = not any(lane.opening for lane, _ in lanes)
        (self._ready if is_open else lanes[0][0].waiting).append(batch)

    # -- what is sent -----------------------------------------------------------------------------

    def lease_calls(self, most: int, kinds: Sequence[Operation]) -> list[Batch]:
        """The calls about runs whose turn it is: at most so many, the oldest first of each kind."""
        self._return(self.flights.due())
        leased: list[Batch] = []
        for kind in kinds:
            while len(leased) < most and (batch := self.lanes.next_call(kind)) is not None:
                self.flights.begin(batch)
                leased.append(batch)
        return leased

    def lease_spans(self, max_items: int, max_bytes: int, queued: Share) -> Batch | None:
        """The oldest operations of spans that can be sent now, as one batch for one request. What
        names a span whose creation is on its way stays, behind that. What was packed is not any
        more, and takes more of what is ``queued`` in memory: none of it is on disk."""
        self._return(self.flights.due())
        leased: Batch | None = None
        while self._ready:
            batch = self._ready[0]
            if leased is not None and not self._go_together(leased, batch, max_items, max_bytes):
                break
            self._ready.popleft()
            batch.limit = SEALED
            if not batch:  # all of it was given up
                continue
            queued.add(batch.unpack(), 0)
            self.look_higher(batch)
            free = self._hold_back(batch)
            if free is not None and leased is not None:
                leased.absorb(free)
                del self._kind_of(free)[free]
            elif free is not None:
                leased = self._shorten(free, max_items, max_bytes)
        if leased is not None:
            self.flights.begin(leased)
        return leased

    def _go_together(self, one: Batch, other: Batch, max_items: int, max_bytes: int) -> bool:
        """Whether the second may follow in the first: not sent yet, not too much together, and
        with the same spans unrecorded for both: the arrival of the first counts for all of it."""
        return (
            one.file is other.file
            and one.is_end_alone is other.is_end_alone
            and not other.is_anew
            and not one.was_sent
            and not other.was_sent
            and len(one.items) + len(other.items) <= max_items
            and one.size + other.size <= max_bytes
            and self._unrecorded.are_alike(one.arrival, other.arrival)
        )

    def look_higher(self, batch: Batch) -> None:
        """Let what hangs on unrecorded spans hang on their ancestors."""
        if self._unrecorded.parents:
            batch.items = [
                self._unrecorded.look_higher(item, batch.arrival) for item in batch.items
            ]

    def _shorten(self, batch: Batch, max_items: int, max_bytes: int) -> Batch:
        """Leave in the line what is too much for one request."""
        if len(batch) <= max_items and batch.size <= max_bytes:
            return batch
        size = 0
        for place, item in enumerate(batch.items):
            size += item.size
            if place == max_items or (place and size > max_bytes):
                _, rest = self._split(batch, [range(place), range(place, len(batch))])
                self._ready.appendleft(rest)
                break
        return batch

    def _hold_back(self, batch: Batch) -> Batch | None:
        """Let those operations wait that name a span whose creation is on its way: behind that.
        Returns the others."""
        free = None
        for holder, part in self.apart(batch, self.flights.holders(batch)):
            if holder is None:
                free = part
            else:
                self.flights.hold(holder, part)
        return free

    def in_turn(self, batch: Batch) -> Batch | None:
        """What of a batch in flight names nothing that another is to create. A part of what was
        leased may have to be sent again, and what hangs on it comes then."""
        holders = self.flights.holders(batch)
        if not any(holders):
            return batch
        return dict(self.apart(batch, [holder is not None for holder in holders])).get(False)

    def apart(self, batch: Batch, fates: Sequence[F]) -> list[tuple[F, Batch]]:
        """A batch as one for each fate, in the order of the first items of each: the same one,
        where all of it shares one fate."""
        if fates.count(fates[0]) == len(fates):
            return [(fates[0], batch)]
        groups: dict[F, list[int]] = {}
        for place, fate in enumerate(fates):
            groups.setdefault(fate, []).append(place)
        return list(zip(groups, self._split(batch, list(groups.values())), strict=True))

    def _split(self, batch: Batch, groups: Sequence[Sequence[int]]) -> list[Batch]:
        """A batch for each of these groups of places, which grow; the first is the same one."""
        parts = [batch.part(group) for group in groups[1:]]
        kind = self._kind_of(batch)
        for part in reversed(parts):
            kind[part] = None
            kind.move_to_end(part, last=False)
        batch.keep(groups[0])
        kind.move_to_end(batch, last=False)
        self.flights.came_apart(batch, parts)
        return [batch, *parts]

    # -- what becomes of it -----------------------------------------------------------------------

    def settle(self, batch: Batch) -> None:
        """A batch in flight is done with."""
        self.flights.is_through(batch)
        self.take_out(batch)

    def take_out(self, batch: Batch) -> None:
        """A batch is done with; what waited for it does so no longer."""
        self.items -= len(batch)
        if batch.is_about_run:
            self._ready.extend(self.lanes.call_is_through(batch))
            return
        del self._kind_of(batch)[batch]
        self.lanes.are_through(batch)
        self._return(self.flights.free(batch))

    def release(self, root: Batch) -> None:
        """Put what is still in flight of a leased batch back at the front, in its order, and what
        has waited for that behind it; what is to be tried later, not before that."""
        self._return(self.flights.end(root))

    def _return(self, batches: Sequence[Batch]) -> None:
        """Put batches at the front of the line, and what has waited for them behind them."""
        back: list[Batch] = []
        todo = deque(batches)
        while todo:
            batch = todo.popleft()
            if batch and batch.is_about_run:
                self.lanes.call_is_back(batch)
            else:
                back.append(batch)
                todo.extend(self.flights.free(batch))
        self._ready.extendleft(reversed(back))

    # -- all of it --------------------------------------------------------------------------------

    def batches(self) -> Iterator[Batch]:
        """Everything in here: calls about runs, then spans, the oldest first of either."""
        return chain(self.lanes.calls(), self._spans, self._ends)

    @property
    def holds_spans(self) -> bool:
        """Whether there are any operations of spans."""
        return bool(self._spans or self._ends)

    def _kind_of(self, batch: Batch) -> OrderedDict[Batch, None]:
        """All batches of spans that are of the same kind."""
        return self._ends if batch.is_end_alone else self._spans

    def oldest(self, spared: Storage | None) -> Batch | None:
        """The oldest batch of spans that is not in flight, nor of the file that is spared, nor only
        of the ends of spans."""
        return self._first(self._spans, spared)

    def oldest_end(self, spared: Storage | None) -> Batch | None:
        """The same of those that are only that."""
        return self._first(self._ends, spared)

    def first_to_go(self, spared: Storage | None) -> Batch | None:
        """The same of spans that are more than that and of judgements, whichever came first."""
        judgement = self._first(self.lanes.judgements, spared)
        found = [each for each in (self.oldest(spared), judgement) if each is not None]
        return min(found, key=attrgetter("arrival"), default=None)

    def _first(self, batches: Iterable[Batch], spared: Storage | None) -> Batch | None:
        for batch in batches:
            if batch not in self.flights and (spared is None or batch.file is not spared):
                return batch
        return None

    def take_first(self, batch: Batch) -> Batch:
        """The first operation of a batch of spans leaves the line, or a call that is not made."""
        if batch.is_about_run:
            self.take_out(batch)
            return batch.first()  # it may still stand among what is put off
        lane = self.lanes.of(batch.item.run)
        lane.has_dropped = lane.has_dropped or not batch.was_sent
        taken = batch.first()
        self.items -= 1
        self.flights.changed(batch)
        if not batch:
            del self._kind_of(batch)[batch]
            batch.limit = SEALED  # it may still stand somewhere
            for line in (lane.waiting, self._ready):
                while line and not line[0]:
                    line.popleft()
            self._return(self.flights.free(batch))
        self.lanes.are_through(taken)
        return taken

    def emptied(self) -> "Line":
        """One like this in which nothing waits."""
        return Line(self._unrecorded, self._max_items, self._max_bytes, self._arrivals)

    def rebuilt(self) -> "Line":
        """The same line with all places made anew and nothing in flight, because whoever changed
        it may have been struck: nothing is missing then, and nothing there twice."""
        line = self.emptied()
        seen: set[int] = set()
        for batch in sorted(self.batches(), key=attrgetter("arrival", "place")):
            places = [place for place, item in enumerate(batch.items) if id(item) not in seen]
            seen.update(map(id, batch.items))
            batch.mend(places)
            batch.limit = SEALED
            if batch:
                line.insert(batch)
        line.lanes.learn_drops(self.lanes)
        return line
