"""The SDK's spans as views: whatever a span made by hand holds, a view is of the types it says."""

from types import MappingProxyType
from typing import Final

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.trace import Event as SdkEvent
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, SpanKind, StatusCode

from prefactor_otel.payload.plain import plain, plain_attributes
from prefactor_otel.payload.repairs import Repair, Repairs, told
from prefactor_otel.spans.view import LAST_NS, Attributes, Event, SpanKey, SpanView, StatusName

_STATUS: dict[StatusCode, StatusName] = {
    StatusCode.UNSET: "unset",
    StatusCode.OK: "ok",
    StatusCode.ERROR: "error",
}

_KINDS: dict[SpanKind, str] = {kind: kind.name.lower() for kind in SpanKind}

_INTERNAL: Final = SpanKind.INTERNAL
_UNSET: Final = StatusCode.UNSET


def context_of(span: ReadableSpan) -> SpanContext | None:
    """The span's own context; None for what is no real span."""
    return span.get_span_context()


def key_of(context: SpanContext) -> SpanKey:
    """The key of the span that this context names."""
    return SpanKey(context.trace_id, context.span_id)


def view_of(span: ReadableSpan) -> SpanView:
    """The view of an SDK span, ended or still open. Raises ``ValueError`` without a context.

    Whatever a span made by hand holds, every value of the view is of the type that it says.
    """
    context = context_of(span)
    if context is None:
        raise ValueError("a span without a context cannot be exported")
    repairs: Repairs = set()
    key, above = key_of(context), span.parent
    parent = key_of(above) if above is not None else None
    if parent == key:
        repairs.add(Repair.OWN_PARENT)
        parent = above = None
    name, status, kind = span.name, span.status, span.kind
    scope_name, scope_version = _scope(span, repairs)
    start_ns, end_ns = _times(span, repairs)
    events, links = span.events, span.links
    return SpanView(
        key=key,
        parent=parent,
        parent_is_remote=above is not None and above.is_remote,
        name=name if type(name) is str else _text(name, repairs),
        # Most are of this kind and status, and to look up a member of an enum takes a call.
        kind="internal" if kind is _INTERNAL else _KINDS.get(kind, "internal"),
        start_ns=start_ns,
        end_ns=end_ns,
        status="unset"
        if status.status_code is _UNSET
        else _STATUS.get(status.status_code, "unset"),
        status_message=_text(status.description or "", repairs),
        attributes=_copied(span.attributes, repairs),
        events=[_event(event, repairs) for event in events] if events else (),
        links=[(key_of(e.context), _copied(e.attributes, repairs)) for e in links] if links else (),
        resource=span.resource.attributes,
        scope_name=scope_name,
        scope_version=scope_version,
        dropped_attributes=span.dropped_attributes,
        repaired=told(repairs) if repairs else (),
    )


def _event(event: SdkEvent, repairs: Repairs) -> Event:
    return Event(
        _text(event.name, repairs),
        _time(event.timestamp, repairs),
        _copied(event.attributes, repairs),
    )


def _scope(span: ReadableSpan, repairs: Repairs) -> tuple[str, str]:
    scope = span.instrumentation_scope
    if scope is None:
        return "", ""
    return _text(scope.name or "", repairs), _text(scope.version or "", repairs)


def _times(span: ReadableSpan, repairs: Repairs) -> tuple[int, int | None]:
    start, end = span.start_time, span.end_time
    if type(start) is int and type(end) is int and 0 <= start <= LAST_NS and 0 <= end <= LAST_NS:
        return start, end
    end_ns = _time(end, repairs) if end is not None else None
    if start is not None:
        return _time(start, repairs), end_ns
    repairs.add(Repair.NO_START)
    return end_ns or 0, end_ns


def _time(given: object, repairs: Repairs) -> int:
    """Nanoseconds since the epoch that a date can show."""
    if type(given) is int and 0 <= given <= LAST_NS:
        return given
    repairs.add(Repair.OUT_OF_TIME)
    try:
        return min(max(int(given), 0), LAST_NS)  # type: ignore[call-overload, no-any-return]
    except (TypeError, ValueError, OverflowError):
        return 0


def _text(given: object, repairs: Repairs) -> str:
    if type(given) is str:
        return given
    made = plain(given, repairs)
    repairs.add(Repair.OBJECT)
    return made if isinstance(made, str) else ""


def _copied(attributes: Attributes | None, repairs: Repairs) -> Attributes:
    """A copy, because an open span's attributes change while another thread reads them."""
    if attributes is None:
        return {}
    for _ in range(8):
        try:
            return plain_attributes(snapshot(attributes), repairs)
        except RuntimeError:  # "changed size during iteration": read it again
            continue
        except Exception:  # no mapping of the SDK's
            break
    repairs.add(Repair.UNREADABLE)
    return {}


def snapshot(attributes: Attributes) -> dict[str, object]:
    """A copy of attributes as a dictionary."""
    # The SDK's attributes, which a span shows through a proxy and a resource as they are, copy
    # themselves in one step; read key by key, they take a call of Python for each.
    if type(attributes) is MappingProxyType or type(attributes) is BoundedAttributes:
        try:
            copied: object = attributes.copy()
        except AttributeError:
            return dict(attributes)
        if type(copied) is dict:
            return copied
    return dict(attributes)
