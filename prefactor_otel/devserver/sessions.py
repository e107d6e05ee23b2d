"""Who may look at the page: secrets that work once, and the sessions that they are changed for."""

import hmac
import secrets
import threading
import time
from collections.abc import Callable
from typing import Final

LINK_LIFE: Final = 12 * 3600.0
"""Seconds for which a printed link works unless it is used: a working day. The token that is good
for ever is printed beside it."""
_MOST_LINKS: Final = 16
_MOST_SESSIONS: Final = 64


class Sessions:
    """Safe from any thread. Nothing of it is written anywhere: they end with the process.
    ``on_spent`` is called when a secret works no more: used, or too old when it was tried."""

    def __init__(self, on_spent: Callable[[], None]) -> None:
        self._on_spent = on_spent
        self._lock = threading.Lock()
        self._secrets: dict[str, float] = {}
        self._sessions: dict[str, None] = {}

    def invite(self, life: float = LINK_LIFE) -> str:
        """A secret that opens one session within so many seconds; of many the newest work."""
        secret = secrets.token_urlsafe(24)
        with self._lock:
            self._secrets[secret] = time.monotonic() + life
            _keep_newest(self._secrets, _MOST_LINKS)
        return secret

    def open(self, secret: str) -> str | None:
        """The name of a new session in exchange for a secret; None for one that does not work."""
        with self._lock:
            found = _same(self._secrets, secret)
            if found is None:
                return None
            session = None
            if self._secrets.pop(found) >= time.monotonic():
                session = secrets.token_urlsafe(32)
                self._sessions[session] = None
                _keep_newest(self._sessions, _MOST_SESSIONS)
        self._on_spent()
        return session

    def knows(self, session: str) -> bool:
        """Whether there is such a session."""
        with self._lock:
            return _same(self._sessions, session) is not None


def _same(known: dict[str, float] | dict[str, None], given: str) -> str | None:
    """The one that is given; how long the answer takes tells nothing of it."""
    text = given.encode("utf-8", "surrogatepass")
    found = [each for each in known if hmac.compare_digest(each.encode(), text)]
    return found[0] if found else None


def _keep_newest(known: dict[str, float] | dict[str, None], most: int) -> None:
    while len(known) > most:
        del known[next(iter(known))]
