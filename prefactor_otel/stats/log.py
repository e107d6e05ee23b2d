"""Our log lines: none holds content, and none floods."""

import time
import traceback
from collections import Counter
from collections.abc import Callable
from typing import Final

from prefactor_otel.stats.own_logs import own_logger

logger: Final = own_logger("prefactor_otel")


def place_of(error: BaseException) -> str:
    """The type of an exception and where it was raised; its text may quote what a span carries."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{where}"


class QuietLog:
    """Log lines that do not flood: of each subject the first at once, then one a minute, and one
    when it is over; trouble that comes and goes logs half as often. Each begins with whom it is
    about, where ``whose`` says that."""

    def __init__(self, interval: float = 60.0, whose: Callable[[], str] = str) -> None:
        self._interval = interval
        self._whose = whose
        self._next: dict[str, float] = {}
        self._held: Counter[str] = Counter()
        self._told: set[str] = set()

    def warn(self, subject: str, text: str) -> None:
        """Log ``text`` unless the subject, one of few, has had its line within the interval."""
        now = time.monotonic()
        if now < self._next.get(subject, 0.0):
            self._held[subject] += 1
            return
        self._next[subject] = now + self._interval
        self._told.add(subject)
        held = self._held.pop(subject, 0)
        since = f" ({held} more like this since)" if held else ""
        logger.warning("%s%s%s", self._about, text, since)

    def recovered(self, subject: str, text: str) -> None:
        """Log one line when trouble with the subject was logged and is over."""
        if subject in self._told:
            self._told.remove(subject)
            self._next[subject] += self._interval
            logger.warning("%s%s", self._about, text)

    @property
    def _about(self) -> str:
        whose = self._whose()
        return f"{whose}: " if whose else ""
