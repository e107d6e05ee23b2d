"""Reads spans from a file: OTLP/JSON, the SDK's console exporter, or a recorded run.

Which of the three it is shows in what is there. Several documents may follow each other, as the
console exporter and OTLP file exporters write them; one that cannot be read, because a process died
while it wrote, costs no other. No more than a span is in memory, if resource
and scope stand before their spans, as every writer of OTLP has them.
"""

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from pydantic import BaseModel, Field

from prefactor_otel.spans.documents import CutError, Documents, JsonError
from prefactor_otel.spans.fields import (
    NO_SPANS,
    Id,
    Moment,
    ParentId,
    Plain,
    Text,
    checked,
    elements,
    key_or_none,
    members,
    status_of,
)
from prefactor_otel.spans.otlp import resource_spans
from prefactor_otel.spans.view import Event, SpanKey, SpanView

FORMATS: Final = "OTLP/JSON, the SDK's console exporter's JSON, or a recorded run"


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
    for name in members(documents, ()):
        if name == "spans":
            for place in elements(documents, (name,)):
                span = checked(_RecordedSpan, documents.value(), place)
                yield Found(span.view(), order=span.end_order)
        elif name == "resourceSpans":
            for place in elements(documents, (name,)):
                yield from map(Found, resource_spans(documents, place))
        else:
            told[name] = documents.value()
        has_spans = has_spans or name in ("spans", "resourceSpans")
    if "context" in told and not has_spans:
        yield Found(checked(_ConsoleSpan, told, ()).view())
    elif not has_spans:
        raise ValueError(NO_SPANS)


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
            parent=key_or_none(self.context.trace_id, self.parent_id),
            parent_is_remote=False,
            name=self.name,
            kind=self.kind.removeprefix("SpanKind.").lower(),
            start_ns=self.start_time or 0,
            end_ns=self.end_time,
            status=status_of(self.status.status_code),
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
            parent=key_or_none(self.trace_id, self.parent_span_id),
            parent_is_remote=bool(self.parent_is_remote),
            name=self.name,
            kind=self.kind.lower(),
            start_ns=self.start_time_unix_nano,
            end_ns=self.end_time_unix_nano,
            status=status_of(self.status.code),
            status_message=self.status.description,
            attributes=self.attributes,
            events=[Event(e.name, e.time, e.attributes) for e in self.events],
            links=[(link.key, link.attributes) for link in self.links],
            resource=self.resource,
            scope_name=self.scope.name,
            scope_version=self.scope.version,
            dropped_attributes=self.dropped.attributes,
        )
