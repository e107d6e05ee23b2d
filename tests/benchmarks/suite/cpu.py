"""What a span costs until the backend has acknowledged it."""

from collections.abc import Iterator

from tests.benchmarks.clock import clocked
from tests.benchmarks.driving import FLUSH_MILLIS, make, provider_with, readable, tracer_of
from tests.benchmarks.measure import Case, Found, Lab
from tests.benchmarks.peers import Peer
from tests.benchmarks.workload import runs

BATCH = 512


def measure(lab: Lab) -> None:
    """Through ``export()``, through the whole provider, and through APIs of a peer's own."""
    for dialect, size, spans in _kinds(lab):
        what = {"dialect": dialect, "size": size, "spans": spans}
        case = f"{size}, {dialect}"
        lab.compare(Case("cpu", f"export, {case}", "cpu:export", what), lab.able("export"))
        lab.compare(Case("cpu", f"provider, {case}", "cpu:provider", what), lab.able("process"))
    size = next(iter(lab.sizes.spans_by_size))
    what = {"dialect": "GenAI", "size": size, "spans": lab.sizes.own_spans}
    lab.compare(Case("cpu", f"own API, {size}, GenAI", "own:own", what), lab.able("own"))


def _kinds(lab: Lab) -> Iterator[tuple[str, str, int]]:
    """Every size in the first dialect, every dialect in the first size."""
    first, *others = lab.sizes.dialects
    for size, spans in lab.sizes.spans_by_size.items():
        yield first, size, spans
    for dialect in others:
        yield dialect, *next(iter(lab.sizes.spans_by_size.items()))


def export(peer: Peer, url: str, *, dialect: str, size: str, spans: int) -> Found:
    """Ended spans handed to ``export`` in batches, each acknowledged before the next."""
    ended = readable(runs(dialect, size, spans))
    first = readable(runs(dialect, size, 4, seed=2))
    exporter = peer.exporter(url)
    exporter.export(first)
    with clocked() as took:
        for begin in range(0, len(ended), BATCH):
            exporter.export(ended[begin : begin + BATCH])
        exporter.force_flush(FLUSH_MILLIS)
    exporter.shutdown()
    return len(first) + len(ended), took.per_span(len(ended))


def provider(peer: Peer, url: str, *, dialect: str, size: str, spans: int) -> Found:
    """Spans created, filled, ended and flushed, through the SDK's provider."""
    todo = runs(dialect, size, spans)
    processor = peer.processor(url, queue=spans)
    own_provider = provider_with(processor)
    tracer = tracer_of(own_provider)
    make(tracer, runs(dialect, size, 4)[0])
    processor.force_flush(FLUSH_MILLIS)
    with clocked() as took:
        for run in todo:
            make(tracer, run)
        processor.force_flush(FLUSH_MILLIS)
    own_provider.shutdown()
    return spans + 4, took.per_span(spans)
