"""Whether a span costs more when there are many: in its trace, or open at the same time."""

import itertools
import time
from collections.abc import Sequence

from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.trace import Span, Tracer, set_span_in_context

from tests.benchmarks.clock import clocked
from tests.benchmarks.driving import FLUSH_MILLIS, make, provider_with, tracer_of
from tests.benchmarks.measure import Case, Found, Lab
from tests.benchmarks.peers import Peer
from tests.benchmarks.workload import Run, Sample, runs

CHUNK = 4_096
"""Spans between two flushes, so that no queue fills up."""


def measure(lab: Lab) -> None:
    """Spans in a trace, and open spans. Runs in a process: there is one."""
    peers = lab.able("process")
    sizes = lab.sizes
    for count in sizes.growth:
        what: dict[str, float] = {"count": count, "spans": sizes.growth_spans}
        long = Case("growth", f"{count} spans in a trace", "growth:trace", what, x=count)
        what = what | {"settle": sizes.settle}
        many = Case("growth", f"{count} open spans", "growth:opened", what, x=count)
        for case in (long, many):
            lab.compare(case, peers, rounds=sizes.growth_rounds)
    lab.note("growth: runs in a process are not measured, because a process is one run")


def trace(peer: Peer, url: str, *, count: int, spans: int) -> Found:
    """Traces of so many spans: one after the other, until there are enough to measure."""
    processor = peer.processor(url, queue=2 * CHUNK)
    provider = provider_with(processor)
    tracer = tracer_of(provider)
    samples = _samples()
    _long_trace(tracer, processor, samples, 4)
    traces = max(1, spans // count)
    with clocked() as took:
        for _ in range(traces):
            _long_trace(tracer, processor, samples, count)
        processor.force_flush(FLUSH_MILLIS)
    provider.shutdown()
    return traces * count + 4, took.per_span(traces * count)


def opened(peer: Peer, url: str, *, count: int, spans: int, settle: float) -> Found:
    """Runs of four spans, while so many other spans are open."""
    processor = peer.processor(url, queue=2 * CHUNK + count)
    provider = provider_with(processor)
    tracer = tracer_of(provider)
    held = [tracer.start_span("held open") for _ in range(count)]
    time.sleep(settle)  # what shows open spans has shown these by now, and is not measured
    processor.force_flush(FLUSH_MILLIS)
    todo = runs("GenAI", "1 KB", spans)
    with clocked() as took:
        for number, run in enumerate(todo):
            make(tracer, run)
            if number % (CHUNK // 4) == 0:
                processor.force_flush(FLUSH_MILLIS)
        processor.force_flush(FLUSH_MILLIS)
    _end(held, processor)
    provider.shutdown()
    return count + len(todo) * 4, took.per_span(len(todo) * 4)


def _samples() -> Sequence[Sample]:
    supply: Sequence[Run] = runs("GenAI", "1 KB", 256)
    return [child for run in supply for child in run[1:]]


def _long_trace(
    tracer: Tracer, processor: SpanProcessor, samples: Sequence[Sample], count: int
) -> None:
    """A root and its children, the root open until the last has ended."""
    root = tracer.start_span("a long run")
    inside = set_span_in_context(root)
    supply = itertools.cycle(samples)
    for number in range(1, count):
        sample = next(supply)
        child = tracer.start_span(sample.name, inside)
        child.set_attributes(dict(sample.attributes))
        child.end()
        if number % CHUNK == 0:
            processor.force_flush(FLUSH_MILLIS)
    root.end()


def _end(held: Sequence[Span], processor: SpanProcessor) -> None:
    for number, span in enumerate(held):
        span.end()
        if number % CHUNK == 0:
            processor.force_flush(FLUSH_MILLIS)
