"""What the measured process does with the SDK: makes spans, at full speed or at a steady rate.

Imported where only a peer is installed: standard library and SDK only.
"""

import itertools
import time
from collections.abc import Sequence

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Tracer

from tests.benchmarks.workload import SPANS_A_RUN, Run

FLUSH_MILLIS = 600_000
TICK = 0.002


def provider_with(processor: SpanProcessor | None, service: str = "benchmark") -> TracerProvider:
    """The SDK's provider, of an agent with a name."""
    resource = Resource.create({"service.name": service, "service.version": "1"})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    if processor is not None:
        provider.add_span_processor(processor)
    return provider


def tracer_of(provider: TracerProvider) -> Tracer:
    """The tracer that makes every measured span."""
    return provider.get_tracer("tests.benchmarks", "1.0")


def make(tracer: Tracer, run: Run) -> None:
    """One run: its root open as long as its children come and go."""
    root, *children = run
    with tracer.start_as_current_span(root.name) as outer:
        outer.set_attributes(dict(root.attributes))
        for child in children:
            span = tracer.start_span(child.name)
            span.set_attributes(dict(child.attributes))
            span.end()


def readable(runs: Sequence[Run], service: str = "benchmark") -> list[ReadableSpan]:
    """The same spans as an exporter gets them, in the order in which they ended."""
    memory = InMemorySpanExporter()
    provider = provider_with(SimpleSpanProcessor(memory), service)
    for run in runs:
        make(tracer_of(provider), run)
    return list(memory.get_finished_spans())


def load(tracer: Tracer, runs: Sequence[Run], rate: float, seconds: float) -> int:
    """Make spans at this rate, as evenly as the machine allows; how many there were."""
    supply = itertools.cycle(runs)
    begun, made = time.perf_counter(), 0
    while (passed := time.perf_counter() - begun) < seconds:
        while made < passed * rate and time.perf_counter() - begun < seconds:
            make(tracer, next(supply))
            made += SPANS_A_RUN
        time.sleep(TICK)
    return made
