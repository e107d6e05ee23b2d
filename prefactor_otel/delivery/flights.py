"""Batches that have left the line, for a request or for a while, and what waits behind them."""

import heapq
import time
from collections.abc import Iterable
from itertools import count
from operator import attrgetter

from prefactor_otel.delivery.batch import Batch
from prefactor_otel.delivery.operation import Operation, SpanRef


class Flights:
    """Which spans are not there yet, because what creates them is in flight, put off, or itself
    behind such a thing."""

    def __init__(self) -> None:
        self.items = 0
        """Operations in flight."""
        self._flying: dict[Batch, Batch] = {}
        """Batches in flight, and what they were leased as."""
        self._parts: dict[Batch, list[Batch]] = {}
        """What has come apart from these, which were leased."""
        self._absent: dict[Batch, frozenset[SpanRef | None]] = {}
        """The spans that these have to do with."""
        self._behind: dict[Batch, list[Batch]] = {}
        self._later: list[tuple[float, int, Batch]] = []
        self._ties = count()

    def __contains__(self, batch: Batch) -> bool:
        return batch in self._flying

    def begin(self, batch: Batch) -> None:
        """A batch is leased."""
        self._flying[batch] = batch
        self.items += len(batch)
        if not batch.is_about_run:
            self._absent[batch] = batch.touched

    def is_through(self, batch: Batch) -> None:
        """A batch in flight is done with."""
        del self._flying[batch]
        self.items -= len(batch)

    def free(self, batch: Batch) -> list[Batch]:
        """A batch is in no way absent any more. Returns what has waited for it."""
        self._absent.pop(batch, None)
        return self._behind.pop(batch, [])

    def changed(self, batch: Batch) -> None:
        """Of a batch that may be absent there is less."""
        if batch in self._absent:
            self._absent[batch] = batch.touched

    def came_apart(self, batch: Batch, parts: Iterable[Batch]) -> None:
        """Parts of a batch are batches of their own now."""
        root = self._flying.get(batch)
        if root is not None:
            self._flying.update(dict.fromkeys(parts, root))
            self._parts.setdefault(root, []).extend(parts)
            self._absent.update({each: each.touched for each in (batch, *parts)})

    def end(self, root: Batch) -> list[Batch]:
        """What was leased as this is in flight no longer. Returns what is left of it, in its order,
        but for what is put off."""
        leased = (root, *self._parts.pop(root, ()))
        left = [batch for batch in leased if self._flying.get(batch) is root]
        left.sort(key=attrgetter("place"))
        now = time.monotonic()
        back: list[Batch] = []
        for batch in left:
            self.is_through(batch)
            if batch.not_before > now:
                heapq.heappush(self._later, (batch.not_before, next(self._ties), batch))
            else:
                back.append(batch)
        return back

    def due(self) -> list[Batch]:
        """What was put off until now."""
        now = time.monotonic()
        due: list[Batch] = []
        while self._later and self._later[0][0] <= now:
            due.append(heapq.heappop(self._later)[2])
        return due

    def hurry(self) -> None:
        """Nothing is put off any longer."""
        for batch in (*self._flying, *(batch for _, _, batch in self._later)):
            batch.not_before = 0.0
        self._later = [(0.0, number, batch) for _, number, batch in self._later]

    # -- what waits behind them -------------------------------------------------------------------

    def hold_up(self, batch: Batch) -> bool:
        """Whether any of a batch names a span that something else is to create."""
        others = [refs for holder, refs in self._absent.items() if holder is not batch]
        return bool(others) and not all(map(batch.needed.isdisjoint, others))

    def holders(self, batch: Batch) -> list[Batch | None]:
        """For each operation of a batch what it has to wait behind, if anything."""
        if not self.hold_up(batch):
            return [None] * len(batch)
        known = {
            ref: holder
            for holder, refs in self._absent.items()
            if holder is not batch
            for ref in refs
        }
        holders: list[Batch | None] = []
        for item in batch.items:
            is_new = item.operation is Operation.CREATE
            holder = known.get(item.parent if is_new else item.span)
            if holder is not None and is_new:
                known[item.span] = holder
            holders.append(holder)
        return holders

    def hold(self, holder: Batch, batch: Batch) -> None:
        """A batch waits behind another."""
        self._absent[batch] = batch.touched
        self._behind.setdefault(holder, []).append(batch)
