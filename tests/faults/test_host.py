"""The agent is not disturbed while the API is dead: its spans' ends, its event loop, its memory."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from tests.cli.command import clean
from tests.conftest import Figure
from tests.process.dead import refusing

SIMPLE = """
import asyncio, json, resource, sys, time
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from prefactor_otel import PrefactorExporter, TracerProvider

async def watch(lags):
    while True:
        before = time.perf_counter()
        await asyncio.sleep(0.005)
        lags.append(time.perf_counter() - before - 0.005)

def waits():
    "How often this thread has given the processor away, because it had to wait for something."
    return resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw

async def work(tracer):
    ends, waited, lags = [], 0, []
    watching = asyncio.create_task(watch(lags))
    for number in range(2000):
        span = tracer.start_span(f"n{number}", attributes={"text": "x" * 1000})
        before, waits_before = time.perf_counter(), waits()
        span.end()
        waited += waits() > waits_before
        ends.append(time.perf_counter() - before)
        if number % 10 == 0:
            await asyncio.sleep(0.002)
    watching.cancel()
    ends.sort(); lags.sort()
    return {"p50": ends[len(ends) // 2], "p99": ends[len(ends) * 99 // 100], "waited": waited,
            "lag": lags[-1], "lag_p99": lags[len(lags) * 99 // 100]}

without = asyncio.run(work(TracerProvider().get_tracer("agent")))
exporter = PrefactorExporter(shutdown_timeout=0.1)
provider = TracerProvider(span_processors=[SimpleSpanProcessor(exporter)])
found = asyncio.run(work(provider.get_tracer("agent")))
stats = exporter.stats()
print(json.dumps(found | {"lag_p99_without": without["lag_p99"],
                          "accepted": stats.accepted, "waiting": stats.waiting}))
"""

OUTAGE = """
import gc, json, os, resource, sys, threading
from prefactor_otel import PrefactorSpanProcessor, TracerProvider

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()

processor = PrefactorSpanProcessor(shutdown_timeout=0.1)
provider = TracerProvider(span_processors=[processor])
tracer = provider.get_tracer("agent")
spans, pause = int(sys.argv[1]), threading.Event()

def agent(number):
    for batch in range(number // 50):
        with tracer.start_as_current_span("task"):
            for step in range(49):
                # Of 10 kB, and each of its own, as prompts are.
                text = f"{batch} {step} " + "x" * 9_000
                tracer.start_span("step", attributes={"input.value": text}).end()
        while processor.stats().accepted - handled() > 100:
            pause.wait(0.001)  # 200 spans a second leave the worker all the time it needs

def handled():
    stats = processor.stats()
    return stats.waiting_items + sum(stats.dropped.values())

agent(500)
before = resident()
agent(spans)
after = resident()
stats = processor.stats()
print(json.dumps({"grown": after - before, "waiting": stats.waiting,
                  "dropped": stats.dropped, "accepted": stats.accepted}), flush=True)
"""


@pytest.fixture
def nowhere() -> Iterator[str]:
    with refusing() as url:
        yield url


def run(source: str, url: str, *words: str, **more: str) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-c", source, *words],
        env=clean(PREFACTOR_API_URL=url, PREFACTOR_API_TOKEN="pf_token", **more),
        capture_output=True,
        text=True,
        timeout=800,
        check=True,
    )
    found: dict[str, float] = orjson.loads(done.stdout)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("with_spool", [False, True])
def test_with_a_dead_api_a_span_ends_at_once_on_an_event_loop(
    nowhere: str, tmp_path: Path, with_spool: bool, figure: Figure
) -> None:
    # Five, for others may have the processor; each with a folder of its own, for what it adopted
    # would count as accepted too.
    spools = [{"PREFACTOR_SPOOL_DIR": str(tmp_path / f"spool{n}")} for n in range(5)]
    runs = [run(SIMPLE, nowhere, **(spool if with_spool else {})) for spool in spools]
    best = min(runs, key=lambda each: each["p99"])
    figure(
        f"spool {with_spool}: span.end() p50 {best['p50'] * 1e6:.0f} µs, p99 "
        f"{best['p99'] * 1e6:.0f} µs; loop lag p99 {best['lag_p99'] * 1e3:.1f} ms, "
        f"most {best['lag'] * 1e3:.1f} ms; {best['waited']:.0f} of 2,000 waited for something"
    )
    assert [(each["accepted"], each["waiting"]) for each in runs] == [(2000, 2000)] * 5
    if not with_spool:  # with one, the end of a span waits for the disk
        assert min(each["waited"] for each in runs) < 20  # of 2,000, as for Python's own lock
        assert min(each["lag_p99"] - 2 * each["lag_p99_without"] for each in runs) < 0.02


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_an_hour_of_outage_grows_memory_by_no_more_than_its_bound(
    nowhere: str, figure: Figure
) -> None:
    found = run(OUTAGE, nowhere, "100000")
    figure(
        f"resident memory grew by {found['grown'] / 2**20:.1f} MiB over 100,000 spans "
        f"of 10 kB: {found}"
    )
    assert found["grown"] <= 64 * 2**20
