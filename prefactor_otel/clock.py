"""The wall clock, which may be wrong: what is read off it is shown, and costs nobody a span."""

import time
from typing import Final, NamedTuple

LAST_NS: Final = 2**63 - 1
"""In the year 2262: where 64 bits of nanoseconds end, and so SQLite's whole numbers and Python's
own clock."""
_SENSIBLE: Final = (1_577_836_800.0, 4_102_444_800.0)
"""From 2020 to 2100: a clock that shows another time is not set."""


def now_ns() -> int:
    """Nanoseconds since the epoch, never below 0 or above ``LAST_NS``."""
    try:
        return min(max(time.time_ns(), 0), LAST_NS)
    except OverflowError:
        return LAST_NS


def now() -> float:
    """Seconds since the epoch, of the same clock."""
    return now_ns() / 1e9


class Period(NamedTuple):
    """The moments (seconds since the epoch) from ``begin`` on and before ``end``."""

    begin: float
    end: float

    def __contains__(self, moment: object) -> bool:
        return isinstance(moment, float) and self.begin <= moment < self.end


def longer_ago_than(age: float) -> Period:
    """The moments that lie more than so many seconds back. None does as far as either clock, that
    of the moment or the one now, cannot have been set."""
    first, last = _SENSIBLE
    moment = now()
    return Period(first, moment - age if moment < last else first)
