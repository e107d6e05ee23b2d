"""What a span costs on the application's own thread."""

import itertools
import time
from collections.abc import Iterator

from opentelemetry.context import Context
from opentelemetry.trace import Span, Tracer, set_span_in_context

from tests.benchmarks.driving import FLUSH_MILLIS, provider_with, tracer_of
from tests.benchmarks.measure import Case, Found, Lab
from tests.benchmarks.peers import Peer
from tests.benchmarks.workload import Run, Sample, runs

QUANTILES = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}


def measure(lab: Lab) -> None:
    """At a steady rate, as agents work, and back to back, where the threads compete."""
    for name, rate in ((f"{lab.sizes.thread_rate} spans/s", lab.sizes.thread_rate), ("max", 0)):
        what = {"spans": lab.sizes.thread_spans, "rate": rate}
        lab.compare(Case("thread", name, "thread:calls", what), lab.able("process"))


def calls(peer: Peer, url: str, *, spans: int, rate: int) -> Found:
    """``start_span``, attributes and ``end``, each span timed; 0 is no rate but full speed."""
    processor = peer.processor(url, queue=spans)
    provider = provider_with(processor)
    tracer = tracer_of(provider)
    supply = itertools.cycle(runs("GenAI", "1 KB", 256))
    taken: list[int] = []
    begun = time.perf_counter()
    while len(taken) < spans:
        ahead = begun + len(taken) / rate - time.perf_counter() if rate else 0.0
        if ahead > 0:
            time.sleep(ahead)
        taken += _timed(tracer, next(supply))
    processor.force_flush(FLUSH_MILLIS)
    provider.shutdown()
    taken.sort()
    found = {
        f"{name}, µs": taken[int(part * (spans - 1))] / 1000 for name, part in QUANTILES.items()
    }
    return len(taken), found


def _timed(tracer: Tracer, run: Run) -> Iterator[int]:
    """Nanoseconds that each span of a run holds its caller up."""
    root, *children = run
    outer, root_took = _started(tracer, root, None)
    inside = set_span_in_context(outer)
    for child in children:
        span, took = _started(tracer, child, inside)
        yield took + _ended(span)
    yield root_took + _ended(outer)


def _started(tracer: Tracer, sample: Sample, context: Context | None) -> tuple[Span, int]:
    attributes = dict(sample.attributes)
    begun = time.perf_counter_ns()
    span = tracer.start_span(sample.name, context)
    span.set_attributes(attributes)
    return span, time.perf_counter_ns() - begun


def _ended(span: Span) -> int:
    begun = time.perf_counter_ns()
    span.end()
    return time.perf_counter_ns() - begun
