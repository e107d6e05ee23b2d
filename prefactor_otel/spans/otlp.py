"""OTLP's JSON as views: what an exporter writes into a file, and what is sent to a collector."""

import base64
from collections.abc import Callable, Container, Iterator
from typing import Annotated, Final, Generic, NamedTuple, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from prefactor_otel.payload.plain import plain_attributes
from prefactor_otel.payload.repairs import Repair, Repairs, told
from prefactor_otel.spans.documents import Documents
from prefactor_otel.spans.fields import (
    Place,
    Text,
    checked,
    elements,
    key_or_none,
    members,
    status_of,
)
from prefactor_otel.spans.logs import (
    EVENT_NAME,
    SAMPLED,
    Origin,
    OtlpRecord,
    Recorded,
    origin_of,
)
from prefactor_otel.spans.times import moment, times
from prefactor_otel.spans.view import Attributes, Event, SpanKey, SpanView

KINDS: Final = ("internal", "internal", "server", "client", "producer", "consumer")
"""The kinds of spans by their numbers."""
REMOTE: Final = 0x200
"""The bit of OTLP's ``flags`` that says that the parent is in another process (trace.proto)."""

S = TypeVar("S")

Describe = Callable[[Attributes], Attributes]
"""Adds what a door knows of the sender to what its resource says."""


def parent_of(key: SpanKey, parent: SpanKey | None, repairs: Repairs) -> SpanKey | None:
    """The parent, unless that is the span itself."""
    if parent != key:
        return parent
    repairs.add(Repair.OWN_PARENT)
    return None


def resource_spans(documents: Documents, place: Place) -> Iterator[SpanView]:
    """The spans of one of ``resourceSpans``, one at a time where resource and scope stand first."""
    told: dict[str, object] = {}
    for name in members(documents, place):
        if name == "scopeSpans" and "resource" in told:
            resource = checked(_ResourceSpans, told, place).plain()
            for inner in elements(documents, (*place, name)):
                yield from _scope_spans(documents, inner, resource)
        else:
            told[name] = documents.value()
    yield from checked(_ResourceSpans, told, place).views()


def _scope_spans(
    documents: Documents, place: Place, resource: dict[str, object]
) -> Iterator[SpanView]:
    told: dict[str, object] = {}
    for name in members(documents, place):
        if name == "spans" and "scope" in told:
            scope = checked(_ScopeSpans, told, place).scope
            for inner in elements(documents, (*place, name)):
                yield checked(_OtlpSpan, documents.value(), inner).view(resource, scope)
        else:
            told[name] = documents.value()
    yield from checked(_ScopeSpans, told, place).views(resource)


class Received(NamedTuple, Generic[S]):
    """What came in one request: the spans that can be read, how many cannot, and why one of them
    cannot, without any content. ``spans`` are what the reader of the door knows."""

    spans: list[S]
    rejected: int = 0
    why: str = ""


def received(document: object, describe: Describe) -> Received[SpanView]:
    """The spans of an ``ExportTraceServiceRequest`` in JSON. Raises ``ValueError`` for what is
    none, saying where and quoting nothing."""
    spans: list[SpanView] = []
    rejected, why = 0, ""
    for number, of_resource in enumerate(checked(_Request, document, ()).resource_spans):
        resource = describe(_plain(of_resource.resource.attributes))
        for inner, of_scope in enumerate(of_resource.scope_spans):
            place = ("resourceSpans", number, "scopeSpans", inner, "spans")
            for last, each in enumerate(of_scope.spans):
                try:
                    span = checked(_OtlpSpan, each, (*place, last))
                    spans.append(span.view(resource, of_scope.scope))
                except ValueError as error:
                    rejected, why = rejected + 1, why or str(error)
    return Received(spans, rejected, why)


