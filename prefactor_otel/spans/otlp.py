"""OTLP's spans as views: what an exporter of OTLP/JSON writes, and what is sent to a collector."""

import base64
from collections.abc import Iterator
from typing import Final

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from prefactor_otel.spans.documents import Documents
from prefactor_otel.spans.fields import (
    Id,
    ParentId,
    Place,
    Text,
    checked,
    elements,
    key_or_none,
    members,
    status_of,
)
from prefactor_otel.spans.view import Event, SpanKey, SpanView

_KINDS: Final = ("internal", "internal", "server", "client", "producer", "consumer")
_REMOTE: Final = 0x200
"""The bit of OTLP's ``flags`` that says that the parent is in another process (trace.proto)."""


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
            parent=key_or_none(self.trace_id, self.parent_span_id),
            parent_is_remote=bool(self.flags & _REMOTE),
            name=self.name,
            kind=_otlp_kind(self.kind),
            start_ns=self.start_time_unix_nano,
            end_ns=self.end_time_unix_nano or None,
            status=status_of(str(self.status.code).removeprefix("STATUS_CODE_")),
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
