"""OTLP's protobuf messages as spans. They are read on the worker's thread, and not before: whoever
sends them waits meanwhile for no more than their being taken."""

from collections.abc import Container, Iterable, Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from prefactor_otel.payload.plain import plain_attributes
from prefactor_otel.payload.repairs import Repairs, told
from prefactor_otel.spans.logs import (
    EVENT_NAME,
    SAMPLED,
    Origin,
    OtlpRecord,
    Recorded,
    origin_of,
)
from prefactor_otel.spans.otlp import (
    KINDS,
    REMOTE,
    Describe,
    Received,
    parent_of,
)
from prefactor_otel.spans.times import moment, times
from prefactor_otel.spans.view import Attributes, Event, SpanKey, SpanView, StatusName

if TYPE_CHECKING:
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
    from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

_STATUS: Final[tuple[StatusName, ...]] = ("unset", "ok", "error")
_SCALARS: Final = frozenset(
    {"string_value", "int_value", "bool_value", "double_value", "bytes_value"}
)
_NO_TRACE: Final = bytes(16)
_NO_SPAN: Final = bytes(8)
_NO_PARENT: Final = (b"", _NO_SPAN)


class ProtobufSpan(NamedTuple):
    """A span that is yet to be read, with what OTLP says once for many."""

    message: "Span"
    resource: Attributes
    scope_name: str
    scope_version: str
    size: int
    """Bytes that it takes in its request, where all take as many."""

    @property
    def key(self) -> SpanKey:
        """What identifies it."""
        return _key(self.message.trace_id, self.message.span_id)

    @property
    def trace_id(self) -> int:
        """That of its key."""
        return int.from_bytes(self.message.trace_id)

    @property
    def parent(self) -> SpanKey | None:
        """What it says that its parent is."""
        above = self.message.parent_span_id
        return _key(self.message.trace_id, above) if above not in _NO_PARENT else None

    @property
    def is_local_root(self) -> bool:
        """Whether no span of its process is its parent."""
        return self.message.parent_span_id in _NO_PARENT or bool(self.message.flags & REMOTE)

    @property
    def start_ns(self) -> int:
        """When it has started, in nanoseconds since the epoch."""
        message = self.message
        start, end = message.start_time_unix_nano or None, message.end_time_unix_nano or None
        return times(start, end, set())[0]

    def texts(self, names: Container[str]) -> Attributes:
        """Those of its attributes that have these names and are texts."""
        found = self.message.attributes
        return {each.key: each.value.string_value for each in found if each.key in names}

    def read(self) -> SpanView:
        """The span as a value."""
        message = self.message
        repairs: Repairs = set()
        key = self.key
        parent = parent_of(key, self.parent, repairs)
        start_ns, end_ns = times(
            message.start_time_unix_nano or None, message.end_time_unix_nano or None, repairs
        )
        kind, status = message.kind, message.status
        return SpanView(
            key,
            parent,
            parent is not None and bool(message.flags & REMOTE),
            message.name,
            KINDS[kind] if 0 <= kind < len(KINDS) else "internal",
            start_ns,
            end_ns,
            _STATUS[status.code] if 0 <= status.code < len(_STATUS) else "unset",
            status.message,
            _attributes(message.attributes, repairs),
            [_event(event, repairs) for event in message.events] if message.events else (),
            [_link(link, repairs) for link in message.links] if message.links else (),
            self.resource,
            self.scope_name,
            self.scope_version,
            message.dropped_attributes_count,
            told(repairs) if repairs else (),
        )


def received(
    request: "ExportTraceServiceRequest", describe: Describe, size: int
) -> Received[ProtobufSpan]:
    """The spans of a request of so many bytes, unread but for what makes them spans: their ids."""
    spans: list[ProtobufSpan] = []
    each = size // max(1, sum(_spans_by_scope(request)))
    rejected = 0
    for of_resource in request.resource_spans:
        resource = describe(_plain(of_resource.resource.attributes))
        for of_scope in of_resource.scope_spans:
            name, version = of_scope.scope.name, of_scope.scope.version
            found = [
                ProtobufSpan(span, resource, name, version, each)
                for span in of_scope.spans
                if _is_named(span)
            ]
            rejected += len(of_scope.spans) - len(found)
            spans += found
    return Received(spans, rejected, _WHY if rejected else "")


_WHY: Final = "a trace id has 16 bytes and a span id 8, not all of them zero"


def _spans_by_scope(request: "ExportTraceServiceRequest") -> Iterator[int]:
    return (len(scope.spans) for each in request.resource_spans for scope in each.scope_spans)


def recorded(request: "ExportLogsServiceRequest", names: Container[str]) -> Recorded:
    """The records of a request that have one of these names, and a span that is sampled."""
    found: list[OtlpRecord] = []
    for of_resource in request.resource_logs:
        resource = _plain(of_resource.resource.attributes)
        for of_scope in of_resource.scope_logs:
            origin = origin_of(resource, of_scope.scope.name)
            found += [
                _record(record, name, origin)
                for record in of_scope.log_records
                if (name := _event_name(record)) in names and _has_sampled_span(record)
            ]
    return Recorded(found)


def _event_name(record: "LogRecord") -> str:
    name: str = record.event_name
    if name:
        return name
    texts = (each.value.string_value for each in record.attributes if each.key == EVENT_NAME)
    return next(texts, "")


def _has_sampled_span(record: "LogRecord") -> bool:
    is_named = len(record.trace_id) == 16 and len(record.span_id) == 8
    return is_named and bool(record.flags & SAMPLED)


def _record(record: "LogRecord", name: str, origin: Origin) -> OtlpRecord:
    return OtlpRecord(
        _key(record.trace_id, record.span_id),
        name,
        moment(record.time_unix_nano or record.observed_time_unix_nano, set()),
        _plain(record.attributes),
        _value(record.body),
        origin,
    )


def _is_named(span: "Span") -> bool:
    trace_id, span_id, parent = span.trace_id, span.span_id, span.parent_span_id
    return (
        len(trace_id) == 16
        and len(span_id) == 8
        and len(parent) in (0, 8)
        and trace_id != _NO_TRACE
        and span_id != _NO_SPAN
    )


def _key(trace_id: bytes, span_id: bytes) -> SpanKey:
    return SpanKey(int.from_bytes(trace_id), int.from_bytes(span_id))


def _attributes(given: "Iterable[KeyValue]", repairs: Repairs) -> Attributes:
    return plain_attributes(_plain(given), repairs)


def _plain(given: "Iterable[KeyValue]") -> dict[str, object]:
    # Most are texts: what else a value may be is asked where it is none, or empty.
    return {each.key: each.value.string_value or _value(each.value) for each in given}


def _value(value: "AnyValue") -> object:
    kind = value.WhichOneof("value")
    if kind in _SCALARS:
        return getattr(value, kind)
    if kind == "array_value":
        return tuple([_value(each) for each in value.array_value.values])  # as the SDK has it
    return _plain(value.kvlist_value.values) if kind == "kvlist_value" else None


def _event(event: "Span.Event", repairs: Repairs) -> Event:
    attributes = _attributes(event.attributes, repairs)
    return Event(event.name, moment(event.time_unix_nano, repairs), attributes)


def _link(link: "Span.Link", repairs: Repairs) -> tuple[SpanKey, Attributes]:
    return _key(link.trace_id, link.span_id), _attributes(link.attributes, repairs)
