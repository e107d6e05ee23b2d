"""Runs are kept or not as a whole, what is not kept is counted, and nothing else is lost."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider as SdkTracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    Status,
    StatusCode,
    TraceFlags,
    Tracer,
)

import prefactor_otel
from prefactor_otel import PrefactorConfigError, PrefactorExporter
from prefactor_otel.devserver import DevServer
from tests.doors.test_run_propagation import told
from tests.runs.test_runs import Service, by_run, finished

AGENT = {"openinference.span.kind": "AGENT"}
SECOND = 1_000_000_000
SCOPES = ("provider", "trace", "session")


@contextmanager
def service(api: DevServer, run_scope: str = "trace", **options: Any) -> Iterator[Service]:
    made = Service(api, run_scope, **({"run_linger": 0.0} | options))
    try:
        yield made
    finally:
        made.provider.shutdown()


def work(tracer: Tracer, name: str, *, fails: bool = False, **root: Any) -> None:
    """A run of two spans, of which the inner one may fail."""
    with (
        tracer.start_as_current_span(name, attributes={"session.id": name} | AGENT, **root),
        tracer.start_as_current_span(f"step of {name}") as step,
    ):
        if fails:
            step.set_status(Status(StatusCode.ERROR))


def adds_up(made: Service) -> bool:
    stats = made.processor.stats()
    return stats.accepted == stats.acknowledged + stats.waiting + sum(stats.dropped.values())


def names(api: DevServer) -> list[str]:
    return sorted(row["payload"]["name"] for row in api.spans())


# -- a share of all -------------------------------------------------------------------------------


@pytest.mark.parametrize("run_scope", SCOPES)
def test_of_runs_that_are_not_sampled_nothing_is_sent_and_all_counted(
    api: DevServer, run_scope: str
) -> None:
    with service(api, run_scope, sample_rate=0.0) as agent:
        work(agent.tracer, "request", fails=True)
        with prefactor_otel.run("block") as run:
            work(agent.tracer, "inside")
            run.record_quality("tone", {"score": 1})
        assert agent.processor.force_flush()
        assert agent.processor.stats().state == "running"
        assert run.id is None
    assert api.instances() == [] and api.spans() == []
    assert agent.processor.stats().dropped == {"not_kept": 4}
    assert agent.processor.stats().waiting == 0 and adds_up(agent)


def test_whoever_sees_a_part_of_a_trace_decides_alike_and_for_all_of_it(api: DevServer) -> None:
    ids = range(1, 101)
    with service(api, sample_rate=0.5) as one, service(api, sample_rate=0.5) as other:
        for number in ids:
            sampled = TraceFlags(TraceFlags.SAMPLED)
            far = SpanContext(number << 70 | number, number, is_remote=True, trace_flags=sampled)
            context = trace.set_span_in_context(NonRecordingSpan(far))
            work(one.tracer, f"{number} here", context=context)
            work(other.tracer, f"{number} there", context=context)
    whole = sorted(by_run(api).values())
    kept = {int(here.split()[0]) for here, _ in whole if here.endswith("here")}
    assert whole == sorted(
        [f"{number} {where}", f"step of {number} {where}"]
        for number in kept
        for where in ("here", "there")
    )
    assert 20 < len(kept) < 80
    for agent in (one, other):
        assert agent.processor.stats().acknowledged == 2 * len(kept)
        assert agent.processor.stats().dropped == {"not_kept": 2 * (100 - len(kept))}


def test_the_traces_of_a_session_share_its_fate(api: DevServer) -> None:
    with service(api, "session", sample_rate=0.5) as agent:
        for number in range(40):
            for step in range(2):
                with agent.tracer.start_as_current_span(
                    f"{step}", attributes={"session.id": f"session {number}"}
                ):
                    pass
    assert 0 < len(api.instances()) < 40
    assert set(map(tuple, by_run(api).values())) == {("0", "1")}


def test_each_agent_of_a_process_has_a_share_of_its_own(api: DevServer) -> None:
    tenants = {"quiet": {"sample_rate": 0.0}}
    with service(api, tenants=tenants) as agent:
        for name in ("quiet", "loud"):
            attributes = {"prefactor.agent_name": name}
            with agent.tracer.start_as_current_span(f"work of {name}", attributes=attributes):
                pass
    assert names(api) == ["work of loud"]


@pytest.mark.parametrize("run_scope", ["provider", "trace"])
def test_a_run_that_is_not_sampled_is_told_to_no_other_process(
    api: DevServer, run_scope: str
) -> None:
    tenants = {"loud": {"sample_rate": 1.0}}
    options: Any = {"run_propagation": True, "sample_rate": 0.0, "tenants": tenants}
    with service(api, run_scope, **options) as agent:
        loud = {"prefactor.agent_name": "loud"}
        agent.tracer.start_span("learns its account", attributes=loud).end()
        assert api.wait_until(lambda api: api.spans())
        with agent.tracer.start_as_current_span("calls", attributes=loud):
            assert agent.processor.force_flush()
            assert "prefactor-run" in told()
        with agent.tracer.start_as_current_span("is left out"):
            assert "prefactor-run" not in told()
            assert agent.processor.force_flush()
            assert "prefactor-run" not in told()
        with prefactor_otel.run("is left out"), agent.tracer.start_as_current_span("step"):
            assert "prefactor-run" not in told()


# -- those with errors ----------------------------------------------------------------------------


@pytest.mark.parametrize("run_scope", ["trace", "session"])
def test_only_runs_in_which_something_failed_are_sent_each_as_a_whole(
    api: DevServer, run_scope: str
) -> None:
    with service(api, run_scope, keep="errors") as agent:
        for number in range(20):
            work(agent.tracer, f"good {number}")
        work(agent.tracer, "bad", fails=True)
        if run_scope == "session":
            for session in ("bad", *(f"good {number}" for number in range(20))):
                prefactor_otel.end_session(session)
        assert agent.ends(1)
        assert agent.processor.force_flush()
        assert agent.processor.stats().waiting == 0
    assert by_run(api) == {api.instances()[0]["id"]: ["bad", "step of bad"]}
    assert agent.processor.stats().dropped == {"not_kept": 40} and adds_up(agent)
    assert agent.processor.stats().acknowledged == 2


def test_nothing_of_a_run_is_known_before_its_end_and_a_flush_does_not_wait_for_that(
    api: DevServer,
) -> None:
    with service(api, keep="errors") as agent:
        with agent.tracer.start_as_current_span("request", attributes=AGENT):
            with agent.tracer.start_as_current_span("step") as step:
                step.set_status(Status(StatusCode.ERROR))
            assert agent.processor.force_flush()
            assert agent.processor.stats().waiting == 1 and adds_up(agent)
            assert api.instances() == []
        assert agent.ends(1)
    assert names(api) == ["request", "step"]


def test_slow_runs_are_kept_and_so_is_a_share_of_the_others(api: DevServer) -> None:
    with service(api, keep="errors", keep_slower_than=2.0, sample_rate=0.5) as agent:
        for number in range(60):
            agent.tracer.start_span(f"quick {number}", start_time=SECOND).end(2 * SECOND)
        agent.tracer.start_span("slow", start_time=SECOND).end(4 * SECOND)
    found = names(api)
    assert found.pop() == "slow"
    assert 5 < len(found) < 55
    assert agent.processor.stats().dropped == {"not_kept": 60 - len(found)}


def test_a_block_that_fails_is_kept_though_its_spans_have_not(api: DevServer) -> None:
    with service(api, keep="errors") as agent:
        for error in (None, ValueError()):
            try:
                with prefactor_otel.run("block"):
                    agent.tracer.start_span(f"before {error!r}").end()
                    if error is not None:
                        raise error
            except ValueError:
                pass
        assert agent.ends(1)
    assert names(api) == ["before ValueError()"]
    assert [run["status"] for run in api.instances()] == ["failed"]


def test_a_failure_keeps_a_run_though_the_filter_leaves_that_span_out(api: DevServer) -> None:
    with service(api, keep="errors", span_filter="agent") as agent:
        for fails in (False, True):
            with (
                agent.tracer.start_as_current_span(f"agent {fails}", attributes=AGENT),
                agent.tracer.start_as_current_span("GET", attributes={"http.method": "GET"}) as get,
            ):
                if fails:
                    get.set_status(Status(StatusCode.ERROR))
    assert names(api) == ["agent True"]
    assert agent.processor.stats().dropped == {"not_kept": 1, "filtered": 2} and adds_up(agent)


def test_the_run_of_a_process_is_decided_at_its_end(api: DevServer) -> None:
    for fails in (False, True):
        with service(api, "provider", keep="errors") as agent:
            work(agent.tracer, f"{fails}", fails=fails)
            assert agent.processor.force_flush()
    assert names(api) == ["True", "step of True"]
    assert len(finished(api)) == len(api.instances()) == 1


def test_more_than_memory_holds_is_kept_early_and_said_so(
    api: DevServer, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        caplog.at_level(logging.WARNING),
        service(api, keep="errors", max_queue_bytes=1_000_000) as agent,
        agent.tracer.start_as_current_span("request"),
    ):
        for number in range(100):
            attributes = {"input.value": f"{number} " * 4_000}
            agent.tracer.start_span("step", attributes=attributes).end()
            assert agent.processor.force_flush()
        assert len(api.instances()) == 1
        assert len([name for name in names(api) if name == "step"]) > 10
    assert names(api) == ["request", *["step"] * 100]
    assert "are kept, whatever becomes of them" in caplog.text
    assert agent.processor.stats().dropped == {} and adds_up(agent)


def test_a_run_that_others_have_a_part_in_is_kept(api: DevServer) -> None:
    with service(api, "trace", keep="errors", run_propagation=True) as agent:
        work(agent.tracer, "learns its account", fails=True)
        assert agent.ends(1)
        with agent.tracer.start_as_current_span("calls"):
            assert "prefactor-run" in told()
        agent.tracer.start_span("calls nobody").end()
    assert "calls" in names(api) and "calls nobody" not in names(api)


# -- other doors, and the disk --------------------------------------------------------------------


@pytest.mark.parametrize("options", [{"sample_rate": 0.0}, {"keep": "errors"}])
def test_an_exporter_has_delivered_what_is_not_kept(api: DevServer, options: Any) -> None:
    exporter = PrefactorExporter(api.url, api.token, run_scope="trace", run_linger=0.0, **options)
    provider = SdkTracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    work(provider.get_tracer("agent"), "good")
    assert provider.force_flush() and exporter.force_flush()
    work(provider.get_tracer("agent"), "bad", fails=True)
    provider.shutdown()
    kept = ["bad", "step of bad"] if "keep" in options else []
    assert names(api) == kept
    assert exporter.stats().dropped == {"not_kept": 4 - len(kept)}


@pytest.mark.parametrize("options", [{"sample_rate": 0.0}, {"keep": "errors"}])
def test_with_a_spool_the_same_is_kept_and_nothing_is_left_to_wait(
    api: DevServer, tmp_path: Path, options: Any
) -> None:
    with service(api, spool_dir=tmp_path, **options) as agent:
        work(agent.tracer, "good")
        assert agent.processor.force_flush()
        work(agent.tracer, "bad", fails=True)
    assert names(api) == (["bad", "step of bad"] if "keep" in options else [])
    assert agent.processor.stats().waiting == 0 and adds_up(agent)


# -- the options ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("sample_rate", 1.5, "must be a share, from 0 to 1"),
        ("sample_rate", float("nan"), "must be a share, from 0 to 1"),
        ("keep", "most", "must be 'all' or 'errors'"),
        ("keep_slower_than", -1.0, "must be 0 or more"),
    ],
)
def test_what_cannot_be_used_is_named(option: str, value: Any, words: str) -> None:
    with pytest.raises(PrefactorConfigError, match=words):
        PrefactorExporter(api_token="pf_some_token", **{option: value})
