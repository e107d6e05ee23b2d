"""Every way in delivers the same: one run, each span once, under its parent."""

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider as SdkTracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExportResult
from opentelemetry.trace import Status, StatusCode, use_span

from prefactor_otel import PrefactorExporter, PrefactorSpanProcessor, TracerProvider
from prefactor_otel.devserver import DevServer
from tests.made_spans import Recorder
from tests.patience import PATIENCE, plain_process
from tests.process.dead import never_answering
from tests.readings import under_either_reading

AnyProvider = SdkTracerProvider


def ours_with_exporter() -> AnyProvider:
    return TracerProvider(span_processors=[BatchSpanProcessor(PrefactorExporter())])


def ours_with_simple() -> AnyProvider:
    return TracerProvider(span_processors=[SimpleSpanProcessor(PrefactorExporter())])


def ours_with_processor() -> AnyProvider:
    return TracerProvider(span_processors=[PrefactorSpanProcessor()])


def stock_with_batch() -> AnyProvider:
    provider = SdkTracerProvider()
    provider.add_span_processor(BatchSpanProcessor(PrefactorExporter()))
    return provider


def stock_with_simple() -> AnyProvider:
    provider = SdkTracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(PrefactorExporter()))
    return provider


def stock_with_processor() -> AnyProvider:
    provider = SdkTracerProvider()
    provider.add_span_processor(PrefactorSpanProcessor())
    return provider


DOORS = [
    ours_with_exporter,
    ours_with_simple,
    ours_with_processor,
    stock_with_batch,
    stock_with_simple,
    stock_with_processor,
]


def nested_trace(provider: AnyProvider) -> None:
    tracer = provider.get_tracer("agent")
    with tracer.start_as_current_span("root"):
        with tracer.start_as_current_span("step one"), tracer.start_as_current_span("tool"):
            pass
        with tracer.start_as_current_span("step two"):
            pass


def names_and_parents(api: DevServer) -> dict[object, object]:
    rows = api.spans()
    names = {row["id"]: row["payload"]["name"] for row in rows}
    return {row["payload"]["name"]: names.get(row["parent_span_id"]) for row in rows}


def registration(api: DevServer) -> dict[str, Any]:
    [body] = [request.body for request in api.requests if request.path.endswith("/register")]
    assert isinstance(body, dict)
    return body


def refusals(api: DevServer) -> list[object]:
    outputs = [r.status for r in api.requests if r.status != 200]
    return outputs + [row for row in api.spans() if row["status"] == "active"]


@pytest.mark.parametrize("door", DOORS)
def test_a_nested_trace_becomes_one_finished_run_with_its_tree(
    api_environment: DevServer, door: Callable[[], AnyProvider]
) -> None:
    provider = door()
    nested_trace(provider)
    provider.shutdown()
    [instance] = api_environment.instances()
    assert instance["status"] == "complete"
    assert instance["started_at"] <= instance["finished_at"]
    assert names_and_parents(api_environment) == {
        "root": None,
        "step one": "root",
        "tool": "step one",
        "step two": "root",
    }
    assert len(api_environment.spans()) == 4
    assert all(row["schema_mismatches"] == [] for row in api_environment.spans())
    assert refusals(api_environment) == []


@pytest.mark.parametrize("door", [ours_with_exporter, ours_with_processor, stock_with_processor])
def test_a_run_and_its_root_are_visible_within_two_seconds_while_the_root_is_open(
    api_environment: DevServer, door: Callable[[], AnyProvider]
) -> None:
    with plain_process(2.0) as two_seconds:
        provider = door()
        root = provider.get_tracer("agent").start_span("root")
        assert api_environment.wait_until(lambda api: api.spans())
        assert two_seconds()
    with use_span(root, end_on_exit=True):
        [row] = api_environment.spans()
        assert (row["status"], row["payload"]["name"]) == ("active", "root")
        assert api_environment.instances()[0]["status"] == "active"
    provider.shutdown()
    [row] = api_environment.spans()
    assert row["status"] == "complete"


@pytest.mark.parametrize("door", DOORS)
def test_512_spans_of_one_trace_take_at_most_three_bulk_requests(
    api_environment: DevServer, door: Callable[[], AnyProvider]
) -> None:
    if door in (ours_with_simple, stock_with_simple):
        pytest.skip("a simple processor exports every span by itself, as it promises")
    provider = door()
    tracer = provider.get_tracer("agent")
    with tracer.start_as_current_span("root"):
        for _ in range(511):
            tracer.start_span("leaf").end()
    provider.shutdown()
    bulk = [r for r in api_environment.requests if r.path.endswith("/bulk")]
    assert len(bulk) <= 3
    assert api_environment.instances()[0]["span_counts"]["complete"] == 512


