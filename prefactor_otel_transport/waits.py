"""How long a server asks to be left alone, and how those who wait keep from coming together."""

import math
from email.utils import parsedate_to_datetime
from random import SystemRandom
from typing import Final

_CHANCE: Final = SystemRandom()
"""Not what ``random`` shares with all: an application that seeds that gets the same each time."""


def jittered(seconds: float) -> float:
    """About so many seconds, up to a quarter more or less by chance."""
    return seconds * _CHANCE.uniform(0.75, 1.25)


def retry_after(value: str | None, now: float) -> float | None:
    """Seconds to wait, from a ``Retry-After`` header (RFC 9110, 10.2.3: seconds or an HTTP date);
    None when there is none or it makes no sense. ``now`` in seconds since the epoch."""
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        return _until(value, now)
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def server_time(date: str | None, own: float) -> float:
    """Seconds since the epoch by the server's ``Date`` header, else by our own clock: so a wait
    until a date is as long as it is meant, whatever the time here."""
    try:
        return parsedate_to_datetime(date).timestamp() if date is not None else own
    except (ValueError, OverflowError):
        return own


def _until(date: str, now: float) -> float | None:
    try:
        return max(0.0, parsedate_to_datetime(date).timestamp() - now)
    except (ValueError, OverflowError):
        return None
