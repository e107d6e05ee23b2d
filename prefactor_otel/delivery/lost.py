"""Spans that have no record, and what hangs on their parents instead of them."""

import math
from bisect import bisect_right
from collections import OrderedDict
from typing import Final

from prefactor_otel.delivery.operation import Instead, Item, SpanRef

_CAPACITY: Final = 20_000


class LostSpans:
    """Spans whose creation was given up, and the parents that their children get instead: for
    ever or, where the span is created anew, for what stands in the line before that. Bounded: the
    oldest are forgotten first."""

    def __init__(self, capacity: int = _CAPACITY) -> None:
        self._capacity = capacity
        self.parents: OrderedDict[SpanRef, tuple[SpanRef | None, float]] = OrderedDict()
        """What hangs on each instead, and the number of the first batch for which it is there."""
        self.orphaned = 0
        """Spans that hang on something else than their parent, and were to be sent so."""
        self._anew: list[int] = []
        """The numbers of batches that create a span anew, which grow."""

    def add(self, ref: SpanRef, parent: SpanRef | None) -> None:
        """This span is lost; its children hang on ``parent`` from now on."""
        self.parents[ref] = parent, math.inf
        if len(self.parents) > self._capacity:
            self.parents.popitem(last=False)

    def end(self, ref: SpanRef, number: int) -> None:
        """If the span was lost: it is created anew by the batch of this number."""
        parent, until = self.parents.get(ref, (None, 0.0))
        if until == math.inf:
            self.parents[ref] = parent, number
            self._anew.append(number)
            del self._anew[: -self._capacity]

    def holds(self, ref: SpanRef | None, number: int) -> bool:
        """Whether the span is lost for the batch of this number."""
        return ref is not None and number < self.parents.get(ref, (None, 0.0))[1]

    def are_alike(self, one: int, other: int) -> bool:
        """Whether the same spans are lost for the batches of these numbers."""
        return bisect_right(self._anew, one) == bisect_right(self._anew, other)

    def look_higher(self, item: Item, number: int) -> Item:
        """The item of this batch under the nearest of its parent and the ancestors of that which
        is not lost for it."""
        parent = above = item.parent
        while above is not None and self.holds(above, number):
            above = self.parents[above][0]
        if above is parent:
            return item
        self.orphaned += type(parent) is not Instead
        return item.under(Instead(above) if above is not None else None)
