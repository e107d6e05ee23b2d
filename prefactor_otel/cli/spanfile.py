"""Reads spans from a file: OTLP/JSON, the SDK's console exporter, or a recorded run.

Which of the three it is shows in what is there. Several documents may follow each other, as the
console exporter and OTLP file exporters write them.
"""

import base64
import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Annotated, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from prefactor_otel.span import Event, SpanKey, SpanView, StatusName

_STATUS: Final[dict[str, StatusName]] = {"1": "ok", "OK": "ok", "2": "error", "ERROR": "error"}
_KINDS: Final = ("internal", "internal", "server", "client", "producer", "consumer")
_REMOTE: Final = 0x200
"""The bit of OTLP's ``flags`` that says that the parent is in another process (trace.proto)."""

FORMATS: Final = "OTLP/JSON, the SDK's console exporter's JSON, or a recorded run"


def read_spans(text: str) -> list[SpanView]:
    """The spans of a file in the order in which they ended. Raises ``ValueError``, saying what
    is wrong without quoting any content."""
    views: list[SpanView] = []
    for document in _documents(text):
        try:
            views += _views(document)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(step) for step in first["loc"])
            why = first["msg"].removeprefix("Value error, ")
            raise ValueError(f"{place}: {why}") from None
    if not views:
        raise ValueError("there is no span in it")
    last = max(view.end_ns or view.start_ns for view in views)
    return sorted(views, key=lambda view: view.end_ns or last)


def _documents(text: str) -> Iterator[object]:
    decoder, position = json.JSONDecoder(), 0
    while position < len(text):
        if text[position].isspace() or text[position] == ",":
            position += 1
            continue
        try:
            document, position = decoder.raw_decode(text, position)
        except (json.JSONDecodeError, RecursionError) as error:
            raise ValueError(_not_json(error, text, position)) from None
        yield document


def _not_json(error: json.JSONDecodeError | RecursionError, text: str, start: int) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"not JSON at line {error.lineno}: {error.msg}"
    line = text.count("\n", 0, start) + 1
    return f"not JSON at line {line}: nested too deep"


def _views(document: object) -> Iterator[SpanView]:
    if isinstance(document, list):
        for inner in document:
            yield from _views(inner)
    elif isinstance(document, Mapping) and ("resourceSpans" in document):
        yield from _Otlp.model_validate(document).views()
    elif isinstance(document, Mapping) and "spans" in document:
        yield from _Recording.model_validate(document).views()
    elif isinstance(document, Mapping) and "context" in document:
        yield _ConsoleSpan.model_validate(document).view()
    else:
        raise ValueError("a document in it holds no spans")


def _no_null(value: object, default: object) -> object:
    return default if value is None else value


def _number(text: object) -> int:
    try:
        return int(str(text), 16)
    except ValueError:
        raise ValueError("an id has hexadecimal digits only") from None


def _nanoseconds(moment: object) -> object:
    if not isinstance(moment, str):
        return moment
    try:
        return round(datetime.fromisoformat(moment).timestamp() * 1_000_000) * 1000
    except ValueError:
        raise ValueError("a time is written in ISO 8601") from None


Id = Annotated[int, BeforeValidator(_number)]
ParentId = Annotated[int | None, BeforeValidator(lambda text: _number(text) if text else None)]
Text = Annotated[str, BeforeValidator(lambda text: _no_null(text, ""))]
Plain = Annotated[dict[str, object], BeforeValidator(lambda values: _no_null(values, {}))]
Moment = Annotated[int | None, BeforeValidator(_nanoseconds)]


def _key(trace_id: int, span_id: int | None) -> SpanKey | None:
    return SpanKey(trace_id, span_id) if span_id is not None else None


