"""Spans that have no record, and what hangs on their parents instead of them."""

import math
from bisect import bisect_right
from collections import OrderedDict
from typing import Final

from prefactor_otel.delivery.operation import Instead, Item, SpanRef

_CAPACITY: Final = 20_000


class Unrecorded:
    """Spans whose creation was dropped, and the parents that their children get instead: for ever
    or, where the span is created anew, for what came before that. Bounded: the oldest are forgotten
    first."""

    def __init__(self, capacity: int = _CAPACITY) -> None:
        self._capacity = capacity
        self.parents: OrderedDict[SpanRef, tuple[SpanRef | None, float]] = OrderedDict()
        """What their children hang on instead, and the arrival from which on the span is there."""
        self.orphaned = 0
        """Spans that hang on something else than their parent, and were to be sent so."""
        self._anew: list[int] = []
        """The arrivals of batches that create a span anew, which grow."""

    def add(self, ref: SpanRef, parent: SpanRef | None) -> None:
        """This span has no record; its children hang on ``parent`` from now on."""
        self.parents[ref] = parent, math.inf
        if len(self.parents) > self._capacity:
            self.parents.popitem(last=False)

    def end(self, ref: SpanRef, arrival: int) -> None:
        """If the span was unrecorded: it is created anew by the batch that came then."""
        parent, until = self.parents.get(ref, (None, 0.0))
        if until == math.inf:
            self.parents[ref] = parent, arrival
            self._anew.append(arrival)
            del self._anew[: -self._capacity]

    def holds(self, ref: SpanRef | None, arrival: int) -> bool:
        """Whether the span is unrecorded for the batch that came then."""
        return ref is not None and arrival < self.parents.get(ref, (None, 0.0))[1]

    def are_alike(self, one: int, other: int) -> bool:
        """Whether the same spans are unrecorded for batches that came then."""
        return bisect_right(self._anew, one) == bisect_right(self._anew, other)

    def look_higher(self, item: Item, arrival: int) -> Item:
        """The item of this batch under the nearest of its parent and the ancestors of that which
        has a record for it."""
        parent = above = item.parent
        while above is not None and self.holds(above, arrival):
            above = self.parents[above][0]
        if above is parent:
            return item
        self.orphaned += type(parent) is not Instead
        return item.under(Instead(above) if above is not None else None)
