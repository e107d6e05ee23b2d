"""What the SDK holds, read: its spans, whose views are of the types that they say, whatever a span
made by hand holds, and what is said of the process. Nothing but the doors imports this."""

import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from opentelemetry import trace
from opentelemetry._logs import LogRecord
from opentelemetry.environment_variables import OTEL_PYTHON_TRACER_PROVIDER
from opentelemetry.sdk.resources import (
    SERVICE_NAME,
    TELEMETRY_SDK_NAME,
    TELEMETRY_SDK_VERSION,
    OTELResourceDetector,
)
from opentelemetry.sdk.trace import Event as SdkEvent
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.sdk.version import __version__ as sdk_version
from opentelemetry.trace import SpanContext, SpanKind, StatusCode, TraceFlags

from prefactor_otel.host.suppress import OWN_TRACE
from prefactor_otel.payload.plain import plain, plain_attributes
from prefactor_otel.payload.repairs import Repair, Repairs, told
from prefactor_otel.payload.size import characters
from prefactor_otel.spans.logs import said_in
from prefactor_otel.spans.source import Reader
from prefactor_otel.spans.times import moment, times
from prefactor_otel.spans.view import (
    LAST_NS,
    Attributes,
    Event,
    SpanKey,
    SpanView,
    StatusName,
    as_dict,
)

_STATUS: dict[StatusCode, StatusName] = {
    StatusCode.UNSET: "unset",
    StatusCode.OK: "ok",
    StatusCode.ERROR: "error",
}

_KINDS: dict[SpanKind, str] = {kind: kind.name.lower() for kind in SpanKind}

_INTERNAL: Final = SpanKind.INTERNAL
_UNSET: Final = StatusCode.UNSET

_new_key: Final = partial(tuple.__new__, SpanKey)
"""Makes a key without the call of Python that a named tuple takes; of every span two are made."""


def key_of(context: SpanContext) -> SpanKey:
    """The key of the span that this context names."""
    return _new_key((context.trace_id, context.span_id))


def view_of(span: ReadableSpan) -> SpanView:
    """The view of an SDK span, ended or still open. Raises ``ValueError`` without a context.

    Whatever a span made by hand holds, every value of the view is of the type that it says.
    """
    context = span.get_span_context()
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
        start_ns, end_ns = times(start_ns, end_ns, repairs)
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
        moment(event.timestamp, repairs),
        _copied(event.attributes, repairs),
    )


def _scope(scope: InstrumentationScope, repairs: Repairs) -> tuple[str, str]:
    name, version = scope.name, scope.version
    if type(name) is str and type(version) is str:
        return name, version
    return _text(name or "", repairs), _text(version or "", repairs)


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
            return plain_attributes(as_dict(attributes), repairs)
        except RuntimeError:  # "changed size during iteration": read it again
            continue
        except Exception:  # no mapping of the SDK's
            break
    repairs.add(Repair.UNREADABLE)
    return {}


# -- spans that are followed ----------------------------------------------------------------------


class SdkSource(NamedTuple):
    """A span of the application's that has started; see ``Source``."""

    span: ReadableSpan
    key: SpanKey
    parent: SpanKey | None

    @property
    def name(self) -> str:
        """What it is called now."""
        return self.span.name

    @property
    def attributes(self) -> Attributes:
        """What it says now."""
        return self.span.attributes or {}

    @property
    def scope_name(self) -> str:
        """Of its instrumentation scope; empty without one."""
        scope = self.span.instrumentation_scope
        return (scope.name or "") if scope is not None else ""

    @property
    def resource(self) -> Attributes:
        """What its provider says of the process."""
        return self.span.resource.attributes

    @property
    def start_ns(self) -> int:
        """When it has started, in nanoseconds since the epoch; 0 where that is unknown."""
        return self.span.start_time or 0

    @property
    def has_ended(self) -> bool:
        """Whether it has ended, though nobody may have told so yet."""
        return self.span.end_time is not None

    def read(self) -> SpanView:
        """A copy of what it says now."""
        return view_of(self.span)


