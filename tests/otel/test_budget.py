"""What a process holds is bounded over all its runs: the oldest goes, and every span is counted."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from opentelemetry.sdk.trace import Span
from opentelemetry.sdk.trace import TracerProvider as SdkTracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import Tracer, set_span_in_context

from prefactor_otel import PrefactorExporter, PrefactorSpanProcessor, Stats, TracerProvider
from prefactor_otel.devserver import DevServer
from tests.patience import PATIENCE, comes_true
from tests.process.scripts import localhost, run_script

MIB = 1024 * 1024
TEXT = "x" * 50_000
FLUSH = int(PATIENCE * 1000)


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


def test_spans_that_are_left_open_are_bounded_and_none_stays_open_on_the_platform(
    api: DevServer, cancelled: str
) -> None:
    with live(api, max_queue_bytes=4 * MIB) as (processor, tracer):
        shown = [tracer.start_span(f"{number}") for number in range(300)]
        assert comes_true(lambda: len(api.spans()) == 300)
        later = [tracer.start_span("later") for _ in range(800)]
        assert processor.force_flush(FLUSH)
        assert processor.stats().held_bytes <= 4 * MIB
        over = {row["payload"]["name"] for row in api.spans() if row["status"] == cancelled}
        assert "0" in over  # the oldest goes first
        for span in (*shown, *later):
            span.end()
    stats = processor.stats()
    assert stats.acknowledged == len(api.spans()) == 1100
    assert set(stats.dropped) == {"duplicate"}  # the ends of those that were given up
    assert stats.dropped["duplicate"] >= len(over - {"later"})
    assert "active" not in {row["status"] for row in api.spans()}


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


def test_an_empty_run_costs_less_than_a_kilobyte(api: DevServer) -> None:
    alone, watched = taken(api), taken(api, "watched")
    assert watched - alone < 1024


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
