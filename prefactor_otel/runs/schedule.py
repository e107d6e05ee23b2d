"""When each of many things is to be looked at next."""

import heapq
import itertools
import math
from collections.abc import Hashable
from typing import Final, Generic, TypeVar

T = TypeVar("T", bound=Hashable)

_FEW: Final = 64
"""Places that are not worth clearing away."""


class Schedule(Generic[T]):
    """Things and times (monotonic seconds). A look may come too early and find nothing, never too
    late: so what is put off again and again, as the end of an idle run is, costs nothing until
    its first time has come."""

    def __init__(self) -> None:
        self._times: dict[T, float] = {}
        self._heap: list[tuple[float, int, T]] = []
        self._numbers = itertools.count()

    @property
    def next(self) -> float:
        """When the next look is due; ``math.inf`` without one."""
        while self._heap and self._times.get(self._heap[0][2]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else math.inf

    def look_by(self, thing: T, at: float) -> None:
        """Look at it at this time, if not before."""
        if at < self._times.get(thing, math.inf):
            self._times[thing] = at
            heapq.heappush(self._heap, (at, next(self._numbers), thing))

    def forget(self, thing: T) -> None:
        """There is nothing more to look at."""
        self._times.pop(thing, None)
        if len(self._heap) > 2 * len(self._times) + _FEW:  # else it would be kept until its time
            self._heap = [place for place in self._heap if self._times.get(place[2]) == place[0]]
            heapq.heapify(self._heap)

    def take_due(self, now: float) -> list[T]:
        """What is to be looked at now; it has no time any more."""
        due: list[T] = []
        while self.next <= now:
            due.append(heapq.heappop(self._heap)[2])
            del self._times[due[-1]]
        return due
