"""A span as the rest of the package sees it: a frozen value, whatever door it came through."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, StatusCode

Attributes = Mapping[str, object]
StatusName = Literal["unset", "ok", "error"]


class SpanKey(NamedTuple):
    """What identifies a span within a process: its trace id and span id."""

    trace_id: int
    span_id: int

    def __str__(self) -> str:
        """Both in hexadecimal, with a colon between."""
        return f"{self.trace_hex}:{self.span_hex}"

    @property
    def trace_hex(self) -> str:
        """32 lower-case hexadecimal characters (W3C Trace Context)."""
        return f"{self.trace_id:032x}"

    @property
    def span_hex(self) -> str:
        """16 lower-case hexadecimal characters (W3C Trace Context)."""
        return f"{self.span_id:016x}"


@dataclass(frozen=True, slots=True)
class Event:
    """A timed event of a span; ``time_ns`` since the epoch, UTC."""

    name: str
    time_ns: int
    attributes: Attributes


@dataclass(frozen=True, slots=True)
class SpanView:
    """One OpenTelemetry span. Times in nanoseconds since the epoch (UTC); ``end_ns`` is None
    while it is open. ``parent`` is None for a root; ``parent_is_remote`` says that it lives in
    another process."""

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

    @property
    def is_local_root(self) -> bool:
        """Whether no span of this process is its parent."""
        return self.parent is None or self.parent_is_remote


_STATUS: dict[StatusCode, StatusName] = {
    StatusCode.UNSET: "unset",
    StatusCode.OK: "ok",
    StatusCode.ERROR: "error",
}


def context_of(span: ReadableSpan) -> SpanContext | None:
    """The span's own context; None for what is no real span."""
    return span.get_span_context()


def key_of(context: SpanContext) -> SpanKey:
    """The key of the span that this context names."""
    return SpanKey(context.trace_id, context.span_id)


def view_of(span: ReadableSpan) -> SpanView:
    """The view of an SDK span, ended or still open. Raises ``ValueError`` without a context."""
    context = context_of(span)
    if context is None:
        raise ValueError("a span without a context cannot be exported")
    parent = span.parent
    scope = span.instrumentation_scope
    return SpanView(
        key=key_of(context),
        parent=key_of(parent) if parent is not None else None,
        parent_is_remote=parent is not None and parent.is_remote,
        name=span.name,
        kind=span.kind.name.lower(),
        start_ns=span.start_time or 0,
        end_ns=span.end_time,
        status=_STATUS[span.status.status_code],
        status_message=span.status.description or "",
        attributes=_copied(span.attributes),
        events=[Event(e.name, e.timestamp, _copied(e.attributes)) for e in span.events],
        links=[(key_of(link.context), _copied(link.attributes)) for link in span.links],
        resource=span.resource.attributes,
        scope_name=scope.name if scope is not None else "",
        scope_version=(scope.version or "") if scope is not None else "",
        dropped_attributes=span.dropped_attributes,
    )


def _copied(attributes: Attributes | None) -> Attributes:
    """A copy, because an open span's attributes change while another thread reads them."""
    if not attributes:
        return {}
    for _ in range(8):
        try:
            return dict(attributes)
        except RuntimeError:  # "changed size during iteration": read it again
            continue
    return {}