class _OtlpModel(BaseModel):
    """Names in camel case, as OTLP's JSON has them."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


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
            return [value.plain() for value in self.array_value.values]
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


class _OtlpLink(_HasAttributes):
    trace_id: Id
    span_id: Id


class _OtlpSpan(_HasAttributes):
    trace_id: Id
    span_id: Id
    parent_span_id: ParentId = None
    flags: int = 0
    name: Text = ""
    kind: int | str = 0
    start_time_unix_nano: int = 0
    end_time_unix_nano: int = 0
    status: _OtlpStatus = Field(default_factory=_OtlpStatus)
    events: list[_OtlpEvent] = []
    links: list[_OtlpLink] = []
    dropped_attributes_count: int = 0

    def view(self, resource: dict[str, object], scope: _OtlpScope) -> SpanView:
        """The span with what OTLP says once for many."""
        return SpanView(
            key=SpanKey(self.trace_id, self.span_id),
            parent=_key(self.trace_id, self.parent_span_id),
            parent_is_remote=bool(self.flags & _REMOTE),
            name=self.name,
            kind=_otlp_kind(self.kind),
            start_ns=self.start_time_unix_nano,
            end_ns=self.end_time_unix_nano or None,
            status=_status(str(self.status.code).removeprefix("STATUS_CODE_")),
            status_message=self.status.message,
            attributes=_plain(self.attributes),
            events=[Event(e.name, e.time_unix_nano, _plain(e.attributes)) for e in self.events],
            links=[(SpanKey(k.trace_id, k.span_id), _plain(k.attributes)) for k in self.links],
            resource=resource,
            scope_name=scope.name,
            scope_version=scope.version,
            dropped_attributes=self.dropped_attributes_count,
        )


class _ScopeSpans(_OtlpModel):
    scope: _OtlpScope = Field(default_factory=_OtlpScope)
    spans: list[_OtlpSpan] = []


class _ResourceSpans(_OtlpModel):
    resource: _HasAttributes = Field(default_factory=_HasAttributes)
    scope_spans: list[_ScopeSpans] = []


class _Otlp(_OtlpModel):
    resource_spans: list[_ResourceSpans]

    def views(self) -> Iterator[SpanView]:
        """Every span of the request."""
        for of_resource in self.resource_spans:
            resource = _plain(of_resource.resource.attributes)
            for of_scope in of_resource.scope_spans:
                yield from (span.view(resource, of_scope.scope) for span in of_scope.spans)


def _plain(attributes: list[_Attribute]) -> dict[str, object]:
    return {entry.key: entry.value.plain() for entry in attributes}


def _otlp_kind(kind: int | str) -> str:
    if isinstance(kind, int):
        return _KINDS[kind] if 0 <= kind < len(_KINDS) else "internal"
    return kind.removeprefix("SPAN_KIND_").lower()


def _status(code: str) -> StatusName:
    return _STATUS.get(code, "unset")


class _Context(BaseModel):
    trace_id: Id
    span_id: Id

    @property
    def key(self) -> SpanKey:
        """The span that this names."""
        return SpanKey(self.trace_id, self.span_id)


class _ConsoleStatus(BaseModel):
    status_code: str = "UNSET"
    description: Text = ""


class _ConsoleEvent(BaseModel):
    name: str
    timestamp: Moment = None
    attributes: Plain = {}


class _ConsoleLink(BaseModel):
    context: _Context
    attributes: Plain = {}


class _Resource(BaseModel):
    attributes: Plain = {}


class _ConsoleSpan(BaseModel):
    """What ``ReadableSpan.to_json`` writes. It leaves the scope out, and whether the parent is
    remote."""

    context: _Context
    parent_id: ParentId = None
    name: str
    kind: str = "INTERNAL"
    start_time: Moment = None
    end_time: Moment = None
    status: _ConsoleStatus = Field(default_factory=_ConsoleStatus)
    attributes: Plain = {}
    events: list[_ConsoleEvent] = []
    links: list[_ConsoleLink] = []
    resource: _Resource = Field(default_factory=_Resource)

    def view(self) -> SpanView:
        """The span."""
        return SpanView(
            key=self.context.key,
            parent=_key(self.context.trace_id, self.parent_id),
            parent_is_remote=False,
            name=self.name,
            kind=self.kind.removeprefix("SpanKind.").lower(),
            start_ns=self.start_time or 0,
            end_ns=self.end_time,
            status=_status(self.status.status_code),
            status_message=self.status.description,
            attributes=self.attributes,
            events=[Event(e.name, e.timestamp or 0, e.attributes) for e in self.events],
            links=[(link.context.key, link.attributes) for link in self.links],
            resource=self.resource.attributes,
            scope_name="",
            scope_version="",
            dropped_attributes=0,
        )


class _RecordedStatus(BaseModel):
    code: str = "UNSET"
    description: Text = ""


class _RecordedEvent(BaseModel):
    name: str
    time: int = 0
    attributes: Plain = {}


class _RecordedLink(_Context):
    attributes: Plain = {}


class _RecordedScope(BaseModel):
    name: Text = ""
    version: Text = ""


class _Dropped(BaseModel):
    attributes: int = 0


class _RecordedSpan(_Context):
    parent_span_id: ParentId = None
    parent_is_remote: bool | None = None
    name: str
    kind: str = "INTERNAL"
    start_time_unix_nano: int
    end_time_unix_nano: int | None = None
    end_order: int = 0
    status: _RecordedStatus = Field(default_factory=_RecordedStatus)
    attributes: Plain = {}
    events: list[_RecordedEvent] = []
    links: list[_RecordedLink] = []
    resource: Plain = {}
    scope: _RecordedScope = Field(default_factory=_RecordedScope)
    dropped: _Dropped = Field(default_factory=_Dropped)

    def view(self) -> SpanView:
        """The span."""
        return SpanView(
            key=self.key,
            parent=_key(self.trace_id, self.parent_span_id),
            parent_is_remote=bool(self.parent_is_remote),
            name=self.name,
            kind=self.kind.lower(),
            start_ns=self.start_time_unix_nano,
            end_ns=self.end_time_unix_nano,
            status=_status(self.status.code),
            status_message=self.status.description,
            attributes=self.attributes,
            events=[Event(e.name, e.time, e.attributes) for e in self.events],
            links=[(link.key, link.attributes) for link in self.links],
            resource=self.resource,
            scope_name=self.scope.name,
            scope_version=self.scope.version,
            dropped_attributes=self.dropped.attributes,
        )


class _Recording(BaseModel):
    spans: list[_RecordedSpan]

    def views(self) -> Iterator[SpanView]:
        """The spans as they ended."""
        return (span.view() for span in sorted(self.spans, key=lambda span: span.end_order))