@pytest.mark.parametrize("door", [ours_with_exporter, ours_with_processor])
def test_a_flush_is_true_only_when_everything_ended_is_on_the_server(
    api_environment: DevServer, door: Callable[[], AnyProvider]
) -> None:
    provider = door()
    tracer = provider.get_tracer("agent")
    with tracer.start_as_current_span("still open"):
        for _ in range(50):
            tracer.start_span("ended").end()
        assert provider.force_flush() is True
        ended = [row for row in api_environment.spans() if row["payload"]["name"] == "ended"]
        assert len(ended) == 50
    provider.shutdown()


@pytest.mark.parametrize("door", [ours_with_exporter, ours_with_processor])
def test_a_flush_gives_up_at_its_deadline(
    api_environment: DevServer, door: Callable[[], AnyProvider]
) -> None:
    api_environment.faults.add(path="/bulk", hang=True, times=None)
    provider = door()
    provider.get_tracer("agent").start_span("ended").end()
    with plain_process(0.6) as still_runs:
        begun = time.monotonic()
        assert provider.force_flush(timeout_millis=500) is False
        assert time.monotonic() - begun >= 0.4
        assert still_runs()
    api_environment.faults.clear()
    provider.shutdown()


def test_a_flush_with_nothing_to_do_is_true(api_environment: DevServer) -> None:
    provider = ours_with_processor()
    assert provider.force_flush() is True
    provider.shutdown()


def test_export_answers_after_the_acknowledgement(api_environment: DevServer) -> None:
    recorder, exporter = Recorder(), PrefactorExporter()
    recorder.tracer.start_span("one").end()
    assert exporter.export(recorder.spans) is SpanExportResult.SUCCESS
    assert len(api_environment.spans()) == 1
    exporter.shutdown()


def test_export_reports_what_the_api_refuses(api_environment: DevServer) -> None:
    api_environment.faults.add(bulk_error="not_acceptable", item="one")
    recorder, exporter = Recorder(), PrefactorExporter()
    recorder.tracer.start_span("one").end()
    assert exporter.export(recorder.spans) is SpanExportResult.FAILURE
    assert exporter.stats().dropped == {"refused": 1}
    exporter.shutdown()


def test_export_does_not_wait_on_a_thread_that_runs_an_event_loop(
    api_environment: DevServer,
) -> None:
    api_environment.faults.add(hang=True, times=None)
    recorder, exporter = Recorder(), PrefactorExporter(export_timeout=PATIENCE)
    recorder.tracer.start_span("one").end()

    async def on_the_loop() -> SpanExportResult:
        return exporter.export(recorder.spans)

    with plain_process(0.2) as still_runs:
        assert asyncio.run(on_the_loop()) is SpanExportResult.SUCCESS
        assert still_runs()
    api_environment.faults.clear()
    exporter.shutdown()


def test_construction_does_not_wait_for_the_api() -> None:
    with never_answering() as url, plain_process(0.0) as still_runs:
        exporter = PrefactorExporter(url, "token-of-nobody", shutdown_timeout=0.2)
        assert still_runs()
        exporter.shutdown()


def test_the_run_fails_when_every_root_failed(api_environment: DevServer) -> None:
    provider = ours_with_processor()
    with provider.get_tracer("agent").start_as_current_span("root") as span:
        span.set_status(Status(StatusCode.ERROR, "no luck"))
    provider.shutdown()
    assert api_environment.instances()[0]["status"] == "failed"


def test_one_good_root_makes_the_run_complete(api_environment: DevServer) -> None:
    provider = ours_with_processor()
    with provider.get_tracer("agent").start_as_current_span("bad") as span:
        span.set_status(Status(StatusCode.ERROR))
    provider.get_tracer("agent").start_span("good").end()
    provider.shutdown()
    assert api_environment.instances()[0]["status"] == "complete"


@under_either_reading
def test_the_run_status_that_was_set_wins(api_environment: DevServer, cancelled: str) -> None:
    processor = PrefactorSpanProcessor()
    provider = TracerProvider(span_processors=[processor])
    provider.get_tracer("agent").start_span("good").end()
    processor.set_run_status("cancelled")
    provider.shutdown()
    assert api_environment.instances()[0]["status"] == cancelled