_new_source: Final = partial(tuple.__new__, SdkSource)


def source_of(span: ReadableSpan) -> SdkSource | None:
    """A span that has started; None for what is none, is not sampled, or is of our own work. The
    thread on which it ends does not tell the last: a garbage collection on ours may end one of the
    agent's."""
    try:
        context, above = span.get_span_context(), span.parent
        if context is None or not context.trace_flags.sampled or context.trace_id == OWN_TRACE:
            return None
        parent = key_of(above) if above is not None and not above.is_remote else None
        return _new_source((span, key_of(context), parent))
    except Exception:  # no span at all
        return None


def key_in(span: ReadableSpan) -> SpanKey | None:
    """What identifies a span; None for what is none."""
    try:
        context = span.get_span_context()
    except Exception:  # whoever reads it says what it is
        return None
    return key_of(context) if context is not None else None


def weight_of(span: ReadableSpan) -> int:
    """The characters of its texts; 0 for what cannot be read, to which whoever reads it sees."""
    try:
        return sum([len(v) for v in as_dict(span.attributes or {}).values() if type(v) is str])
    except BaseException:  # made by hand
        return 0


def without_own(spans: Sequence[ReadableSpan]) -> Sequence[ReadableSpan]:
    """Those that are not of our own work."""
    try:
        return [span for span in spans if span.context.trace_id != OWN_TRACE]
    except Exception:  # some are no spans at all; whoever reads them says so
        return [span for span in spans if not _is_own(span)]


def _is_own(span: ReadableSpan) -> bool:
    key = key_in(span)
    return key is not None and key.trace_id == OWN_TRACE


# -- log records ----------------------------------------------------------------------------------


class SdkRecord(NamedTuple):
    """A log record of a span's, under the name of the event that it is; see ``Record``."""

    key: SpanKey
    name: str
    record: LogRecord

    def read(self) -> Event:
        """What it says, as an event; see ``said_in``."""
        repairs: Repairs = set()
        record, body = self.record, self.record.body
        said = said_in(_copied(record.attributes, repairs), body, _copied, repairs)
        at = record.timestamp or record.observed_timestamp
        return Event(self.name, moment(at, repairs), said)

    def weight(self) -> int:
        """The characters of its texts; 0 for what cannot be read."""
        try:
            return characters(self.record.attributes) + characters(self.record.body)
        except BaseException:  # made by hand
            return 0


_new_record: Final = partial(tuple.__new__, SdkRecord)


def record_of(name: str, record: LogRecord) -> SdkRecord | None:
    """A log record of a span that is sampled, and not of our own work; None for any other."""
    trace_id, span_id, flags = record.trace_id, record.span_id, record.trace_flags
    if not trace_id or not span_id or trace_id == OWN_TRACE:
        return None
    if not TraceFlags(flags or 0).sampled:
        return None
    return _new_record((_new_key((trace_id, span_id)), name, record))


# -- the process ----------------------------------------------------------------------------------


def process_resource() -> Attributes:
    """The global provider's resource; where there is none yet, what the variables of the
    environment say. Returns at once, in any thread and at any time: the SDK's ``Resource.create``
    makes threads, and at the end of a process none can be had."""
    # With the variable, to ask for the provider is to set it, which is the application's to do.
    if OTEL_PYTHON_TRACER_PROVIDER not in os.environ:
        provider = trace.get_tracer_provider()
        if isinstance(provider, TracerProvider):
            return provider.resource.attributes
    unknown = f"unknown_service:{Path(sys.executable).name}" if sys.executable else ""
    return {
        TELEMETRY_SDK_NAME: "opentelemetry",
        TELEMETRY_SDK_VERSION: sdk_version,
        SERVICE_NAME: unknown or "unknown_service",
        **OTELResourceDetector().detect().attributes,
    }


READER: Final = Reader(source_of, key_in, view_of, weight_of, process_resource)
"""How the SDK's spans are read."""
