"""What came in, for tests to count: the last requests, bounded in number and bytes."""

import threading
from collections import deque
from dataclasses import dataclass
from typing import Any

import orjson


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """A request as it came, faulted ones too. ``body`` is the JSON of ``raw``, or None; ``status``
    None where the connection hung or was cut. The token is not among the headers."""

    method: str
    path: str
    query: dict[str, str]
    body: Any
    raw: bytes
    headers: dict[str, str]
    status: int | None


class Recorder:
    """Keeps the newest requests, and counts what happened. Safe from any thread."""

    def __init__(self, most: int, most_bytes: int) -> None:
        self._most, self._most_bytes = most, most_bytes
        self._bytes = self._happened = 0
        self._kept: deque[tuple[RecordedRequest, int]] = deque()
        self._changed = threading.Condition()

    def add(self, request: RecordedRequest, size: int) -> None:
        with self._changed:
            self._kept.append((request, size))
            self._bytes += size
            while self._kept and (len(self._kept) > self._most or self._bytes > self._most_bytes):
                self._bytes -= self._kept.popleft()[1]
        self.note()

    def clear(self) -> None:
        """Let go of all requests."""
        with self._changed:
            self._kept.clear()
            self._bytes = 0

    def note(self) -> None:
        """Something happened: whoever waits looks again."""
        with self._changed:
            self._happened += 1
            self._changed.notify_all()

    def kept(self) -> list[RecordedRequest]:
        with self._changed:
            return [request for request, _ in self._kept]

    @property
    def happened(self) -> int:
        """How often something happened."""
        with self._changed:
            return self._happened

    def wait_beyond(self, happened: int, timeout: float) -> bool:
        """Block until it was more often than that; False when time runs out first."""
        with self._changed:
            return self._changed.wait_for(lambda: self._happened > happened, timeout)


def parsed(raw: bytes) -> Any:
    """The JSON of a body; None where there is none."""
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
