"""Looking again and again, without being a burden to whoever is looked at."""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from enum import Enum, auto
from typing import Final

from prefactor_otel.cli.problem import Problem

SHORTEST: Final = 1.0
LONGEST: Final = 10.0
"""Seconds between two looks while something happens, and after a long time without."""
_GROWTH: Final = 1.5
_SHARE: Final = 4.0
"""A pause is so many times as long as the look before it took."""
LONGEST_IN_TROUBLE: Final = 60.0


class Seen(Enum):
    """What a look has found."""

    NOTHING_NEW = auto()
    CHANGES = auto()
    END = auto()


class Pace:
    """How long to wait until the next look."""

    def __init__(self) -> None:
        self._pause = SHORTEST

    def after(self, seen: Seen, took: float) -> float:
        """Seconds after a look that took so many."""
        self._pause = SHORTEST if seen is Seen.CHANGES else min(self._pause * _GROWTH, LONGEST)
        return max(self._pause, _SHARE * took)

    def after_trouble(self, retry_after: float | None) -> float:
        """Seconds after a look that failed: as many as the API asks for, or more each time."""
        self._pause = min(self._pause * 2, LONGEST_IN_TROUBLE)
        return max(self._pause, retry_after or 0.0)


async def follow(look: Callable[[], Awaitable[Seen]]) -> None:
    """Look until there is an end. Trouble that passes is waited out once there has been a look,
    and told in a line; raises every other ``Problem``."""
    pace = Pace()
    has_looked = in_trouble = False
    while True:
        began = time.monotonic()
        try:
            seen = await look()
        except Problem as problem:
            if not (has_looked and problem.passes):
                raise
            if not in_trouble:
                print(f"{problem} Waiting for it.", file=sys.stderr)
            in_trouble = True
            await asyncio.sleep(pace.after_trouble(problem.retry_after))
            continue
        has_looked, in_trouble = True, False
        if seen is Seen.END:
            return
        await asyncio.sleep(pace.after(seen, time.monotonic() - began))
