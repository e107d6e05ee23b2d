"""How long a burst holds one span's end up: more spans at once than any queue takes."""

import itertools
import time

from tests.benchmarks.driving import FLUSH_MILLIS, provider_with, tracer_of
from tests.benchmarks.measure import Case, Found, Lab
from tests.benchmarks.peers import Peer
from tests.benchmarks.workload import runs


def measure(lab: Lab) -> None:
    """Back to back, from one thread; what is dropped on the way is no fault of the measurement."""
    spans = lab.sizes.burst
    case = Case("burst", f"{spans:,} spans", "burst:stalls", {"spans": spans}, lossless=False)
    lab.compare(case, lab.able("process"))


def stalls(peer: Peer, url: str, *, spans: int) -> Found:
    """The longest that one ``end()`` has taken, by the clock and by the time for which this process
    has worked meanwhile: the latter leaves out what other processes have taken of the machine."""
    processor = peer.processor(url)
    provider = provider_with(processor)
    tracer = tracer_of(provider)
    samples = [dict(sample.attributes) for run in runs("GenAI", "1 KB", 64) for sample in run]
    supply = itertools.cycle(samples)
    by_clock = by_work = 0
    for _ in range(spans):
        span = tracer.start_span("step", attributes=next(supply))
        begun, worked = time.perf_counter_ns(), time.process_time_ns()
        span.end()
        by_work = max(by_work, time.process_time_ns() - worked)
        by_clock = max(by_clock, time.perf_counter_ns() - begun)
    processor.force_flush(FLUSH_MILLIS)
    provider.shutdown()
    return spans, {"worst end(), ms": by_clock / 1e6, "of work, ms": by_work / 1e6}
