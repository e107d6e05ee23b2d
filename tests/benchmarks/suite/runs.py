"""What a run costs where each trace is one: registered, started and finished, with two spans."""

from tests.benchmarks.clock import clocked
from tests.benchmarks.driving import FLUSH_MILLIS, make, provider_with, tracer_of
from tests.benchmarks.measure import Case, Found, Lab
from tests.benchmarks.peers import Peer
from tests.benchmarks.workload import Run, runs

SPANS = 2


def measure(lab: Lab) -> None:
    """Few runs and many, which wait for each other."""
    for count in lab.sizes.waiting_runs:
        case = Case("runs", f"{count} runs of two spans at once", "runs:traces", {"count": count})
        lab.compare(case, lab.able("process"))


def traces(peer: Peer, url: str, *, count: int) -> Found:
    """So many traces, made without a pause and then flushed."""
    processor = peer.with_a_run_a_trace().processor(url, queue=count * SPANS)
    provider = provider_with(processor)
    tracer = tracer_of(provider)
    todo: list[Run] = [run[:SPANS] for run in runs("GenAI", "1 KB", 4 * count)]
    make(tracer, todo[0])
    processor.force_flush(FLUSH_MILLIS)
    with clocked() as took:
        for run in todo:
            make(tracer, run)
        processor.force_flush(FLUSH_MILLIS)
    provider.shutdown()
    found = {"CPU, µs/run": took.cpu / count * 1e6, "acknowledged, runs/s": count / took.wall}
    return (count + 1) * SPANS, found
