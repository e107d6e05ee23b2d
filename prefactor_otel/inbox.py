"""What other threads hand to the worker's: events, in order, none of which is lost when the thread
that takes them dies in the middle of one."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from opentelemetry.sdk.trace import ReadableSpan

from prefactor_http.models.types import FinishStatus
from prefactor_otel.receipt import Receipt
from prefactor_otel.run import About
from prefactor_otel.span import SpanKey
from prefactor_otel.termination import Task


@dataclass(slots=True)
class Started:
    """A span has started, at this time of the monotonic clock; inside of the explicit run and in
    the session that its context names, if it names any."""

    span: ReadableSpan
    at: float
    handle: str | None = None
    session: str | None = None
    task: Task | None = None
    """The task to be cancelled if the run is terminated."""


@dataclass(slots=True)
class Ended:
    """Spans have ended; the receipt, if any, is settled when the API has answered for them."""

    spans: Sequence[ReadableSpan]
    receipt: Receipt | None


@dataclass(slots=True)
class Dropped:
    """Spans have ended and were dropped because too many wait; they are counted already."""

    keys: Sequence[SpanKey]


@dataclass(slots=True)
class RunOpened:
    """A block of the application that is a run of its own has been entered."""

    handle: str
    about: About
    task: Task | None = None


@dataclass(slots=True)
class RunClosed:
    """It has been left; the run ends as ``status`` once nothing in it is open."""

    handle: str
    status: FinishStatus


@dataclass(slots=True)
class SessionEnded:
    """Nothing more will come of a session."""

    session: str


@dataclass(slots=True)
class Judged:
    """Somebody has judged a run, that of a handle or else the process's; None takes it back."""

    handle: str | None
    name: str
    payload: dict[str, object] | None


@dataclass(slots=True)
class Flush:
    """Somebody waits until everything that came before is acknowledged."""

    receipt: Receipt


Event = Started | Ended | Dropped | RunOpened | RunClosed | SessionEnded | Judged | Flush


MAX_BYTES: Final = 32 * 1024 * 1024
"""Bytes of text in the ended spans that wait to be taken in, about. They are weighed when they are
taken: the application's thread is not kept for it."""

LEAST_ROOM: Final = 16

_WEIGHT: Final = 1 / 64
"""Of the latest span in the usual size."""


class Inbox:
    """First in, first out. Any thread may ``put``; one at a time takes."""

    def __init__(self) -> None:
        self._events: deque[Event] = deque()
        self._lock = threading.RLock()  # a signal handler may put amid a put
        self._spans = 0
        self._usual_size = 0.0
        self._is_taking = False
        self._retaken: Event | None = None

    def __bool__(self) -> bool:
        return bool(self._events)

    def __len__(self) -> int:
        return len(self._events)

    @property
    def room(self) -> int:
        """Ended spans that may wait in here, as large as those of late are."""
        return max(LEAST_ROOM, int(MAX_BYTES / max(1.0, self._usual_size)))

    @property
    def spans(self) -> int:
        """Ended spans that wait in here."""
        return self._spans

    def put(self, event: Event) -> None:
        """Add an event at the end."""
        if isinstance(event, Ended):
            self._count(len(event.spans))
        self._events.append(event)

    def take(self, handle: Callable[[Event], None], seconds: float) -> None:
        """Hand events over, as many as fit into the time."""
        until = time.monotonic() + seconds
        while self._events and time.monotonic() < until:
            self._is_taking = True
            try:
                self._weigh(self._events[0])
                handle(self._events[0])
            except Exception:
                self._discard()
                raise
            self._discard()  # not before: whatever kills the thread must not lose an event

    def _weigh(self, event: Event) -> None:
        """Learn from one span of many how large they are."""
        if self._spans > LEAST_ROOM and isinstance(event, Ended) and event.spans:
            self._usual_size += (_text_in(event.spans[0]) - self._usual_size) * _WEIGHT

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
            self._count(len(rest) - len(event.spans))
            self._events[0] = self._retaken = Ended(rest, event.receipt)
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
            self._count(-len(event.spans))

    def _count(self, change: int) -> None:
        with self._lock:
            self._spans += change


def _text_in(span: ReadableSpan) -> int:
    try:
        return sum(
            len(value) for value in (span.attributes or {}).values() if isinstance(value, str)
        )
    except Exception:  # made by hand; whoever reads it says what is wrong
        return 0