@under_either_reading
def test_spans_still_open_at_shutdown_are_cancelled_before_the_run_ends(
    api_environment: DevServer, cancelled: str
) -> None:
    provider = ours_with_processor()
    tracer = provider.get_tracer("agent")
    root = tracer.start_span("root")
    assert api_environment.wait_until(lambda api: api.spans())
    tracer.start_span("just started")
    provider.shutdown()
    rows = api_environment.spans()
    assert {row["payload"]["name"]: row["status"] for row in rows} == {
        "root": cancelled,
        "just started": cancelled,
    }
    assert all(row["finished_at"] for row in rows)
    assert root.is_recording()


@under_either_reading
def test_the_late_end_of_a_span_that_shutdown_cancelled_is_no_loss(
    api_environment: DevServer, caplog: pytest.LogCaptureFixture
) -> None:
    processor = PrefactorSpanProcessor()
    provider = TracerProvider(span_processors=[processor])
    span = provider.get_tracer("agent").start_span("root")
    provider.shutdown()
    span.end()
    stats = processor.stats()
    assert (stats.accepted, stats.acknowledged, stats.dropped) == (1, 1, {})
    assert caplog.text == ""


def test_spans_that_a_full_stock_queue_lost_are_rescued_at_shutdown(
    api_environment: DevServer,
) -> None:
    exporter = PrefactorExporter()
    stock = BatchSpanProcessor(exporter, max_queue_size=8, max_export_batch_size=8)
    provider = TracerProvider(span_processors=[stock])
    tracer = provider.get_tracer("agent")
    with tracer.start_as_current_span("root"):
        for _ in range(200):
            tracer.start_span("leaf").end()
    provider.shutdown()
    assert api_environment.instances()[0]["span_counts"]["complete"] == 201
    assert exporter.stats().acknowledged == 201


def test_the_agent_version_comes_from_the_resource(api_environment: DevServer) -> None:
    resource = Resource.create(
        {
            "service.name": "planner",
            "service.version": "2.1",
            "deployment.environment.name": "staging",
        }
    )
    provider = TracerProvider(resource=resource, span_processors=[PrefactorSpanProcessor()])
    provider.shutdown()
    version = registration(api_environment)["agent_version"]
    assert (version["name"], version["external_identifier"]) == ("planner", "2.1")
    assert "staging" in version["description"]
    assert version["runtime_environment"]["prefactor_sdk"][0].startswith("prefactor-otel@")


def test_options_name_the_agent_version_over_the_resource(api_environment: DevServer) -> None:
    processor = PrefactorSpanProcessor(
        agent_name="mine", agent_version="7", agent_description="words", purpose="eval"
    )
    TracerProvider(span_processors=[processor]).shutdown()
    [instance] = api_environment.instances()
    version = registration(api_environment)["agent_version"]
    assert (version["name"], version["external_identifier"], version["description"]) == (
        "mine",
        "7",
        "words",
    )
    assert instance["purpose"] == "eval"


def test_a_second_shutdown_and_late_spans_do_no_harm(api_environment: DevServer) -> None:
    processor = PrefactorSpanProcessor()
    provider = TracerProvider(span_processors=[processor])
    provider.shutdown()
    provider.get_tracer("agent").start_span("late").end()
    provider.shutdown()
    assert processor.stats().dropped == {"after_shutdown": 1}
    assert processor.stats().state == "closed"


def test_no_thread_is_left_behind(api_environment: DevServer) -> None:
    before = set(threading.enumerate())
    provider = ours_with_processor()
    nested_trace(provider)
    provider.shutdown()
    left = {t for t in threading.enumerate() if t.name == "prefactor-otel"} - before
    for thread in left:
        thread.join(PATIENCE)
        assert not thread.is_alive()


def test_every_span_type_is_declared_with_schema_title_and_template(
    api_environment: DevServer,
) -> None:
    provider = ours_with_processor()
    provider.shutdown()
    types = registration(api_environment)["agent_schema_version"]["span_type_schemas"]
    assert {"otel:agent", "otel:llm", "otel:tool", "otel:span"} <= {t["name"] for t in types}
    for declared in types:
        assert declared["title"]
        assert declared["description"]
        assert "{{" in declared["template"]
        assert declared["params_schema"]["properties"]["inputs"]["type"] == "object"
