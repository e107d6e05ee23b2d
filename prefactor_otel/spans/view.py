"""A span as the rest of the package sees it: a frozen value, whatever door it came through."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

from opentelemetry.attributes import BoundedAttributes

from prefactor_otel.payload.repairs import Repair

Attributes = Mapping[str, object]
StatusName = Literal["unset", "ok", "error"]

_COPIES_ITSELF: Final = (MappingProxyType, BoundedAttributes)


@lru_cache(maxsize=1024)  # the spans of a trace follow each other
def _trace_hex(trace_id: int) -> str:
    return f"{trace_id:032x}"


LAST_NS: Final = 253_402_300_799_999_999_999
"""The end of the year 9999, where ``datetime`` ends."""


class SpanKey(NamedTuple):
    """What identifies a span within a process: its trace id and span id."""

    trace_id: int
    span_id: int

    def __str__(self) -> str:
        """Both in hexadecimal, with a colon between."""
        return f"{self.trace_hex}:{self.span_hex}"

    @property
    def hex(self) -> str:
        """Both in hexadecimal, one after the other."""
        return f"{_trace_hex(self.trace_id)}{self.span_id:016x}"

    @property
    def trace_hex(self) -> str:
        """32 lower-case hexadecimal characters (W3C Trace Context)."""
        return _trace_hex(self.trace_id)

    @property
    def span_hex(self) -> str:
        """16 lower-case hexadecimal characters (W3C Trace Context)."""
        return f"{self.span_id:016x}"


def key_of(text: str) -> SpanKey:
    """The key that is written so, as ``str`` does. Raises ``ValueError``."""
    trace_id, _, span_id = text.partition(":")
    return SpanKey(int(trace_id, 16), int(span_id, 16))


# The two below are values as well, but not ``frozen``: then making one takes a call for each of
# its fields, which for every span costs as much as reading it does.
@dataclass(slots=True)
class Event:
    """A timed event of a span; ``time_ns`` since the epoch, UTC."""

    name: str
    time_ns: int
    attributes: Attributes


@dataclass(slots=True)
class SpanView:
    """One OpenTelemetry span; nobody changes it. Times in nanoseconds since the epoch (UTC);
    ``end_ns`` is None while it is open. ``parent`` is None for a root; ``parent_is_remote`` says
    that it lives in another process. ``repaired`` tells what of it was no value that a span can
    have."""

    key: SpanKey
    parent: SpanKey | None
    parent_is_remote: bool
    name: str
    kind: str
    start_ns: int
    end_ns: int | None
    status: StatusName
    status_message: str
    attributes: Attributes
    events: Sequence[Event]
    links: Sequence[tuple[SpanKey, Attributes]]
    resource: Attributes
    scope_name: str
    scope_version: str
    dropped_attributes: int
    repaired: Sequence[str] = ()

    @property
    def trace_id(self) -> int:
        """That of its key."""
        return self.key.trace_id

    @property
    def is_local_root(self) -> bool:
        """Whether no span of this process is its parent."""
        return self.parent is None or self.parent_is_remote

    @property
    def local_parent(self) -> SpanKey | None:
        """Its parent, if that is a span of this process."""
        return None if self.parent_is_remote else self.parent


def ended(view: SpanView) -> SpanView:
    """The view of a span that has ended, whatever it says: without an end it took no time."""
    if view.end_ns is not None:
        return view
    repaired = sorted({*view.repaired, str(Repair.NO_END)})
    return replace(view, end_ns=view.start_ns, repaired=repaired)


def as_dict(attributes: Attributes) -> dict[str, object]:
    """A copy of attributes as a dictionary."""
    # OpenTelemetry's attributes, which a span shows through a proxy and a resource as they are,
    # copy themselves in one step; read key by key, they take a call of Python for each.
    if type(attributes) in _COPIES_ITSELF:
        try:
            copied: object = attributes.copy()  # type: ignore[attr-defined]
        except AttributeError:
            return dict(attributes)
        if type(copied) is dict:
            return copied
    return dict(attributes)