def recorded(document: object, names: Container[str]) -> Recorded:
    """The records of an ``ExportLogsServiceRequest`` in JSON that have one of these names, and a
    span that is sampled. Raises ``ValueError`` for what is none."""
    records: list[OtlpRecord] = []
    rejected, why = 0, ""
    for number, of_resource in enumerate(checked(_LogsRequest, document, ()).resource_logs):
        resource = _plain(of_resource.resource.attributes)
        for inner, of_scope in enumerate(of_resource.scope_logs):
            place = ("resourceLogs", number, "scopeLogs", inner, "logRecords")
            origin = origin_of(resource, of_scope.scope.name)
            for last, each in enumerate(of_scope.log_records):
                try:
                    record = checked(_OtlpLogRecord, each, (*place, last)).read(names, origin)
                except ValueError as error:
                    rejected, why = rejected + 1, why or str(error)
                else:
                    records += [record] if record is not None else []
    return Recorded(records, rejected, why)


class _OtlpModel(BaseModel):
    """Names in camel case, as OTLP's JSON has them; what is null is as if it were not there."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, given: object) -> object:
        if not isinstance(given, dict) or None not in given.values():
            return given
        return {name: value for name, value in given.items() if value is not None}


def _id_of(digits: int, *, may_be_none: bool = False) -> BeforeValidator:
    def read(text: object) -> int:
        if not isinstance(text, str) or len(text) != digits or not _HEX.issuperset(text):
            raise ValueError(f"an id has hexadecimal digits only, {digits} of them")
        number = int(text, 16)
        if not (number or may_be_none):
            raise ValueError("an id of zeros names nothing")
        return number

    return BeforeValidator(read)


def _named(parent: object) -> object:
    """A parent's id; an empty one, or one of zeros, names none."""
    return parent if not isinstance(parent, str) or parent.strip("0") else None


_HEX: Final = frozenset("0123456789abcdefABCDEF")
_TraceId = Annotated[int, _id_of(32)]
_SpanId = Annotated[int, _id_of(16)]
_LinkedTraceId = Annotated[int, _id_of(32, may_be_none=True)]
_LinkedSpanId = Annotated[int, _id_of(16, may_be_none=True)]
_ParentId = Annotated[_SpanId | None, BeforeValidator(_named)]


class _Value(_OtlpModel):
    """OTLP's ``AnyValue``: one of these is there, or none."""

    string_value: str | None = None
    bool_value: bool | None = None
    int_value: int | None = None
    double_value: float | None = None
    bytes_value: str | None = None
    array_value: "_Values | None" = None
    kvlist_value: "_Attributes | None" = None

    def plain(self) -> object:
        """The value itself."""
        if self.bytes_value is not None:
            return base64.b64decode(self.bytes_value)
        if self.array_value is not None:
            return tuple(value.plain() for value in self.array_value.values)  # as the SDK has it
        if self.kvlist_value is not None:
            return _plain(self.kvlist_value.values)
        scalars = (self.string_value, self.bool_value, self.int_value, self.double_value)
        return next((value for value in scalars if value is not None), None)


class _Values(_OtlpModel):
    values: list[_Value] = []


class _Attribute(_OtlpModel):
    key: str
    value: _Value = Field(default_factory=_Value)


class _Attributes(_OtlpModel):
    values: list[_Attribute] = []


class _HasAttributes(_OtlpModel):
    attributes: list[_Attribute] = []


class _OtlpScope(_OtlpModel):
    name: Text = ""
    version: Text = ""


class _OtlpStatus(_OtlpModel):
    code: int | str = 0
    message: Text = ""


class _OtlpEvent(_HasAttributes):
    name: Text = ""
    time_unix_nano: int = 0

    def read(self, repairs: Repairs) -> Event:
        """The event as a value."""
        attributes = plain_attributes(_plain(self.attributes), repairs)
        return Event(self.name, moment(self.time_unix_nano, repairs), attributes)


class _OtlpLink(_HasAttributes):
    trace_id: _LinkedTraceId
    span_id: _LinkedSpanId


