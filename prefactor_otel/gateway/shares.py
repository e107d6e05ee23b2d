"""How many share what there is of anything: each has what it asks for while there is enough, and
one who asks for too much leaves some for others all the same."""

import asyncio
import heapq
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from itertools import count
from typing import Final, NamedTuple

MOST_OF_REST: Final = 8
"""How many times what is left for all one may have."""


def may_have_more(own: float, left: float) -> bool:
    """Whether somebody who has so much may have more, while so much is left. Who is alone may have
    eight ninths of everything, who comes then the same of what is left, and so on."""
    return own <= MOST_OF_REST * left


class Parts:
    """How much of what waits is whose, about: nobody tells what of it leaves first, so all of it
    leaves alike."""

    def __init__(self) -> None:
        self._of: dict[str, float] = {}

    def add(self, given: Mapping[str, int], waiting: int) -> None:
        """So much is given by each, while so much waits."""
        known = sum(self._of.values())
        if known > waiting:
            left = waiting / known
            self._of = {name: each * left for name, each in self._of.items() if each * left >= 1}
        for name, amount in given.items():
            self._of[name] = self._of.get(name, 0.0) + amount

    def of(self, name: str) -> float:
        """The part of it that is somebody's, from 0 to 1."""
        return self._of.get(name, 0.0) / max(1.0, sum(self._of.values()))


class _Asked(NamedTuple):
    """Somebody who waits for a turn; the first of them is the one whose ``begin`` is least."""

    begin: float
    number: int
    weight: int
    turn: "asyncio.Future[None]"


class Turns:
    """Whose turn it is, where no more than ``most`` may be at work at a time. Who has had more
    comes later: of everybody who waits, each gets as much as any other (start-time fair queueing).
    One event loop owns it."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._at_work = 0
        self._now = 0.0
        """What the one has had who was the last to get a turn."""
        self._had: dict[str, float] = {}
        self._asked: list[_Asked] = []
        self._number = count()

    @asynccontextmanager
    async def turn(self, name: str, weight: int, within: float) -> AsyncIterator[None]:
        """While inside, this much of somebody's is at work. Raises ``TimeoutError`` where it does
        not get its turn within so many seconds."""
        begin = max(self._now, self._had.get(name, 0.0))
        self._had[name] = begin + weight
        turn = asyncio.get_running_loop().create_future()
        heapq.heappush(self._asked, _Asked(begin, next(self._number), weight, turn))
        self._give()
        try:
            async with asyncio.timeout(within):
                await turn
        except BaseException:
            if turn.done() and not turn.cancelled():  # it came at the same moment
                self._done(weight)
            turn.cancel()
            raise
        try:
            yield
        finally:
            self._done(weight)

    def _done(self, weight: int) -> None:
        self._at_work -= weight
        self._give()

    def _give(self) -> None:
        """Let those in whose turn it is, one at a time at least."""
        while self._asked and (not self._at_work or self._fits(self._asked[0])):
            asked = heapq.heappop(self._asked)
            if not asked.turn.done():
                self._at_work += asked.weight
                self._now = max(self._now, asked.begin)
                asked.turn.set_result(None)
        if not self._asked and not self._at_work:
            self._had.clear()

    def _fits(self, asked: _Asked) -> bool:
        return asked.turn.done() or self._at_work + asked.weight <= self._most
