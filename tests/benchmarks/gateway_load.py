"""A gateway under load: what a span costs it as work grows, how many it carries, how long its
answers take, and what memory it holds. Senders, backend and gateway share the machine."""

import asyncio
import gzip
import math
import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import aiohttp
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan

from tests.benchmarks.driving import readable
from tests.benchmarks.sink import Sink
from tests.benchmarks.workload import SPANS_A_RUN, Run, runs
from tests.gateway.process import Gateway, running
from tests.patience import comes_true

BATCH: Final = 512
FEW: Final = 8
"""Spans of a request where there are many senders."""
SENDERS: Final = 4
"""Those that keep a gateway busy."""
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_HEADERS: Final = {"Content-Type": "application/x-protobuf", "Content-Encoding": "gzip"}
_STAYS: Final = {"PREFACTOR_PARENT_TIMEOUT": "3600", "PREFACTOR_RUN_IDLE_TIMEOUT": "3600"}
"""Settings under which a trace whose root does not come stays open."""

Spans = Sequence[ReadableSpan]
Bodies = Sequence[bytes]


def bodies_of(spans: Spans, batch: int = BATCH) -> Bodies:
    """The requests of these spans, by protobuf and gzip."""
    batches = [spans[begin : begin + batch] for begin in range(0, len(spans), batch)]
    return [gzip.compress(encode_spans(some).SerializeToString()) for some in batches]


@dataclass
class Served:
    """What it took to have requests answered, and then acknowledged with their runs finished.
    ``cpu`` is of the gateway's process; all in seconds."""

    cpu: float = 0.0
    cpu_until_answered: float = 0.0
    wall_until_answered: float = 0.0
    kept_waiting: float = 0.0
    """Of that the time for which others had the core that its busiest thread was ready to use."""
    answers: list[float] = field(default_factory=list)
    """How long each answer took."""


