"""What a process holds is bounded over all its runs: the oldest goes, and every span is counted."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest
from opentelemetry.sdk.trace import Span
from opentelemetry.sdk.trace import TracerProvider as SdkTracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import Tracer, set_span_in_context

from prefactor_otel import PrefactorExporter, PrefactorSpanProcessor, Stats, TracerProvider
from prefactor_otel.config.options import Config, RunScope
from prefactor_otel.delivery.budget import Budget, ByAge
from prefactor_otel.delivery.operation import Operation
from prefactor_otel.delivery.outbox import Outbox
from prefactor_otel.delivery.receipt import Receipt
from prefactor_otel.devserver import DevServer
from prefactor_otel.runs.early import VISIBLE_AFTER
from prefactor_otel.runs.events import Dropped
from prefactor_otel.runs.intake import Intake
from prefactor_otel.runs.run import Run
from prefactor_otel.runs.tenants import Tenants
from prefactor_otel.spans.sdk import key_of
from prefactor_otel.stats.counters import Counters
from prefactor_otel.stats.log import QuietLog
from tests.made_spans import ended, started
from tests.patience import PATIENCE, comes_true
from tests.process.scripts import localhost, run_script

MIB = 1024 * 1024
TEXT = "x" * 50_000
FLUSH = int(PATIENCE * 1000)
SCOPES: Final[tuple[RunScope, ...]] = ("provider", "trace")


def is_accounted_for(stats: Stats) -> bool:
    return stats.accepted == stats.acknowledged + stats.waiting + sum(stats.dropped.values())


class Traces:
    """Traces that stay open, under a provider that hides the starts of their spans."""

    def __init__(self, api: DevServer, **options: Any) -> None:
        self.exporter = PrefactorExporter(
            *(api.url, api.token),
            agent_name="a",
            run_scope="trace",
            shutdown_timeout=PATIENCE,
            **options,
        )
        self.provider = SdkTracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = self.provider.get_tracer("agent")
        self.roots: list[Any] = []

    def begin(self) -> Any:
        self.roots.append(self.tracer.start_span(f"root {len(self.roots)}"))
        return self.roots[-1]

    def child(self, root: Any, name: str) -> None:
        where = set_span_in_context(root)
        span = self.tracer.start_span(name, context=where, attributes={"text": TEXT})
        span.end()


def test_traces_that_park_their_spans_share_one_budget(api: DevServer) -> None:
    traces = Traces(api, max_queue_bytes=4 * MIB)
    for _ in range(40):
        root = traces.begin()
        for _ in range(5):
            traces.child(root, "step")
        stats = traces.exporter.stats()
        assert stats.held_bytes <= 4 * MIB
        assert stats.waiting_bytes <= 4 * MIB
        assert is_accounted_for(stats)
    for root in traces.roots:
        root.end()
    traces.provider.shutdown()
    stats = traces.exporter.stats()
    assert is_accounted_for(stats)
    assert (stats.accepted, stats.waiting, stats.held_bytes) == (240, 0, 0)
    assert stats.acknowledged == len(api.spans())
    assert set(stats.dropped) <= {"queue_full"}
    assert 0 < stats.orphaned < 200


def test_of_what_is_parked_the_oldest_goes_first_whatever_its_run(api: DevServer) -> None:
    traces = Traces(api, max_queue_bytes=4 * MIB)
    roots = [traces.begin() for _ in range(3)]
    for number in range(60):
        traces.child(roots[number % 3], f"{number}")
    assert comes_true(lambda: traces.exporter.stats().orphaned)
    traces.exporter.force_flush(FLUSH)
    given_up = sorted(int(row["payload"]["name"]) for row in api.spans())
    assert given_up == list(range(traces.exporter.stats().orphaned))
    for root in roots:
        root.end()
    traces.provider.shutdown()
    assert traces.exporter.stats().acknowledged == 63


@contextmanager
def live(api: DevServer, **options: Any) -> Iterator[tuple[PrefactorSpanProcessor, Tracer]]:
    processor = PrefactorSpanProcessor(
        api.url, api.token, agent_name="a", shutdown_timeout=PATIENCE, **options
    )
    provider = TracerProvider(span_processors=[processor], shutdown_on_exit=False)
    yield processor, provider.get_tracer("agent")
    provider.shutdown()
    assert is_accounted_for(processor.stats())
    assert processor.stats().held_bytes == 0


@pytest.mark.parametrize("scope", SCOPES)
def test_agents_that_work_long_arrive_whole_however_much_they_were_asked(
    api: DevServer, scope: RunScope
) -> None:
    asked = json.dumps([{"role": "user", "parts": [{"type": "text", "content": TEXT}]}])
    said = json.dumps([{"role": "assistant", "parts": [{"type": "text", "content": "ANSWER"}]}])
    with live(api, max_queue_bytes=8 * MIB, run_scope=scope) as (processor, tracer):
        agents = [
            tracer.start_span(
                f"invoke_agent {number}",
                attributes={
                    "gen_ai.operation.name": "invoke_agent",
                    "gen_ai.input.messages": asked,
                },
            )
            for number in range(60)
        ]
        assert comes_true(lambda: len(api.spans()) == 60)
        assert processor.force_flush(FLUSH)
        assert processor.stats().held_bytes <= 2 * MIB  # they were asked 3 MB
        for agent in agents:
            agent.set_attribute("gen_ai.output.messages", said)
            agent.end()
        assert processor.force_flush(FLUSH)
    stats = processor.stats()
    assert (stats.accepted, stats.acknowledged, stats.dropped) == (60, 60, {})
    assert [row["status"] for row in api.spans()] == ["complete"] * 60
    assert all("ANSWER" in json.dumps(row["result_payload"]) for row in api.spans())
    assert {row["status"] for row in api.instances()} <= {"complete", "active"}


def test_spans_that_are_left_open_have_room_and_none_stays_open_on_the_platform(
    api: DevServer, cancelled: str
) -> None:
    with live(api, max_queue_bytes=4 * MIB) as (processor, tracer):
        shown = [tracer.start_span(f"{number}") for number in range(300)]
        assert comes_true(lambda: len(api.spans()) == 300)
        later = [tracer.start_span("later") for _ in range(800)]
        assert processor.force_flush(FLUSH)
        assert processor.stats().held_bytes <= 4 * MIB
        for span in (*shown[:200], *later[:700]):
            span.end()
    stats = processor.stats()
    assert (stats.acknowledged, stats.dropped) == (1100, {})
    states = Counter(row["status"] for row in api.spans())
    assert states == {"complete": 900, cancelled: 200}


class Followed:
    """What is taken in of a process, without anything that sends."""

    def __init__(self, budget: Budget, scope: RunScope) -> None:
        config = Config(api_url="http://127.0.0.1:9", api_token="t", run_scope=scope)
        log = QuietLog()
        self.counters = Counters()
        self.outbox = Outbox(budget, self.counters, log)
        tenant = Tenants(config, log, dict)
        self.intake = Intake(tenant, Run("0" * 32), self.outbox, budget, self.counters, log)
        self.tracer = SdkTracerProvider(shutdown_on_exit=False).get_tracer("agent")

    def start(self, name: str) -> Span:
        span = self.tracer.start_span(name)
        assert isinstance(span, Span)
        self.intake.take(started(span, time.monotonic() - 2 * VISIBLE_AFTER))
        return span

    def end(self, span: Span, receipt: Receipt | None = None) -> None:
        span.end()
        self.counters.accept(1)
        self.intake.take(ended([span], receipt))

    @property
    def dropped(self) -> dict[str, int]:
        return self.counters.snapshot(state="running").dropped


@pytest.mark.parametrize("scope", SCOPES)
def test_of_more_open_spans_than_are_followed_nothing_is_kept(scope: RunScope) -> None:
    process = Followed(Budget(max_open=20), scope)
    spans = [process.start("step") for _ in range(100)]
    assert process.intake.open <= 20
    for span in spans:
        process.end(span)
    assert process.intake.open == 0
    assert process.dropped == {}  # none was shown: their ends tell everything


def test_a_run_whose_root_was_turned_away_at_the_door_is_over_as_any_other() -> None:
    process = Followed(Budget(), "trace")
    root = process.start("root")
    root.end()
    process.intake.take(Dropped([key_of(root.get_span_context())]))
    assert process.intake.lives.has_any_to_close


def test_spans_at_work_come_on_top_of_the_budget_by_a_kilobyte_each() -> None:
    budget = Budget(max_bytes=4 * MIB)
    process = Followed(budget, "provider")
    spans = [process.start("step") for _ in range(9_000)]
    assert (process.intake.open, budget.open.bytes) == (9_000, 9_000 * 1024)
    for span in spans[:3_000]:
        process.end(span)
        assert budget.bytes <= 4 * MIB + 9_000 * 1024
    assert process.intake.open == 6_000


def test_that_an_open_span_is_given_up_is_told(caplog: pytest.LogCaptureFixture) -> None:
    process = Followed(Budget(max_open=20), "provider")
    first = process.start("root")
    process.intake.lives.take_due()
    for _ in range(30):
        process.start("step")
    assert "More than 20 spans are open" in caplog.text
    receipt = Receipt()
    process.end(first, receipt)
    assert process.dropped == {"given_up": 1}
    assert process.counters.missed == 1
    assert receipt.future.result(timeout=0) is False


def test_a_span_that_has_ended_is_never_given_up() -> None:
    process = Followed(Budget(max_open=20), "provider")
    first = process.start("root")
    process.intake.lives.take_due()
    first.end()  # and is on its way
    for _ in range(30):
        process.start("step")
    process.end(first)
    assert process.dropped == {}
    assert process.outbox.drain()[-1].items[-1].ends_span


def test_an_open_span_whose_creation_was_given_up_unsent_is_created_anew() -> None:
    process = Followed(Budget(max_items=20), "provider")
    agent = process.start("agent")
    process.intake.lives.take_due()
    for _ in range(40):
        process.end(process.start("step"))
    process.end(agent)
    last = process.outbox.drain()[-1].items[-1]
    assert (last.operation, last.ends_span) == (Operation.CREATE, True)
    assert b'"name":"agent"' in last.body


@pytest.mark.parametrize("together", [1, 10, 300])
def test_what_waits_is_bounded_and_counted_however_many_come_together(together: int) -> None:
    budget = Budget(max_bytes=4 * MIB)
    process = Followed(budget, "provider")
    where = set_span_in_context(process.tracer.start_span("root"))
    spans = [
        process.tracer.start_span("step", context=where, attributes={"text": TEXT})
        for _ in range(300)
    ]
    for begin in range(0, 300, together):
        part = [span for span in spans[begin : begin + together] if isinstance(span, Span)]
        for span in part:
            span.end()
        process.counters.accept(len(part))
        process.intake.take(ended(part, None))
        process.intake.store()
        assert budget.bytes <= 4 * MIB
    sent = sum(item.ends_span for batch in process.outbox.drain() for item in batch.items)
    assert budget.parked.items > 0
    assert sent + budget.parked.items + process.dropped["queue_full"] == 300


def has_taken_in(stats: Stats) -> bool:
    return stats.waiting <= stats.waiting_items


def test_an_agent_that_outlives_an_outage_arrives_with_what_it_ends_with(api: DevServer) -> None:
    api.faults.add(status=503, times=None)
    with live(api, max_queue_size=50) as (processor, tracer):
        agent = tracer.start_span("agent", attributes={"gen_ai.operation.name": "invoke_agent"})
        assert comes_true(lambda: processor.stats().waiting_items == 3)
        inside = set_span_in_context(agent)
        for _ in range(20):
            for _ in range(10):
                tracer.start_span("step", context=inside).end()
            assert comes_true(lambda: has_taken_in(processor.stats()))  # none waits at the door
        assert processor.stats().dropped["queue_full"] > 100  # and the agent before them
        api.faults.clear()
        assert comes_true(lambda: processor.stats().waiting == 0)
        tracer.start_span("late step", context=inside).end()
        agent.end()
        assert processor.force_flush(FLUSH)
    rows = {row["payload"]["name"]: row for row in api.spans()}
    assert rows["agent"]["status"] == "complete"
    assert rows["late step"]["parent_span_id"] == rows["agent"]["id"]
    steps = [row for row in api.spans() if row["payload"]["name"] == "step"]
    on_their_own = [row for row in steps if row["parent_span_id"] is None]
    assert processor.stats().orphaned == len(on_their_own) > 0


def test_a_span_that_is_shown_when_an_outage_begins_does_not_stay_open(api: DevServer) -> None:
    with live(api, max_queue_size=10) as (processor, tracer):
        root = tracer.start_span("root")
        inside = set_span_in_context(root)
        agent = tracer.start_span(
            "agent", context=inside, attributes={"gen_ai.operation.name": "invoke_agent"}
        )
        assert comes_true(lambda: len(api.spans()) == 2)
        api.faults.add(path="/bulk", status=503, times=None)
        agent.end()
        for _ in range(40):
            tracer.start_span("step", context=inside).end()
            assert comes_true(lambda: has_taken_in(processor.stats()))
        api.faults.clear()
        root.end()
        assert processor.force_flush(FLUSH)
        assert processor.stats().dropped.keys() == {"queue_full"}
    rows = {row["payload"]["name"]: row for row in api.spans()}
    assert (rows["agent"]["status"], rows["root"]["status"]) == ("complete", "complete")
    assert rows["agent"]["result_payload"] is None


def test_what_was_never_held_can_be_released() -> None:
    line: ByAge[str] = ByAge(10, 1000)
    line.hold("held", 100, "run")
    line.release("other")
    line.release("held")
    line.release("held")
    assert (line.items, line.bytes) == (0, 0)


def test_what_is_remembered_of_ended_spans_is_bounded_and_costs_only_links(api: DevServer) -> None:
    with live(api, max_queue_bytes=4 * MIB) as (processor, tracer):
        first = tracer.start_span("first")
        first.end()
        for _ in range(1500):
            tracer.start_span("step").end()
        assert processor.force_flush(FLUSH)
        assert 0 < processor.stats().held_bytes <= MIB
        last = tracer.start_span("last")
        last.end()
        for parent in (first, last):
            assert isinstance(parent, Span)
            tracer.start_span(f"of {parent.name}", context=set_span_in_context(parent)).end()
        assert processor.force_flush(FLUSH)
        assert processor.stats().orphaned == 1
    ids = {row["payload"]["name"]: row for row in api.spans()}
    assert ids["of first"]["parent_span_id"] is None
    assert ids["of last"]["parent_span_id"] == ids["last"]["id"]


def test_a_run_that_is_over_gives_back_what_it_took(api: DevServer) -> None:
    with live(api, run_scope="trace") as (processor, tracer):
        for _ in range(3):
            with tracer.start_as_current_span("root"), tracer.start_as_current_span("step"):
                pass
            tracer.start_span("left open", context=set_span_in_context(tracer.start_span("root")))
        assert processor.force_flush(FLUSH)
        assert processor.stats().held_bytes > 0


EMPTY_RUNS = """
import gc, json, os, sys, tracemalloc
from contextvars import copy_context
import prefactor_otel

