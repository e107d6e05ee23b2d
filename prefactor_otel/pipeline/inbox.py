"""What other threads hand to the worker's: events, in order, none of which is lost when the thread
that takes them dies in the middle of one."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final

from opentelemetry.sdk.trace import ReadableSpan

from prefactor_otel.delivery.receipt import Receipt
from prefactor_otel.host.pace import breathe
from prefactor_otel.runs.events import (
    Ended,
    Event,
    Flush,
)
from prefactor_otel.spans.sdk import snapshot

MAX_SPANS: Final = 16_384
"""Ended spans that wait to be taken in, at most: these are objects, far larger than items."""

MAX_BYTES: Final = 32 * 1024 * 1024
"""Bytes of text in them, at most."""

MAX_EVENTS: Final = 65_536
"""Events beyond which span starts are not noted: such spans become visible when they end."""

_IN_A_ROW: Final = 8
"""Events that are taken without a pause: about half a millisecond."""

_FEW: Final = 16
"""Spans that are not worth weighing, on the application's thread."""


class Inbox:
    """First in, first out. Any thread may ``put``; one at a time takes."""

    def __init__(self) -> None:
        self._events: deque[Event] = deque()
        self._lock = threading.RLock()  # a signal handler may put amid a put
        self._spans = 0
        self._bytes = 0
        self._is_taking = False
        self._retaken: Event | None = None

    def __bool__(self) -> bool:
        return bool(self._events)

    def __len__(self) -> int:
        return len(self._events)

    @property
    def is_full(self) -> bool:
        """Whether no more ended spans are to be put in."""
        return self._spans >= MAX_SPANS or self._bytes >= MAX_BYTES

    @property
    def notes_starts(self) -> bool:
        """Whether there is room for a span's start, which holds the span as well."""
        return len(self._events) < MAX_EVENTS and not self.is_full

    @property
    def spans(self) -> int:
        """Ended spans that wait in here."""
        return self._spans

    def put(self, event: Event) -> None:
        """Add an event at the end."""
        if isinstance(event, Ended):
            if self._spans >= _FEW:
                event.size = sum(map(_text_in, event.spans))
            self._count(len(event.spans), event.size)
        self._events.append(event)

    def take(
        self, handle: Callable[[Event], None], seconds: float, *, hurries: bool = False
    ) -> None:
        """Hand events over, as many as fit into the time, without pauses if it hurries."""
        until = time.monotonic() + seconds
        taken = 0
        while self._events and time.monotonic() < until:
            taken += 1
            if taken % _IN_A_ROW == 0 and not hurries:
                breathe()
            self._is_taking = True
            try:
                handle(self._events[0])
            except Exception:
                self._discard()
                raise
            self._discard()  # not before: whatever kills the thread must not lose an event

    def take_up(self, is_known: Callable[[ReadableSpan], bool]) -> Ended | None:
        """Where the thread died amid an event, the rest of that is taken, but only once more.
        Returns spans that have killed two threads."""
        event = self._events[0] if self._is_taking and self._events else None
        self._is_taking = False
        if event is not None and event is self._retaken:
            self._discard()
            return event if isinstance(event, Ended) else None
        if isinstance(event, Ended):
            rest = [span for span in event.spans if not is_known(span)]
            self._count(len(rest) - len(event.spans), 0)
            self._events[0] = self._retaken = Ended(rest, event.receipt, event.size)
        return None

    def receipts(self) -> Iterator[Receipt]:
        """Of those who wait for what is still in here."""
        for event in self._events:
            if isinstance(event, (Ended, Flush)) and event.receipt is not None:
                yield event.receipt

    def _discard(self) -> None:
        self._is_taking = False
        event = self._events.popleft()
        if isinstance(event, Ended):
            self._count(-len(event.spans), -event.size)

    def _count(self, spans: int, size: int) -> None:
        with self._lock:
            self._spans += spans
            self._bytes += size


def _text_in(span: ReadableSpan) -> int:
    try:
        return sum([len(v) for v in snapshot(span.attributes or {}).values() if type(v) is str])
    except Exception:  # made by hand; whoever reads it says what is wrong
        return 0
