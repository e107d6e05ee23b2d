"""The SDK's spans as views: whatever a span made by hand holds, a view is of the types it says."""

from functools import partial
from types import MappingProxyType
from typing import Final

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.trace import Event as SdkEvent
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
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


_COPIES_ITSELF: Final = (MappingProxyType, BoundedAttributes)

_new_key: Final = partial(tuple.__new__, SpanKey)
"""Makes a key without the call of Python that a named tuple takes; of every span two are made."""


def context_of(span: ReadableSpan) -> SpanContext | None:
    """The span's own context; None for what is no real span."""
    return span.get_span_context()


def key_of(context: SpanContext) -> SpanKey:
    """The key of the span that this context names."""
    return _new_key((context.trace_id, context.span_id))


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
    # Of most spans all is as it should be, and most are of this kind and status: what says so at
    # sight takes no call.
    name, status, kind, scope = span.name, span.status, span.kind, span.instrumentation_scope
    code, message, given = status.status_code, status.description, span.attributes
    start_ns, end_ns = span.start_time, span.end_time
    if not (type(start_ns) is int and type(end_ns) is int and 0 <= start_ns <= end_ns <= LAST_NS):
        start_ns, end_ns = _times(start_ns, end_ns, repairs)
    events, links = span.events, span.links
    scope_name, scope_version = _scope(scope, repairs) if scope is not None else ("", "")
    return SpanView(
        key,
        parent,
        above is not None and above.is_remote,
        name if type(name) is str else _text(name, repairs),
        "internal" if kind is _INTERNAL else _KINDS.get(kind, "internal"),
        start_ns,
        end_ns,
        "unset" if code is _UNSET else _STATUS.get(code, "unset"),
        _text(message, repairs) if message else "",
        _copied(given, repairs) if given is not None else {},
        [_event(event, repairs) for event in events] if events else (),
        [(key_of(e.context), _copied(e.attributes, repairs)) for e in links] if links else (),
        span.resource.attributes,
        scope_name,
        scope_version,
        span.dropped_attributes,
        told(repairs) if repairs else (),
    )


def _event(event: SdkEvent, repairs: Repairs) -> Event:
    return Event(
        _text(event.name, repairs),
        _time(event.timestamp, repairs),
        _copied(event.attributes, repairs),
    )


def _scope(scope: InstrumentationScope, repairs: Repairs) -> tuple[str, str]:
    name, version = scope.name, scope.version
    if type(name) is str and type(version) is str:
        return name, version
    return _text(name or "", repairs), _text(version or "", repairs)


def _times(start: object, end: object, repairs: Repairs) -> tuple[int, int | None]:
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
    if type(attributes) in _COPIES_ITSELF:
        try:
            copied: object = attributes.copy()  # type: ignore[attr-defined]
        except AttributeError:
            return dict(attributes)
        if type(copied) is dict:
            return copied
    return dict(attributes)
