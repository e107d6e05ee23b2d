"""A span as whoever makes it holds it, and how what a door hands over is read."""

from collections.abc import Callable
from typing import Final, Generic, NamedTuple, Protocol, TypeVar

from prefactor_otel.spans.view import Attributes, Event, SpanKey, SpanView

S = TypeVar("S")


class Telling(Protocol):
    """What a span says of the run that it begins: an open one (``Source``) or one that has ended
    (``SpanView``)."""

    @property
    def key(self) -> SpanKey: ...

    @property
    def parent(self) -> SpanKey | None: ...

    @property
    def attributes(self) -> Attributes: ...

    @property
    def resource(self) -> Attributes: ...

    @property
    def start_ns(self) -> int: ...


class Source(Protocol):
    """A span that is followed from its start. It may be open, and change while it is looked at;
    only what ``read`` gives stays as it is."""

    @property
    def key(self) -> SpanKey:
        """What identifies it."""
        ...

    @property
    def parent(self) -> SpanKey | None:
        """Its parent, if that is a span of the same process."""
        ...

    @property
    def name(self) -> str:
        """What it is called now."""
        ...

    @property
    def attributes(self) -> Attributes:
        """What it says now."""
        ...

    @property
    def scope_name(self) -> str:
        """Of its instrumentation scope; empty without one."""
        ...

    @property
    def resource(self) -> Attributes:
        """What is said of what it comes from."""
        ...

    @property
    def start_ns(self) -> int:
        """When it has started, in nanoseconds since the epoch; 0 where that is unknown."""
        ...

    @property
    def has_ended(self) -> bool:
        """Whether it has ended, though nobody may have told so yet."""
        ...

    def read(self) -> SpanView:
        """A copy of what it says now."""
        ...


class Record(Protocol):
    """What a log record tells of a span, apart from that. Nothing of it is read before the worker
    does so."""

    @property
    def key(self) -> SpanKey:
        """What identifies the span."""
        ...

    def read(self) -> Event:
        """The same as an event of the span. May raise anything."""
        ...

    def weight(self) -> int:
        """Bytes of text that it holds, about. Never raises."""
        ...


class Whose(NamedTuple):
    """Whose account spans go to, as log lines tell it."""

    name: Callable[[], str] = str
    """What it is called, as far as that is known; empty where there is only one."""
    token: str = "PREFACTOR_API_TOKEN"
    """Where its token comes from."""


OURS: Final = Whose()
"""The process's own."""


class Reader(NamedTuple, Generic[S]):
    """How the spans of one kind of door are read. A door hands over what it has as it is, for
    whoever ends a span is to do nothing else; it is read on the worker's thread. None of these
    raises but ``view``, which may raise anything."""

    source: Callable[[S], Source | None]
    """A span that has started; None for one that is not to be followed."""
    key: Callable[[S], SpanKey | None]
    """What identifies a span; None for what is none."""
    view: Callable[[S], SpanView]
    """A span that has ended."""
    weight: Callable[[S], int]
    """Bytes of text that it holds, about."""
    resource: Callable[[], Attributes]
    """What is said of this process where neither a provider nor a span has said it."""
    described_later: bool = False
    """Whether a provider or a span is to say that first, and no run is named before."""
    serves_others: bool = False
    """Whether the spans are of other processes. Then what is said of a run is its first span's
    resource's, nothing is this process's, and the keys of traces' and sessions' runs follow from
    what they are: whoever gets spans of the same run, this process after a restart or another one
    beside it, joins that on the platform."""
    whose: Whose = OURS
