"""Spans for tests: real ones, made by the SDK, and views of them."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Tracer

from prefactor_otel.delivery.receipt import Receipt
from prefactor_otel.runs.events import TOGETHER, Spans, Started
from prefactor_otel.spans.sdk import READER, view_of
from prefactor_otel.spans.view import SpanView


class Recorder:
    """A real provider whose finished spans stay in memory, in the order in which they ended."""

    def __init__(self) -> None:
        self._memory = InMemorySpanExporter()
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self._memory))

    @property
    def tracer(self) -> Tracer:
        return self.provider.get_tracer("tests", "1.0")

    @property
    def spans(self) -> Sequence[ReadableSpan]:
        return self._memory.get_finished_spans()

    @property
    def views(self) -> list[SpanView]:
        return [view_of(span) for span in self.spans]


def started(span: ReadableSpan, at: float) -> Started:
    """The event of its start, as the intake is told of it."""
    source = READER.source(span)
    assert source is not None
    return Started(source, at)


def ended(spans: Iterable[ReadableSpan], receipt: Receipt | None = None) -> Spans[ReadableSpan]:
    """The event of their ends."""
    todo = list(spans)
    groups = (todo[begin : begin + TOGETHER] for begin in range(0, len(todo), TOGETHER))
    return Spans(groups, READER.view, receipt)


def one_view(name: str = "step", **attributes: str | int | float | bool) -> SpanView:
    """The view of a single ended root span."""
    recorder = Recorder()
    with recorder.tracer.start_as_current_span(name, attributes=attributes):
        pass
    return recorder.views[0]


def with_attributes(view: SpanView, attributes: dict[str, object]) -> SpanView:
    """The view with attributes that the SDK itself would not have let through."""
    return replace(view, attributes=attributes)