if sys.argv[1:] == ["watched"]:
    processor = prefactor_otel.PrefactorSpanProcessor(agent_name="a", run_scope="trace")

def opened(number):
    blocks = [prefactor_otel.run() for _ in range(number)]
    for block in blocks:
        copy_context().run(block.__enter__)
    while sys.argv[1:] == ["watched"] and (
        processor.stats().waiting_items or not processor.force_flush(60_000)
    ):
        pass
    gc.collect()
    return blocks

keep = opened(100)
tracemalloc.start()
keep += opened(300)
others = [tracemalloc.Filter(False, f"*/{name}/*") for name in ("aiohttp", "asyncio", "yarl")]
taken = tracemalloc.take_snapshot().filter_traces(others).statistics("filename")
print(json.dumps(sum(place.size for place in taken) / 300), flush=True)
os._exit(0)
"""


def taken(api: DevServer, *arguments: str) -> float:
    words = f"import sys; sys.argv = {['script', *arguments]!r}\n"
    ended = run_script(words + EMPTY_RUNS, localhost(api), api.token)
    assert ended.code == 0, ended.stderr
    return float(json.loads(ended.stdout))


KEY = 96
"""Bytes: the parser keeps some 2,000 keys of what it has read, those of shared answers too."""


def test_an_empty_run_costs_less_than_a_kilobyte(api: DevServer) -> None:
    alone, watched = taken(api), taken(api, "watched")
    assert watched - alone - KEY < 1024


GROWTH = """
import gc, json, os, tracemalloc
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import set_span_in_context
from prefactor_otel import PrefactorExporter

exporter = PrefactorExporter(agent_name="a", run_scope="trace", max_queue_bytes=8 << 20)
provider = TracerProvider(shutdown_on_exit=False)
provider.add_span_processor(SimpleSpanProcessor(exporter))
tracer = provider.get_tracer("agent")

def is_taking_in(stats):  # else every span that waits is parked or queued
    return stats.waiting > stats.waiting_items

def grown(traces):
    for number in range(traces):
        where = set_span_in_context(tracer.start_span("root"))
        for _ in range(5):
            tracer.start_span("step", context=where, attributes={"text": "x" * 100_000}).end()
    while is_taking_in(exporter.stats()):
        exporter.force_flush(100)
    gc.collect()
    return tracemalloc.get_traced_memory()[0]

tracemalloc.start()
print(json.dumps([grown(30), grown(90)]), flush=True)
os._exit(0)
"""


def test_open_traces_take_what_the_budget_allows_however_many_there_are(api: DevServer) -> None:
    ended = run_script(GROWTH, localhost(api), api.token)
    assert ended.code == 0, ended.stderr
    # Requests in the making come on top, and what waits to be taken in; the spans are 60 MB.
    assert max(json.loads(ended.stdout)) < 3 * 8 * MIB
