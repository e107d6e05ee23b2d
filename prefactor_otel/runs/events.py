"""What happens to spans and runs, as the doors tell it to the worker's thread."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, NamedTuple, TypeVar

from prefactor_otel.delivery.operation import FinishStatus
from prefactor_otel.delivery.receipt import Receipt
from prefactor_otel.host.termination import Task
from prefactor_otel.runs.caller import Caller
from prefactor_otel.runs.naming import UNNAMED, Named
from prefactor_otel.runs.run import About
from prefactor_otel.spans.source import Record, Source, Telling
from prefactor_otel.spans.view import SpanKey, SpanView

S = TypeVar("S")

TOGETHER: Final = 8
"""Starts and ends of spans that go through each step together, at most: what a step needs of the
machine's caches it finds there for all but the first of them."""


class Place(NamedTuple):
    """Where a span starts, as far as its context tells: inside of which explicit run, in which
    session, in which task, which is cancelled if the run is terminated, of which agent, and at the
    call of which other process. ``begins`` is the key for the run, where one begins with it and
    others are to be told of it."""

    handle: str | None = None
    session: str | None = None
    task: Task | None = None
    agent: Named = UNNAMED
    caller: Caller | None = None
    begins: str | None = None


NOWHERE: Final = Place()
"""A context that tells nothing."""


@dataclass(slots=True)
class Started:
    """A span has started, at this time of the monotonic clock."""

    source: Source
    at: float
    place: Place = NOWHERE


@dataclass(slots=True)
class Spans(Generic[S]):
    """Spans that start or have ended, and are yet to be read, those of a group together. The
    receipt, if any, is of those that have ended: it is settled when the API has answered for them,
    and for those of the events before, of which it was not the last. Whoever asks for the next
    group is done with the one before."""

    groups: Iterable[Sequence[S]]
    read: Callable[[S], SpanView | Started | None]
    receipt: Receipt | None
    is_last: bool = True


@dataclass(slots=True)
class Dropped:
    """Spans have ended and were dropped because too many wait; they are counted already."""

    keys: Sequence[SpanKey]


@dataclass(slots=True)
class Logged:
    """A log record tells of a span what that does not carry."""

    record: Record


@dataclass(slots=True)
class Foretold:
    """Of traces of which spans come next, by their ids: the roots, which come behind others though
    it is for them to say what the run is of."""

    roots: Mapping[int, Telling]


@dataclass(slots=True)
class Calls:
    """Another process has been told of an open span, under which it goes on."""

    span: SpanKey


@dataclass(slots=True)
class Awaited:
    """An open span waits for somebody who is to see it."""

    span: SpanKey


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


AboutRun = RunOpened | RunClosed | SessionEnded | Judged
Told = Dropped | Flush | Logged | Foretold | Calls | Awaited | AboutRun
"""What is told of spans and runs, and holds none."""
Event = Started | Spans[Any] | Told
