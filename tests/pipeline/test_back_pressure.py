"""While the API answers, nothing has to be given up: who may wait does so for room."""

import asyncio
import json
import sys
from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult

from prefactor_otel import PrefactorExporter
from tests.benchmarks.sink import Sink
from tests.made_spans import Recorder
from tests.process.scripts import run_script

LARGE = """
import json, resource
from prefactor_otel import PrefactorExporter
from tests.made_spans import Recorder
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()
recorder = Recorder()
for number in range(1280):  # of one text: what grows is what is made of them
    recorder.tracer.start_span("step", attributes={"input.value": TEXT}).end()
exporter = PrefactorExporter(shutdown_timeout=0.2)
exporter.export(recorder.spans[:1])
before = most = resident()
for begin in range(0, 1280, 128):
    exporter.export(recorder.spans[begin : begin + 128])
    most = max(most, resident())
flushed = exporter.force_flush(120_000)
stats = exporter.stats()
print(json.dumps([stats.acknowledged, stats.dropped, flushed, most - before]))
""".replace("TEXT", "'x' * 100_000")


@pytest.fixture
def sink() -> Iterator[Sink]:
    with Sink() as running:
        yield running


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("delay", [0.0, 0.2])
def test_large_spans_faster_than_the_api_takes_them_are_neither_dropped_nor_hoarded(
    sink: Sink, delay: float
) -> None:
    sink.reset(delay)
    ended = run_script(LARGE, sink.url, "pf_token")
    assert ended.code == 0, ended.stderr
    acknowledged, dropped, flushed, grown = json.loads(ended.stdout)
    assert dropped == {"duplicate": 1}
    assert acknowledged == sink.counts().spans == 1280
    assert flushed
    assert grown < 64_000_000


def test_many_small_exports_in_a_row_wait_for_room_as_well(sink: Sink) -> None:
    sink.reset(0.01)
    spans = steps(400)
    exporter = PrefactorExporter(sink.url, "pf_token", max_queue_size=16, shutdown_timeout=0.05)
    for begin in range(0, 400, 8):
        assert exporter.export(spans[begin : begin + 8]) is SpanExportResult.SUCCESS
    assert exporter.force_flush()
    exporter.shutdown()
    assert (exporter.stats().acknowledged, exporter.stats().dropped) == (400, {})


def test_nobody_waits_for_room_on_a_thread_that_runs_an_event_loop(sink: Sink) -> None:
    sink.reset(0.5)
    spans = steps(400)
    exporter = PrefactorExporter(sink.url, "pf_token", max_queue_size=16)

    async def hand_over() -> int:
        batches = (spans[begin : begin + 8] for begin in range(0, 400, 8))
        return sum(exporter.export(batch) is SpanExportResult.FAILURE for batch in batches)

    refused = asyncio.run(hand_over())
    assert exporter.stats().dropped == {"queue_full": 8 * refused}
    assert refused > 0
    assert exporter.force_flush()
    exporter.shutdown()
    assert exporter.stats().acknowledged == 400 - 8 * refused


def steps(count: int) -> list[ReadableSpan]:
    recorder = Recorder()
    for _ in range(count):
        recorder.tracer.start_span("step").end()
    return list(recorder.spans)