class _OtlpSpan(_HasAttributes):
    trace_id: _TraceId
    span_id: _SpanId
    parent_span_id: _ParentId = None
    flags: int = 0
    name: Text = ""
    kind: int | str = 0
    start_time_unix_nano: int = 0
    end_time_unix_nano: int = 0
    status: _OtlpStatus = Field(default_factory=_OtlpStatus)
    events: list[_OtlpEvent] = []
    links: list[_OtlpLink] = []
    dropped_attributes_count: int = 0

    def view(self, resource: Attributes, scope: _OtlpScope) -> SpanView:
        """The span with what OTLP says once for many."""
        repairs: Repairs = set()
        key = SpanKey(self.trace_id, self.span_id)
        parent = parent_of(key, key_or_none(self.trace_id, self.parent_span_id), repairs)
        start_ns, end_ns = times(
            self.start_time_unix_nano or None, self.end_time_unix_nano or None, repairs
        )
        return SpanView(
            key=key,
            parent=parent,
            parent_is_remote=parent is not None and bool(self.flags & REMOTE),
            name=self.name,
            kind=_otlp_kind(self.kind),
            start_ns=start_ns,
            end_ns=end_ns,
            status=status_of(str(self.status.code).removeprefix("STATUS_CODE_")),
            status_message=self.status.message,
            attributes=plain_attributes(_plain(self.attributes), repairs),
            events=[event.read(repairs) for event in self.events],
            links=[
                (SpanKey(k.trace_id, k.span_id), plain_attributes(_plain(k.attributes), repairs))
                for k in self.links
            ],
            resource=resource,
            scope_name=scope.name,
            scope_version=scope.version,
            dropped_attributes=self.dropped_attributes_count,
            repaired=told(repairs) if repairs else (),
        )


class _ScopeSpans(_OtlpModel):
    scope: _OtlpScope = Field(default_factory=_OtlpScope)
    spans: list[_OtlpSpan] = []

    def views(self, resource: dict[str, object]) -> Iterator[SpanView]:
        """The spans of this resource's scope."""
        return (span.view(resource, self.scope) for span in self.spans)


class _ResourceSpans(_OtlpModel):
    resource: _HasAttributes = Field(default_factory=_HasAttributes)
    scope_spans: list[_ScopeSpans] = []

    def plain(self) -> dict[str, object]:
        """What the resource says."""
        return _plain(self.resource.attributes)

    def views(self) -> Iterator[SpanView]:
        """The spans of this resource."""
        for of_scope in self.scope_spans:
            yield from of_scope.views(self.plain())


class _UnreadSpans(_OtlpModel):
    scope: _OtlpScope = Field(default_factory=_OtlpScope)
    spans: list[object] = []


class _OfResource(_OtlpModel):
    resource: _HasAttributes = Field(default_factory=_HasAttributes)
    scope_spans: list[_UnreadSpans] = []


class _Request(_OtlpModel):
    """One span that cannot be read is to cost no other: they are checked one by one."""

    resource_spans: list[_OfResource] = []


class _OtlpLogRecord(_HasAttributes):
    trace_id: Text = ""
    span_id: Text = ""
    flags: int = 0
    event_name: Text = ""
    time_unix_nano: int = 0
    observed_time_unix_nano: int = 0
    body: _Value = Field(default_factory=_Value)

    def read(self, names: Container[str], origin: Origin) -> OtlpRecord | None:
        """The record, if it has one of these names and a span that is sampled."""
        attributes = _plain(self.attributes)
        name = self.event_name or str(attributes.get(EVENT_NAME))
        if name not in names or not (self.trace_id and self.span_id and self.flags & SAMPLED):
            return None
        span = checked(_RecordsSpan, {"traceId": self.trace_id, "spanId": self.span_id}, ())
        at = moment(self.time_unix_nano or self.observed_time_unix_nano, set())
        key = SpanKey(span.trace_id, span.span_id)
        return OtlpRecord(key, name, at, attributes, self.body.plain(), origin)


class _RecordsSpan(_OtlpModel):
    trace_id: _TraceId
    span_id: _SpanId


class _UnreadLogs(_OtlpModel):
    scope: _OtlpScope = Field(default_factory=_OtlpScope)
    log_records: list[object] = []


class _LogsOfResource(_OtlpModel):
    resource: _HasAttributes = Field(default_factory=_HasAttributes)
    scope_logs: list[_UnreadLogs] = []


class _LogsRequest(_OtlpModel):
    resource_logs: list[_LogsOfResource] = []


def _plain(attributes: list[_Attribute]) -> dict[str, object]:
    return {entry.key: entry.value.plain() for entry in attributes}


def _otlp_kind(kind: int | str) -> str:
    if isinstance(kind, int):
        return KINDS[kind] if 0 <= kind < len(KINDS) else "internal"
    return kind.removeprefix("SPAN_KIND_").lower()
