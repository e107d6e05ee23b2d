"""What came in, for tests to count: the last requests, bounded in number and bytes."""

import threading
from collections import deque
from dataclasses import dataclass
from typing import Any

import orjson


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """A request as it came, faulted ones too. ``body`` is its JSON, or None; ``status`` None
    where the connection hung or was cut. The token is not among the headers."""

    method: str
    path: str
    query: dict[str, str]
    body: Any
    headers: dict[str, str]
    status: int | None


class Recorder:
    """Keeps the newest requests and counts all. Safe from any thread."""

    def __init__(self, most: int, most_bytes: int) -> None:
        self._most, self._most_bytes = most, most_bytes
        self._bytes = self._handled = 0
        self._kept: deque[tuple[RecordedRequest, int]] = deque()
        self._changed = threading.Condition()

    def add(self, request: RecordedRequest, size: int) -> None:
        with self._changed:
            self._handled += 1
            self._kept.append((request, size))
            self._bytes += size
            while self._kept and (len(self._kept) > self._most or self._bytes > self._most_bytes):
                self._bytes -= self._kept.popleft()[1]
            self._changed.notify_all()

    def kept(self) -> list[RecordedRequest]:
        with self._changed:
            return [request for request, _ in self._kept]

    @property
    def handled(self) -> int:
        """How many requests there have been."""
        with self._changed:
            return self._handled

    def wait_beyond(self, handled: int, timeout: float) -> bool:
        """Block until there have been more than so many; False when time runs out first."""
        with self._changed:
            return self._changed.wait_for(lambda: self._handled > handled, timeout)


def parsed(raw: bytes) -> Any:
    """The JSON of a body; None where there is none."""
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
