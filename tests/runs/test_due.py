"""What time makes due needs no other event, and a flush covers what is due."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest
from opentelemetry.context import Context
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    TraceFlags,
    Tracer,
    set_span_in_context,
)

import prefactor_otel
from prefactor_otel import PrefactorExporter, PrefactorSpanProcessor, TracerProvider
from prefactor_otel.devserver import DevServer

Act = Callable[[Tracer], None]


def statuses(api: DevServer) -> list[str]:
    return sorted(run["status"] for run in api.instances())


def provider_of(api: DevServer, **options: Any) -> TracerProvider:
    processor = PrefactorSpanProcessor(api.url, api.token, agent_name="quiet", **options)
    return TracerProvider(span_processors=[processor], shutdown_on_exit=False)


# -- time ------------------------------------------------------------------------------------


def test_a_process_in_which_nothing_happens_any_more_closes_its_idle_runs(
    api: DevServer, cancelled: str
) -> None:
    provider = provider_of(api, run_scope="trace", run_idle_timeout=2.5)
    provider.get_tracer("agent").start_span("never ended")
    assert api.wait_until(lambda api: statuses(api) == ["active"])
    assert api.wait_until(lambda api: statuses(api) == [cancelled])
    provider.shutdown()


def test_a_process_in_which_nothing_happens_any_more_closes_its_idle_sessions(
    api: DevServer,
) -> None:
    provider = provider_of(api, run_scope="session", run_idle_timeout=2.5)
    provider.get_tracer("agent").start_span("turn", attributes={"session.id": "anna"}).end()
    assert api.wait_until(lambda api: statuses(api) == ["active"])
    assert api.wait_until(lambda api: statuses(api) == ["complete"])
    provider.shutdown()


def test_blocks_that_stay_open_do_not_keep_idle_runs_open(api: DevServer, cancelled: str) -> None:
    provider = provider_of(api, run_scope="trace", run_idle_timeout=2.5)
    with ExitStack() as blocks:
        for _ in range(70):
            blocks.enter_context(prefactor_otel.run())
        provider.get_tracer("agent").start_span("never ended", context=Context())
        assert api.wait_until(lambda api: statuses(api).count("active") == 71)
        assert api.wait_until(lambda api: statuses(api).count(cancelled) == 1)
    provider.shutdown()


# -- flushes ---------------------------------------------------------------------------------


def trace(tracer: Tracer) -> None:
    with tracer.start_as_current_span("invocation"):
        tracer.start_span("step").end()


def block(tracer: Tracer) -> None:
    with prefactor_otel.run():
        trace(tracer)


def session(tracer: Tracer) -> None:
    with tracer.start_as_current_span("turn", attributes={"session.id": "anna"}):
        pass
    prefactor_otel.end_session("anna")


def judged(tracer: Tracer) -> None:
    with prefactor_otel.run() as run:
        trace(tracer)
        run.record_quality("helpful", {"score": 1})


def unfinished(tracer: Tracer) -> None:
    """An invocation within a trace that goes on elsewhere."""
    above = SpanContext(7, 7, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))
    where = set_span_in_context(NonRecordingSpan(above))
    with tracer.start_as_current_span("invocation", context=where):
        pass


INVOCATIONS: dict[str, tuple[str, Act]] = {
    "a trace": ("trace", trace),
    "a part of a trace": ("trace", unfinished),
    "a block": ("provider", block),
    "a block within traces": ("trace", block),
    "a session": ("session", session),
    "a block that is judged": ("trace", judged),
}
QUALITY = [{"name": "helpful", "schema": {"type": "object"}, "template": "{{ score }}"}]


def processor(api: DevServer, **options: Any) -> SpanProcessor:
    return PrefactorSpanProcessor(api.url, api.token, **options)


def exporter(api: DevServer, **options: Any) -> SpanProcessor:
    return BatchSpanProcessor(PrefactorExporter(api.url, api.token, **options))


@pytest.mark.parametrize("door", [processor, exporter])
@pytest.mark.parametrize("invocation", INVOCATIONS)
def test_once_a_flush_says_true_the_runs_that_are_over_are_finished(
    api: DevServer, invocation: str, door: Callable[..., SpanProcessor]
) -> None:
    scope, act = INVOCATIONS[invocation]
    inner = door(api, agent_name="function", run_scope=scope, quality_schemas=QUALITY)
    provider = TracerProvider(span_processors=[inner], shutdown_on_exit=False)
    for number in range(1, 6):
        act(provider.get_tracer("function"))
        assert provider.force_flush()
        over = [run for run in api.instances() if run["status"] == "complete"]
        assert len(over) == number
    provider.shutdown()


def test_a_flush_waits_for_the_end_of_a_run_that_the_api_does_not_take_at_once(
    api: DevServer,
) -> None:
    provider = provider_of(api, run_scope="trace")
    api.faults.add(path="/finish", status=503, times=2)
    trace(provider.get_tracer("function"))
    assert provider.force_flush()
    assert statuses(api) == ["complete"]
    provider.shutdown()


def test_a_flush_says_false_where_the_end_of_a_run_does_not_arrive_in_time(api: DevServer) -> None:
    provider = provider_of(api, run_scope="trace")
    api.faults.add(path="/finish", hang=True)
    trace(provider.get_tracer("function"))
    assert not provider.force_flush(1000)
    assert statuses(api) == ["active"]
    api.faults.clear()
    provider.shutdown()


def test_a_flush_ends_no_run_in_which_something_is_open(api: DevServer) -> None:
    provider = provider_of(api, run_scope="trace")
    tracer = provider.get_tracer("function")
    with tracer.start_as_current_span("invocation"):
        late = tracer.start_span("background work")
        assert provider.force_flush()
    assert provider.force_flush()
    assert statuses(api) == ["active"]
    late.end()
    assert provider.force_flush()
    assert statuses(api) == ["complete"]
    assert len({row["agent_instance_id"] for row in api.spans()}) == 1
    provider.shutdown()
