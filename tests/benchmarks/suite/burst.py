"""How long a burst holds one span's end up: more spans at once than any queue takes."""

import gc
import itertools
import time
from typing import Self

from tests.benchmarks.driving import FLUSH_MILLIS, provider_with, tracer_of
from tests.benchmarks.measure import Case, Found, Lab
from tests.benchmarks.peers import Peer
from tests.benchmarks.workload import runs

QUEUE = 16_384
"""Spans that wait in ours, at most."""


def measure(lab: Lab) -> None:
    """Back to back, from one thread; what is dropped on the way is no fault of the measurement.
    What holds an end up longest is a collection of garbage, which walks all that waits: so all are
    asked with queues of the same length, too."""
    spans = lab.sizes.burst
    for name, queue in ((f"{spans:,} spans", 0), (f"{spans:,} spans, queues alike", QUEUE)):
        what = {"spans": spans, "queue": queue}
        lab.compare(Case("burst", name, "burst:stalls", what, lossless=False), lab.able("process"))
    lab.note(
        "burst: what collects garbage walks the SDK's spans that wait, a dozen objects each, and "
        "what the application has; when it does so is Python's (gc), and the application's to set"
    )


class Collections:
    """For how long this process has worked while garbage was collected, while inside: meanwhile no
    thread does anything else."""

    def __init__(self) -> None:
        self.taken = 0
        """Nanoseconds, of all so far."""
        self._begun = 0

    def __enter__(self) -> Self:
        gc.callbacks.append(self._note)
        return self

    def __exit__(self, *raised: object) -> None:
        gc.callbacks.remove(self._note)

    def _note(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self._begun = time.process_time_ns()
        else:
            self.taken += time.process_time_ns() - self._begun


def stalls(peer: Peer, url: str, *, spans: int, queue: int) -> Found:
    """The longest that one ``end()`` has taken, by the clock and by the time for which this process
    has worked meanwhile: the latter leaves out what other processes have taken of the machine. Then
    the longest of the latter without what has collected garbage in it."""
    processor = peer.processor(url, queue=queue or None)
    provider = provider_with(processor)
    tracer = tracer_of(provider)
    samples = [dict(sample.attributes) for run in runs("GenAI", "1 KB", 64) for sample in run]
    supply = itertools.cycle(samples)
    by_clock = by_work = itself = 0
    with Collections() as collections:
        for _ in range(spans):
            span = tracer.start_span("step", attributes=next(supply))
            collected = collections.taken
            begun, worked = time.perf_counter_ns(), time.process_time_ns()
            span.end()
            work = time.process_time_ns() - worked
            by_clock = max(by_clock, time.perf_counter_ns() - begun)
            by_work = max(by_work, work)
            itself = max(itself, work - (collections.taken - collected))
    processor.force_flush(FLUSH_MILLIS)
    provider.shutdown()
    return spans, {
        "worst end(), ms": by_clock / 1e6,
        "of work, ms": by_work / 1e6,
        "of that no garbage, ms": itself / 1e6,
    }
