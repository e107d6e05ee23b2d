"""Reads spans from a file: OTLP/JSON, the SDK's console exporter, or a recorded run.

Which of the three it is shows in what is there. Several documents may follow each other, as the
console exporter and OTLP file exporters write them; one that cannot be read, because a process died
while it wrote, costs no other. No more than a span is in memory, if resource
and scope stand before their spans, as every writer of OTLP has them.
"""

import base64
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Annotated, Final, NamedTuple, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from prefactor_otel.spans.documents import CutError, Documents, JsonError
from prefactor_otel.spans.view import Event, SpanKey, SpanView, StatusName

_STATUS: Final[dict[str, StatusName]] = {"1": "ok", "OK": "ok", "2": "error", "ERROR": "error"}
_KINDS: Final = ("internal", "internal", "server", "client", "producer", "consumer")
_REMOTE: Final = 0x200
"""The bit of OTLP's ``flags`` that says that the parent is in another process (trace.proto)."""

FORMATS: Final = "OTLP/JSON, the SDK's console exporter's JSON, or a recorded run"

NO_SPANS: Final = "it holds no spans"
Place = tuple[str | int, ...]
"""Where in a document something stands."""
M = TypeVar("M", bound=BaseModel)


class Found(NamedTuple):
    """A span, the number of its document, and its place among those that end at the same time where
    that document knows it."""

    view: SpanView
    document: int = 0
    order: int = 0


class Unread(NamedTuple):
    """A document that cannot be read: what is wrong, without any content; its number if spans of it
    have been read all the same, else 0; and whether it only lacks its end."""

    why: str
    document: int
    is_cut: bool


def _refuse(unread: Unread) -> None:
    raise ValueError(unread.why)


def read_spans(
    documents: Documents, leave_out: Callable[[Unread], object] = _refuse
) -> Iterator[Found]:
    """The spans in the order in which they stand there. A document that cannot be read is told to
    ``leave_out``, and reading goes on behind it; by itself it raises ``ValueError``."""
    number = unfinished = 0
    while documents.peek():
        if documents.skip(",") or documents.skip("]"):
            continue  # of a list in which one could not be read
        try:
            documents.begin()
            for spans in _nested(documents):
                number = unfinished = number + 1
                yield from (found._replace(document=number) for found in spans)
                unfinished = 0
        except (ValueError, RecursionError) as error:
            leave_out(_unread(documents, error)._replace(document=unfinished))
            unfinished = 0


def _unread(documents: Documents, error: Exception) -> Unread:
    """What this error says of its document, behind which the next one is looked for."""
    begun, following = documents.line, documents.resume()
    if isinstance(error, JsonError) and following is not None and error.line >= following:
        return Unread(f"what begins at line {begun} is cut", 0, is_cut=True)
    if isinstance(error, JsonError):
        return Unread(str(error), 0, is_cut=isinstance(error, CutError))
    if isinstance(error, RecursionError):
        return Unread(f"line {begun}: nested too deep", 0, is_cut=False)
    return Unread(f"line {begun}: {error}", 0, is_cut=False)


def _nested(documents: Documents) -> Iterator[Iterator[Found]]:
    """The spans of one document, or of each in a list of documents."""
    if documents.peek() != "[":
        yield _document(documents)
        return
    for _ in documents.elements():
        yield from _nested(documents)


def _document(documents: Documents) -> Iterator[Found]:
    documents.begin()
    told: dict[str, object] = {}
    has_spans = False
    for name in _members(documents, ()):
        if name == "spans":
            for place in _elements(documents, (name,)):
                span = _checked(_RecordedSpan, documents.value(), place)
                yield Found(span.view(), order=span.end_order)
        elif name == "resourceSpans":
            for place in _elements(documents, (name,)):
                yield from map(Found, _resource_spans(documents, place))
        else:
            told[name] = documents.value()
        has_spans = has_spans or name in ("spans", "resourceSpans")
    if "context" in told and not has_spans:
        yield Found(_checked(_ConsoleSpan, told, ()).view())
    elif not has_spans:
        raise ValueError(NO_SPANS)


def _resource_spans(documents: Documents, place: Place) -> Iterator[SpanView]:
    told: dict[str, object] = {}
    for name in _members(documents, place):
        if name == "scopeSpans" and "resource" in told:
            resource = _checked(_ResourceSpans, told, place).plain()
            for inner in _elements(documents, (*place, name)):
                yield from _scope_spans(documents, inner, resource)
        else:
            told[name] = documents.value()
    yield from _checked(_ResourceSpans, told, place).views()


def _scope_spans(
    documents: Documents, place: Place, resource: dict[str, object]
) -> Iterator[SpanView]:
    told: dict[str, object] = {}
    for name in _members(documents, place):
        if name == "spans" and "scope" in told:
            scope = _checked(_ScopeSpans, told, place).scope
            for inner in _elements(documents, (*place, name)):
                yield _checked(_OtlpSpan, documents.value(), inner).view(resource, scope)
        else:
            told[name] = documents.value()
    yield from _checked(_ScopeSpans, told, place).views(resource)


def _members(documents: Documents, place: Place) -> Iterator[str]:
    if documents.peek() not in ("{", ""):
        documents.value()  # if that is JSON
        raise ValueError(f"{_dotted(place)}: must be an object" if place else NO_SPANS)
    return documents.members()


def _elements(documents: Documents, place: Place) -> Iterator[Place]:
    if documents.peek() not in ("[", ""):
        raise ValueError(f"{_dotted(place)}: must be a list")
    return ((*place, number) for number in documents.elements())


def _checked(model: type[M], value: object, place: Place) -> M:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        why = first["msg"].removeprefix("Value error, ")
        raise ValueError(f"{_dotted((*place, *first['loc']))}: {why}") from None


def _dotted(place: Place) -> str:
    return ".".join(str(step) for step in place)


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
