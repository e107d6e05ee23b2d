"""A filter through every door: what arrives, what is counted, and what becomes of the run."""

from collections.abc import Callable
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import TracerProvider as SdkTracerProvider
from opentelemetry.trace import Status, StatusCode

from prefactor_otel import PrefactorConfigError, PrefactorExporter, PrefactorSpanProcessor
from prefactor_otel.config.options import load_config
from prefactor_otel.devserver import DevServer
from prefactor_otel.spans.view import SpanView
from tests.doors.test_doors import DOORS, AnyProvider, names_and_parents
from tests.process.scripts import run_script
from tests.runs.test_runs import Service, by_run, finished

CHAT = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}
AGENT = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "clerk"}
GET = {"http.request.method": "GET"}


def serve(provider: SdkTracerProvider) -> None:
    """A request, of which an agent works; a step of its own, a query, a call of a model."""
    tracer = provider.get_tracer("service")
    with (
        tracer.start_as_current_span("GET /", attributes=GET),
        tracer.start_as_current_span("middleware"),
        tracer.start_as_current_span("clerk", attributes=AGENT),
        tracer.start_as_current_span("step"),
    ):
        with tracer.start_as_current_span("SELECT", attributes={"db.system.name": "sqlite"}):
            pass
        with (
            tracer.start_as_current_span("POST", attributes=GET),
            tracer.start_as_current_span("m", attributes=CHAT),
        ):
            pass


@pytest.mark.parametrize("make", DOORS, ids=lambda make: make.__name__)
def test_agent_sends_the_agent_and_its_own_steps(
    api_environment: DevServer, monkeypatch: pytest.MonkeyPatch, make: Callable[[], AnyProvider]
) -> None:
    monkeypatch.setenv("PREFACTOR_SPAN_FILTER", "agent")
    provider = make()
    serve(provider)
    provider.shutdown()
    assert names_and_parents(api_environment) == {"clerk": None, "step": "clerk", "m": "step"}
    [run] = api_environment.instances()
    assert run["status"] == "complete"


def test_what_is_left_out_is_counted_and_no_loss(
    api: DevServer, caplog: pytest.LogCaptureFixture
) -> None:
    service = Service(api, span_filter="agent")
    serve(service.provider)
    assert service.processor.force_flush()
    service.provider.shutdown()
    stats = service.processor.stats()
    assert (stats.accepted, stats.acknowledged, stats.dropped) == (7, 3, {"filtered": 4})
    assert (stats.waiting, stats.orphaned) == (0, 0)
    assert not caplog.records


def test_a_traces_run_ends_with_its_root_though_that_is_left_out(api: DevServer) -> None:
    service = Service(api, "trace", span_filter="agent")
    for _ in range(2):
        serve(service.provider)
    assert service.ends(2)
    assert list(by_run(api).values()) == [["clerk", "m", "step"]] * 2
    service.provider.shutdown()


def test_a_traces_run_fails_with_its_root_though_that_is_left_out(api: DevServer) -> None:
    service = Service(api, "trace", span_filter="agent")
    with service.tracer.start_as_current_span("GET /", attributes=GET) as root:
        with service.tracer.start_as_current_span("clerk", attributes=AGENT):
            pass
        root.set_status(Status(StatusCode.ERROR))
    assert service.ends(1)
    assert finished(api)[0]["status"] == "failed"
    service.provider.shutdown()


def test_a_trace_of_which_nothing_is_sent_is_no_run(api: DevServer) -> None:
    service = Service(api, "trace", span_filter="agent")
    for _ in range(5):
        with service.tracer.start_as_current_span("GET /health", attributes=GET):
            pass
    serve(service.provider)
    assert service.ends(1)
    service.provider.shutdown()
    stats = service.processor.stats()
    assert len(api.instances()) == 1
    assert (stats.runs, stats.waiting, stats.dropped) == (0, 0, {"filtered": 9})


def test_what_is_open_at_shutdown_is_filtered_too(api: DevServer) -> None:
    service = Service(api, span_filter="agent")
    tracer = service.tracer
    with (
        tracer.start_as_current_span("GET /", attributes=GET),
        tracer.start_as_current_span("clerk", attributes=AGENT),
        tracer.start_as_current_span("step"),
        tracer.start_as_current_span("m", attributes=CHAT),
    ):
        service.provider.shutdown()
    assert names_and_parents(api) == {"clerk": None, "step": "clerk", "m": "step"}
    stats = service.processor.stats()
    assert (stats.accepted, stats.acknowledged, stats.dropped) == (4, 3, {"filtered": 1})


def test_scopes_are_named_in_the_variable_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFACTOR_SPAN_FILTER", "my.agent, -my.agent.noise")
    assert load_config().span_filter == ("my.agent", "-my.agent.noise")


@pytest.mark.parametrize("given", ["agent,my.scope", "", ["-"], [], 7, [7]])
def test_what_is_no_filter_is_refused_in_words(given: object) -> None:
    with pytest.raises(PrefactorConfigError, match=r"option span_filter .*must"):
        load_config(span_filter=given)


def test_a_function_is_asked_with_all_that_the_span_says(api: DevServer) -> None:
    def cheap(view: SpanView) -> bool:
        return view.attributes.get("cost") != 0

    exporter = PrefactorExporter(api.url, api.token, span_filter=cheap)
    service = Service(api, span_filter=cheap)
    with service.tracer.start_as_current_span("free") as free:
        with service.tracer.start_as_current_span("dear"):
            pass
        free.set_attribute("cost", 0)
    service.provider.shutdown()
    exporter.shutdown()
    assert names_and_parents(api) == {"dear": None}


LEFT_OVER = """
from opentelemetry import trace
from prefactor_otel import PrefactorExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
import os

exporter = PrefactorExporter(span_filter="agent")
provider = TracerProvider(shutdown_on_exit=False)
provider.add_span_processor(SimpleSpanProcessor(exporter))
tracer = provider.get_tracer("agent")
with tracer.start_as_current_span("main"):
    with tracer.start_as_current_span("step"):
        with tracer.start_as_current_span("m", attributes={"gen_ai.operation.name": "chat"}):
            pass
os._exit(9)
"""


def test_what_was_left_out_after_all_is_not_in_the_spool(api: DevServer, tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    variables = {"PREFACTOR_SPOOL_DIR": str(spool)}
    api.stop()
    run_script(LEFT_OVER, api.url, api.token, **variables)
    api.start()
    heir = PrefactorSpanProcessor(api.url, api.token, spool_dir=spool)
    assert api.wait_until(lambda api: len(api.spans()) == 1)
    heir.shutdown()
    assert names_and_parents(api) == {"m": None}