class Loaded:
    """A gateway with a spool that sends to this sink."""

    def __init__(self, gateway: Gateway, sink: Sink) -> None:
        self.gateway = gateway
        self._sink = sink

    @property
    def cpu(self) -> float:
        """Seconds of CPU that its process has taken."""
        fields = Path(f"/proc/{self.gateway.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def kept_waiting(self) -> dict[str, float]:
        """Seconds for which each of its threads was ready to run, and others ran."""
        threads = Path(f"/proc/{self.gateway.pid}/task").iterdir()
        return {each.name: int(_schedule(each).split()[1]) / 1e9 for each in threads}

    @property
    def resident_mb(self) -> float:
        """Memory of its process that is in RAM."""
        pages = int(Path(f"/proc/{self.gateway.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def pin(self) -> None:
        """Let it run on one core only, and what measures it on the others."""
        first, *others = sorted(os.sched_getaffinity(0))
        for thread in Path(f"/proc/{self.gateway.pid}/task").iterdir():
            os.sched_setaffinity(int(thread.name), {first})
        os.sched_setaffinity(0, others or {first})

    def serve(
        self,
        bodies: Bodies,
        senders: int = 1,
        every: float = 0.0,
        *,
        spans: int,
    ) -> Served:
        """Send all of these by so many senders, each when its last was answered; or, with a time
        between two, whether the last was answered or not. Returns when the sink has so many spans
        more, and their runs are over."""
        before = self._sink.counts()
        waits, served, begun, started = self.kept_waiting(), Served(), self.cpu, time.perf_counter()
        served.answers = asyncio.run(self._send(bodies, senders, every))
        served.wall_until_answered = time.perf_counter() - started
        served.cpu_until_answered = self.cpu - begun
        now_waits = self.kept_waiting()
        served.kept_waiting = max(now - waits.get(each, 0.0) for each, now in now_waits.items())

        def is_through() -> bool:
            now = self._sink.counts()
            finished = now.runs - before.runs
            return now.spans - before.spans >= spans and finished >= spans // SPANS_A_RUN

        assert comes_true(is_through), self._sink.counts()
        served.cpu = self.cpu - begun
        return served

    def open(self, spans: Spans) -> None:
        """Send spans of traces of which nothing else comes. Returns when their runs have begun."""
        before = self._sink.counts()
        asyncio.run(self._send(bodies_of(spans), senders=1, every=0.0))
        assert comes_true(lambda: self._sink.counts().begun - before.begun >= len(spans))

    async def _send(self, bodies: Bodies, senders: int, every: float) -> list[float]:
        answers: list[float] = []
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector, headers=_HEADERS) as session:

            async def post(body: bytes) -> None:
                begun = time.perf_counter()
                async with session.post(f"{self.gateway.url}/v1/traces", data=body) as response:
                    await response.read()
                    assert response.status == 200, response.status
                answers.append(time.perf_counter() - begun)

            async def send(some: Iterator[bytes]) -> None:
                for body in some:
                    await post(body)

            if every:
                async with asyncio.TaskGroup() as group:
                    for body in bodies:
                        group.create_task(post(body))
                        await asyncio.sleep(every)
            else:
                left = iter(bodies)
                await asyncio.gather(*(send(left) for _ in range(senders)))
        return answers


def _schedule(thread: Path) -> str:
    try:
        return (thread / "schedstat").read_text()
    except OSError:  # it has ended meanwhile
        return "0 0 0"


@contextmanager
def loaded(sink: Sink, **settings: str) -> Iterator[Loaded]:
    """A new one, that finishes runs soon after their roots have ended."""
    sink.reset()
    variables = {
        "PREFACTOR_API_URL": sink.url,
        "PREFACTOR_API_TOKEN": "token",
        "PREFACTOR_RUN_LINGER": "0.1",
    }
    with (
        tempfile.TemporaryDirectory() as folder,
        running("--spool-dir", str(Path(folder, "spool")), **variables, **settings) as gateway,
    ):
        found = Loaded(gateway, sink)
        first = made(64, seed=2)  # what is worked out once is no cost of a span
        found.serve(bodies_of(first), spans=len(first))
        yield found


def made(count: int, seed: int = 1, services: int = 1) -> list[ReadableSpan]:
    """So many spans, in runs of four, of so many services in turn."""
    some = _runs_by_service(count // SPANS_A_RUN, seed, services)
    return [span for service, found in some for span in readable(found, service)]


def open_traces(count: int, services: int = 1) -> list[ReadableSpan]:
    """A span of each of so many traces, whose roots have not ended."""
    some = _runs_by_service(count, 1_000, services)
    begun = [(service, [run[:2] for run in found]) for service, found in some]
    return [span for service, found in begun for span in readable(found, service)[::2]]


def _runs_by_service(count: int, seed: int, services: int) -> Iterator[tuple[str, Sequence[Run]]]:
    found = runs("GenAI", "1 KB", count * SPANS_A_RUN, seed)
    return ((f"service {number}", found[number::services]) for number in range(services))


# -- what is measured -----------------------------------------------------------------------------


def cost_by_senders(sink: Sink, count: int, spans: int) -> float:
    """Microseconds of CPU a span, where so many send at a time."""
    some = made(spans)
    with loaded(sink) as gateway:
        served = gateway.serve(bodies_of(some, FEW), count, spans=len(some))
    return served.cpu / len(some) * 1e6


def cost_by_open_traces(sink: Sink, count: int, spans: int) -> float:
    """The same, of spans of other traces, where so many traces are open."""
    some = made(spans)
    with loaded(sink, **_STAYS) as gateway:
        gateway.open(open_traces(count))
        served = gateway.serve(bodies_of(some), spans=len(some))
    return served.cpu / len(some) * 1e6


def cost_by_tenants(sink: Sink, count: int, spans: int) -> float:
    """The same, where the spans are of so many agents."""
    some = made(spans, services=count)
    with loaded(sink) as gateway:
        served = gateway.serve(bodies_of(some), spans=len(some))
    return served.cpu / len(some) * 1e6


def memory_of(sink: Sink, tenants: int, traces: int) -> float:
    """Megabytes that a gateway takes with so many agents and open traces."""
    with loaded(sink, **_STAYS) as gateway:
        gateway.open(open_traces(traces, services=tenants))
        return gateway.resident_mb


@dataclass(frozen=True)
class Carried:
    """What one core carries. ``busy`` is the part that the gateway has used of the time for which
    the machine let it, while it was asked for all it could do."""

    spans_per_second: float
    busy: float
    answer_p99: float
    """Milliseconds, at half of that rate."""
    round_trip: float
    """Milliseconds that the sink takes for such a body."""


def carried(sink: Sink, spans: int) -> Carried:
    """How many spans a second one core carries, and how long the answers take at half of that."""
    affinity = os.sched_getaffinity(0)
    some, more = made(spans), made(spans, seed=3)
    try:
        with loaded(sink) as gateway:
            gateway.pin()
            full = gateway.serve(bodies_of(some), SENDERS, spans=len(some))
            rate = len(some) / full.wall_until_answered
            half = gateway.serve(bodies_of(more), every=2 * BATCH / rate, spans=len(more))
    finally:
        os.sched_setaffinity(0, affinity)
    slow = sorted(half.answers)[math.ceil(0.99 * len(half.answers)) - 1]
    busy = full.cpu_until_answered / (full.wall_until_answered - full.kept_waiting)
    return Carried(rate, busy, slow * 1e3, _round_trip(sink, bodies_of(more)) * 1e3)


def _round_trip(sink: Sink, bodies: Bodies) -> float:
    """Seconds that the sink takes to answer such a request itself, in the median."""
    return statistics.median(asyncio.run(_asked(f"{sink.url}/v1/traces", bodies)))


async def _asked(url: str, bodies: Bodies) -> list[float]:
    found: list[float] = []
    async with aiohttp.ClientSession(headers=_HEADERS) as session:
        for body in bodies:
            begun = time.perf_counter()
            async with session.post(url, data=body) as response:
                await response.read()
            found.append(time.perf_counter() - begun)
    return found
