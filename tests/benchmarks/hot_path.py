"""How many steps of Python a span takes on its way into a request: what no busy machine changes.

python -m tests.benchmarks.hot_path           # what was recorded, and what it is now
python -m tests.benchmarks.hot_path --renew   # record what it is now
"""

import gc
import json
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Final, cast

import orjson
from opentelemetry.sdk.trace import ReadableSpan, Span

from prefactor_otel import PrefactorExporter, PrefactorSpanProcessor
from prefactor_otel.config.options import Config, Options
from prefactor_otel.delivery.budget import Budget
from prefactor_otel.delivery.bulk import BulkRequests
from prefactor_otel.delivery.client import ApiClient
from prefactor_otel.delivery.outbox import Outbox
from prefactor_otel.delivery.receipt import Receipt
from prefactor_otel.delivery.results import Settlement
from prefactor_otel.delivery.wire import RunRecord
from prefactor_otel.mapping import Capture, agent_span
from prefactor_otel.runs.intake import Intake
from prefactor_otel.runs.run import Run
from prefactor_otel.runs.tenants import Tenants
from prefactor_otel.spans.sdk import view_of
from prefactor_otel.spans.view import SpanView
from prefactor_otel.stats.counters import Counters
from prefactor_otel.stats.log import QuietLog
from tests.benchmarks.driving import provider_with, readable, tracer_of
from tests.benchmarks.workload import DIALECTS, SPANS_A_RUN, runs
from tests.made_spans import ended, started
from tests.patience import comes_true

if TYPE_CHECKING:
    from _typeshed import TraceFunction

RECORDED: Final = Path(__file__).with_name("hot_path.json")
RUNS: Final = 16
VERSION: Final = f"{sys.version_info[0]}.{sys.version_info[1]}"
"""Of Python: each compiles to steps of its own."""
_SUCCESS: Final = {"status": "success"}
_NOBODY: Final = "http://127.0.0.1:9"

Counts = dict[str, float]


def counts() -> Counts:
    """Steps (bytecode instructions) a span, by dialect and part of the way; within a hundredth the
    same on every machine that has this version of Python."""
    found: Counts = {}
    for dialect in DIALECTS:
        spans = readable(runs(dialect, "1 KB", RUNS * SPANS_A_RUN))
        views = [view_of(span) for span in spans]
        ways: dict[str, Callable[[], object]] = {
            "view": partial(_viewed, spans),
            "mapping": partial(_mapped, views),
            "from its end to a request": partial(_through, spans, live=False),
            "from its start to a request": partial(_through, spans, live=True),
        }
        for part, work in ways.items():
            work()  # what is worked out once is no cost of a span
            found[f"{dialect}: {part}"] = round(steps_of(work) / len(spans), 1)
    return found | _on_the_applications_thread()


def _on_the_applications_thread() -> Counts:
    """What whoever starts, ends or exports a span does for us, while the worker is awake."""
    live, done = _started(RUNS * SPANS_A_RUN), readable(runs("GenAI", "1 KB", RUNS * SPANS_A_RUN))
    waits: Options = {"schedule_delay": 60.0, "max_batch_size": 10_000, "shutdown_timeout": 0.01}
    processor = PrefactorSpanProcessor(_NOBODY, "pf_hot", **waits)
    exporter = PrefactorExporter(_NOBODY, "pf_hot", **waits)
    try:
        for each in (processor, exporter):  # else each span wakes a worker that is not up yet
            assert comes_true(lambda each=each: each.stats().requests)  # type: ignore[misc]
        return {
            "start": min(steps_of(partial(processor.on_start, span)) for span in live),
            "end": min(steps_of(partial(processor.on_end, span)) for span in done),
            "a span of a batch": round(_handed_over(exporter, done) / len(done), 1),
        }
    finally:
        processor.shutdown()
        exporter.shutdown()


def _started(count: int) -> list[Span]:
    tracer = tracer_of(provider_with(None))
    return [cast(Span, tracer.start_span("step")) for _ in range(count)]


def _handed_over(exporter: PrefactorExporter, spans: Sequence[ReadableSpan]) -> int:
    with exporter.pipeline.nobody_waits():
        # One that finds the worker at rest wakes it.
        return min(steps_of(partial(exporter.export, spans)) for _ in range(16))


def recorded() -> Counts:
    """The counts of the last renewal under this version of Python; empty without one."""
    return _all_recorded().get(VERSION, {})


def _all_recorded() -> dict[str, Counts]:
    values: dict[str, Counts] = json.loads(RECORDED.read_text())
    return values


def _renew(now: Counts) -> None:
    values = dict(sorted((_all_recorded() | {VERSION: now}).items()))
    RECORDED.write_text(json.dumps(values, indent=2) + "\n")


def _viewed(spans: Sequence[ReadableSpan]) -> None:
    for span in spans:
        view_of(span)


def _mapped(views: Sequence[SpanView]) -> None:
    capture = Capture()
    for view in views:
        agent_span(view, capture)


def _through(spans: Sequence[ReadableSpan], *, live: bool) -> None:
    """Everything between the doors and the socket, on this thread."""
    config = Config(api_token="pf_hot", agent_name="hot", agent_version="1")
    counters, log, run = Counters(), QuietLog(), Run()
    budget = Budget(config.max_queue_size, config.max_queue_bytes)
    outbox = Outbox(budget, counters, log, config.max_batch_size, config.max_request_bytes)
    intake = Intake(Tenants(config, log, dict), run, outbox, budget, counters, log)
    for span in reversed(spans) if live else ():  # parents end last, and start first
        intake.take(started(span, 0.0))
    intake.take(ended(spans, Receipt()))
    settlement = Settlement(outbox, counters, log, lambda run, reason: None, lambda run: None)
    settlement.runs[run.key] = RunRecord("an instance", 7)
    bulk = BulkRequests(settlement, outbox, config.max_request_bytes)
    client = _Accepting("http://127.0.0.1:9", request_timeout=1)
    while outbox.queued:
        for call in outbox.lease_about_runs(1):
            settlement.settle(call, None)
        batch = outbox.lease(config.max_batch_size, config.max_request_bytes)
        if batch is not None:
            with suppress(StopIteration):
                bulk.deliver(client, batch).send(None)


class _Accepting(ApiClient):
    """An API that takes everything, without any way to it."""

    async def post(self, path: str, body: bytes) -> dict[str, object]:
        return {
            "outputs": {item["idempotency_key"]: _SUCCESS for item in orjson.loads(body)["items"]}
        }


def steps_of(work: Callable[[], object]) -> int:
    """How many steps (bytecode instructions) some work takes."""
    steps = 0

    def count(frame: FrameType, event: str, _: object) -> "TraceFunction":
        nonlocal steps
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        steps += event == "opcode"
        return count

    before = sys.gettrace()
    gc.disable()  # what it would clear away here was left by others
    sys.settrace(count)
    try:
        work()
    finally:
        sys.settrace(before)
        gc.enable()
    return steps


if __name__ == "__main__":
    now = counts()
    if "--renew" in sys.argv:
        _renew(now)
    last = recorded()
    for part, value in now.items():
        print(f"{part:45} {last.get(part, 0.0):7} {value:7}")
