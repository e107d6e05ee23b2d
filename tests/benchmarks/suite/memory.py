"""What the exporter keeps in memory."""

import gc
import threading
import time
from pathlib import Path

from tests.benchmarks.clock import resident_mb
from tests.benchmarks.driving import (
    FLUSH_MILLIS,
    load,
    make,
    provider_with,
    tracer_of,
)
from tests.benchmarks.measure import Case, Found, Lab
from tests.benchmarks.peers import Peer
from tests.benchmarks.workload import runs


def measure(lab: Lab) -> None:
    """While the backend is down, under a steady load, and over many lives."""
    if not Path("/proc/self/statm").exists():
        lab.note("memory: left out, this system does not tell what a process has in RAM")
        return
    peers, sizes = lab.able("process"), lab.sizes
    lab.compare(
        Case(
            "memory",
            f"{sizes.waiting} waiting spans",
            "memory:waiting",
            {"spans": sizes.waiting, "rate": sizes.waiting_rate, "settle": sizes.settle},
            status=503,
            lossless=False,
        ),
        peers,
    )
    lives = {"cycles": sizes.cycles, "settle": sizes.settle}
    lab.compare(Case("memory", f"{sizes.cycles} lives", "memory:lives", lives), peers)
    what = {"rate": sizes.load_rate, "seconds": sizes.load_seconds, "settle": sizes.settle}
    name = f"{sizes.load_rate} spans/s for {sizes.load_seconds:g} s"
    lab.compare(Case("memory", name, "memory:steady", what), peers, rounds=1)


def waiting(peer: Peer, url: str, *, spans: int, rate: int, settle: float) -> Found:
    """RAM for spans that nobody takes; their texts are made one by one, as in an agent, and at a
    rate that every exporter follows: what a burst leaves in the allocator is not what waits."""
    processor = peer.processor(url, queue=2 * spans)
    provider = provider_with(processor)
    make(tracer_of(provider), runs("GenAI", "1 KB", 4)[0])
    before = _settled_mb(settle)
    begun = time.perf_counter()
    for seed in range(spans // 4):
        time.sleep(max(0.0, begun + 4 * seed / rate - time.perf_counter()))
        make(tracer_of(provider), runs("GenAI", "1 KB", 4, seed)[0])
    after = _settled_mb(settle)
    return spans + 4, {"MB for 10,000 spans": (after - before) / spans * 10_000}


def steady(peer: Peer, url: str, *, rate: int, seconds: float, settle: float) -> Found:
    """RAM after a tenth of the time and at its end."""
    processor = peer.processor(url)
    provider = provider_with(processor)
    supply = runs("GenAI", "1 KB", 1024)
    made = load(tracer_of(provider), supply, rate, seconds / 10)
    early = _settled_mb(settle)
    made += load(tracer_of(provider), supply, rate, seconds * 9 / 10)
    late = _settled_mb(settle)
    processor.force_flush(FLUSH_MILLIS)
    provider.shutdown()
    return made, {"RSS, MB": late, "growth, MB": late - early}


def lives(peer: Peer, url: str, *, cycles: int, settle: float) -> Found:
    """RAM after starts and shutdowns, against that after the first tenth of them."""
    early = 0.0
    for number in range(cycles):
        if number == cycles // 10:
            early = _settled_mb(settle)
        provider = provider_with(peer.processor(url))
        make(tracer_of(provider), runs("GenAI", "1 KB", 4)[0])
        provider.shutdown()
    growth = _settled_mb(settle) - early
    return 4 * cycles, {
        "growth, KB/life": growth * 1024 / (cycles - cycles // 10),
        "threads left": threading.active_count() - 1.0,
    }


def _settled_mb(settle: float) -> float:
    """Resident memory, once it has not changed for ``settle`` seconds: background threads have
    taken in what there is."""
    gc.collect()
    size = resident_mb()
    while True:
        time.sleep(settle)
        before, size = size, resident_mb()
        if abs(size - before) < 0.1:
            return size
