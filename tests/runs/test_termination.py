"""Somebody stops a run on the platform: that one stops, tells, and touches no other."""

import asyncio
import logging
import pickle
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import pytest
from opentelemetry.sdk.trace import TracerProvider as SdkTracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import set_span_in_context

import prefactor_otel
from prefactor_otel import (
    PrefactorExporter,
    PrefactorSpanProcessor,
    PrefactorTerminatedError,
    TerminatedRun,
    raise_if_terminated,
)
from prefactor_otel.devserver import DevServer
from tests.patience import PATIENCE, comes_true
from tests.readings import left_open, under_either_reading
from tests.runs.test_runs import Service, by_run, finished

STEP = {"openinference.span.kind": "AGENT"}


@contextmanager
def service(api: DevServer, run_scope: str = "provider", **options: Any) -> Iterator[Service]:
    made = Service(api, run_scope, **({"poll_interval": 0.1} | options))
    try:
        yield made
    finally:
        made.provider.shutdown()


def only_run(api: DevServer) -> str:
    assert api.wait_until(lambda api: [r for r in api.instances() if r["status"] == "active"])
    [run] = api.instances()
    return str(run["id"])


def test_a_run_that_says_nothing_learns_it_by_asking(api: DevServer) -> None:
    with service(api) as agent:
        api.terminate(only_run(api), "too expensive")
        assert agent.processor.terminated.wait(PATIENCE)
        assert agent.processor.stats().state == "terminated"
        with pytest.raises(PrefactorTerminatedError) as caught:
            raise_if_terminated()
        assert (caught.value.run_id, caught.value.reason) == (only_id(api), "too expensive")


def only_id(api: DevServer) -> str:
    [run] = api.instances()
    return str(run["id"])


def test_the_answer_to_what_is_sent_tells_it_too(api: DevServer) -> None:
    with service(api, poll_interval=0.0) as agent:
        api.terminate(only_run(api), "enough")
        assert not agent.processor.terminated.is_set()
        agent.tracer.start_span("step").end()
        assert agent.processor.terminated.wait(PATIENCE)
    assert not [r for r in api.requests if r.method == "GET"]


def test_while_no_run_is_open_nobody_is_asked(api: DevServer) -> None:
    with service(api, "trace", poll_interval=0.05) as agent:
        with agent.tracer.start_as_current_span("request"):
            assert api.wait_until(lambda api: [r for r in api.requests if r.method == "GET"])
        assert agent.ends(1)
        agent.processor.force_flush()
        before = len([r for r in api.requests if r.method == "GET"])
        assert not api.wait_until(
            lambda api: len([r for r in api.requests if r.method == "GET"]) > before + 1,
            timeout=0.5,
        )


def test_a_run_that_is_opened_afterwards_is_not_stopped(api: DevServer) -> None:
    with service(api, on_terminate="raise") as agent:
        api.terminate(only_run(api), "enough")
        assert agent.processor.terminated.wait(PATIENCE)
        for number in range(20):
            with prefactor_otel.run(f"fresh {number}"):
                agent.tracer.start_span("goes on").end()
    assert len(api.spans()) == 20


def test_later_spans_are_not_sent_and_counted_and_earlier_ones_are(api: DevServer) -> None:
    with service(api) as agent:
        early = agent.tracer.start_span("early", attributes=STEP)
        api.terminate(only_run(api), "enough")
        assert agent.processor.terminated.wait(PATIENCE)
        agent.tracer.start_span("late").end()
        early.end()
        assert agent.processor.force_flush()
    assert [row["payload"]["name"] for row in api.spans()] == ["early"]
    stats = agent.processor.stats()
    assert stats.dropped == {"run_terminated": 1}
    assert stats.accepted == stats.acknowledged + 1 == 2
    assert api.instances()[0]["status"] == "terminated"


def test_a_span_that_the_platform_has_closed_costs_none_that_it_would_still_take(
    api: DevServer,
) -> None:
    with service(api, poll_interval=0.0) as agent:
        closed = agent.tracer.start_span("closed", attributes=STEP)
        root = agent.tracer.start_span("root", attributes=STEP)
        below = set_span_in_context(root)
        leaves = [agent.tracer.start_span(f"leaf {n}", context=below) for n in range(3)]
        assert api.wait_until(lambda api: len(api.spans()) == 2)
        api.terminate(only_run(api), "enough")
        api.faults.add(bulk_error="invalid_action", item="agent_spans/finish", times=None)
        closed.end()
        assert not agent.processor.force_flush()
        for leaf in leaves:
            leaf.end()
        agent.processor.force_flush()
        root.end()
        agent.processor.force_flush()
    names = sorted(span["payload"]["name"] for span in api.spans())
    assert names == ["closed", "leaf 0", "leaf 1", "leaf 2", "root"]
    assert agent.processor.stats().dropped == {"run_terminated": 2}
    assert len([r for r in api.requests if r.path.endswith("/bulk")]) < 12
    assert len([r for r in api.requests if r.method == "GET"]) <= 2


def test_the_end_of_a_terminated_run_is_no_trouble(
    api: DevServer, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING), service(api) as agent:
        api.terminate(only_run(api), "enough")
        assert agent.processor.terminated.wait(PATIENCE)
    lines = [record.getMessage() for record in caplog.records]
    assert lines == [
        f"Run {only_id(api)} was terminated on the platform; its later spans are not sent"
    ]
    assert agent.processor.stats().last_error is None


def test_raise_stops_the_agent_at_its_next_span(api: DevServer) -> None:
    def work(agent: Service) -> None:
        with agent.tracer.start_as_current_span("agent", attributes=STEP):
            api.terminate(only_run(api), "enough")
            assert agent.processor.terminated.wait(PATIENCE)
            with agent.tracer.start_as_current_span("model"):
                raise AssertionError("the agent went on")

    with service(api, on_terminate="raise") as agent:
        with pytest.raises(PrefactorTerminatedError, match="enough"):
            work(agent)
        assert agent.processor.force_flush()
    [root] = api.spans()
    assert root["payload"]["name"] == "agent"
    assert root["status"] == "failed"
    assert root["result_payload"]["error_type"].endswith("PrefactorTerminatedError")
    assert agent.processor.stats().dropped == {}


def test_raise_works_through_an_exporter_whose_provider_shows_starts(api: DevServer) -> None:
    exporter = PrefactorExporter(api.url, api.token, on_terminate="raise", poll_interval=0.1)
    provider = prefactor_otel.TracerProvider(
        span_processors=[BatchSpanProcessor(exporter)], shutdown_on_exit=False
    )
    api.terminate(only_run(api), "enough")
    assert exporter.terminated.wait(PATIENCE)
    with pytest.raises(PrefactorTerminatedError):
        provider.get_tracer("agent").start_span("step")
    provider.shutdown()


@pytest.mark.parametrize("door", ["processor", "exporter"])
@pytest.mark.parametrize("reaction", ["raise", "cancel"])
def test_before_there_is_a_span_nothing_is_wrong_with_a_door_that_sees_starts(
    api: DevServer,
    caplog: pytest.LogCaptureFixture,
    door: str,
    reaction: Literal["raise", "cancel"],
) -> None:
    sender: PrefactorSpanProcessor | PrefactorExporter
    if door == "processor":
        sender = PrefactorSpanProcessor(
            api.url, api.token, on_terminate=reaction, poll_interval=0.1
        )
    else:
        sender = PrefactorExporter(api.url, api.token, on_terminate=reaction, poll_interval=0.1)
        prefactor_otel.TracerProvider(
            span_processors=[BatchSpanProcessor(sender)], shutdown_on_exit=False
        )
    with caplog.at_level(logging.WARNING):
        api.terminate(only_run(api), "enough")
        assert sender.terminated.wait(PATIENCE)
        sender.shutdown()
    [line] = caplog.messages
    assert line.endswith("was terminated on the platform; its later spans are not sent")


def test_where_starts_are_hidden_the_option_says_that_it_cannot_work(
    api: DevServer, caplog: pytest.LogCaptureFixture
) -> None:
    exporter = PrefactorExporter(api.url, api.token, on_terminate="raise", poll_interval=0.1)
    provider = SdkTracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=20))
    with caplog.at_level(logging.WARNING):
        api.terminate(only_run(api), "enough")
        assert exporter.terminated.wait(PATIENCE)
        provider.get_tracer("agent").start_span("late").end()
        provider.shutdown()
    assert "on_terminate='raise' needs span starts" in caplog.text
    assert exporter.stats().dropped == {"run_terminated": 1}
    assert api.spans() == []


def test_a_function_is_told_run_and_reason_and_may_fail_or_take_its_time(
    api: DevServer, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[tuple[TerminatedRun, str | None]] = []
    release, failed = threading.Event(), threading.Event()

    def slow(run: TerminatedRun, reason: str | None) -> None:
        told.append((run, reason))
        release.wait(PATIENCE)
        failed.set()
        raise RuntimeError("the prompt")

    with caplog.at_level(logging.WARNING), service(api, on_terminate=slow) as agent:
        api.terminate(only_run(api), "enough")
        assert agent.processor.terminated.wait(PATIENCE)
        assert comes_true(lambda: told)
        assert not agent.processor.stats().waiting
        release.set()
        assert failed.wait(PATIENCE)
        assert comes_true(lambda: "on_terminate raised RuntimeError" in caplog.text)
    [(run, reason)] = told
    assert (run.id, run.reason, reason) == (only_id(api), "enough", "enough")
    assert "the prompt" not in caplog.text


@under_either_reading
def test_cancel_cancels_the_task_of_the_runs_root(api: DevServer) -> None:
    async def root(agent: Service, name: str, begun: asyncio.Event, end: asyncio.Event) -> str:
        with agent.tracer.start_as_current_span(name, attributes=STEP):
            begun.set()
            await end.wait()
        return name

    async def main(agent: Service) -> tuple[Any, Any]:
        first, second, end = asyncio.Event(), asyncio.Event(), asyncio.Event()
        stopped = asyncio.create_task(root(agent, "stopped", first, asyncio.Event()))
        await first.wait()
        run = await asyncio.to_thread(only_run, api)
        other = asyncio.create_task(root(agent, "other", second, end))
        await second.wait()
        api.terminate(run, "enough")
        await asyncio.wait([stopped], timeout=PATIENCE)
        assert stopped.done()
        end.set()
        return await asyncio.gather(stopped, other, return_exceptions=True)

    with service(api, "trace", on_terminate="cancel") as agent:
        stopped, other = asyncio.run(main(agent))
    assert isinstance(stopped, asyncio.CancelledError)
    assert other == "other"
    assert {run["status"] for run in api.instances()} == {"terminated", "complete"}
    assert left_open(api) == []


@under_either_reading
def test_cancel_reaches_a_block_and_what_begins_in_it_later(api: DevServer) -> None:
    async def main() -> bool:
        async with prefactor_otel.run("night porter"):
            api.terminate(await asyncio.to_thread(only_run, api), "enough")
            await asyncio.Event().wait()
        return False

    with service(api, "trace", on_terminate="cancel"), pytest.raises(asyncio.CancelledError):
        asyncio.run(main())


def test_an_explicit_run_has_an_event_of_its_own(api: DevServer) -> None:
    with service(api) as agent:
        with prefactor_otel.run("one") as one, prefactor_otel.run("two") as two:
            assert api.wait_until(
                lambda api: [r["status"] for r in api.instances()] == ["active"] * 3
            )
            assert two.id is not None
            api.terminate(two.id, "enough")
            assert two.terminated.wait(PATIENCE)
            assert not one.terminated.is_set()
            assert not agent.processor.terminated.is_set()
            with pytest.raises(PrefactorTerminatedError):
                raise_if_terminated()
        raise_if_terminated()


def test_a_late_signal_for_a_finished_run_touches_nothing(
    api: DevServer, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING), service(api, "trace", on_terminate="raise") as agent:
        api.faults.add(path="/agent_instance/[^/]+/finish", hang=True)
        with agent.tracer.start_as_current_span("request"):
            run = only_run(api)
        assert comes_true(lambda: not api.faults.pending())
        api.terminate(run, "too late")
        api.faults.clear()
        with agent.tracer.start_as_current_span("next request"):
            pass
        assert comes_true(lambda: len(finished(api)) == 2)
    assert agent.processor.stats().dropped == {}
    assert "terminated" not in caplog.text


def test_one_of_a_hundred_interleaved_runs_stops_and_the_others_go_on(api: DevServer) -> None:
    signalled = threading.Event()
    went_on: list[int] = []

    def told(run: TerminatedRun, reason: str | None) -> None:
        signalled.set()

    async def task(agent: Service, number: int, go_on: asyncio.Event) -> int:
        steps = 0
        with agent.tracer.start_as_current_span(f"task {number}", attributes=STEP):
            while not go_on.is_set() or steps < 3:
                with agent.tracer.start_as_current_span(f"step {number}"):
                    steps += 1
                    await asyncio.sleep(1.5)
                is_told = signalled.is_set()
                raise_if_terminated()
                if is_told:
                    went_on.append(number)
        return steps

    async def main(agent: Service) -> list[Any]:
        go_on = asyncio.Event()
        tasks = [asyncio.create_task(task(agent, n, go_on)) for n in range(100)]
        rooted = await asyncio.to_thread(
            api.wait_until,
            lambda api: (
                len([s for s in api.spans() if s["payload"]["name"].startswith("task")]) == 100
            ),
            PATIENCE,
        )
        assert rooted
        root = next(s for s in api.spans() if s["payload"]["name"] == "task 42")
        api.terminate(root["agent_instance_id"], "this one")
        assert await asyncio.to_thread(signalled.wait, PATIENCE)
        await asyncio.sleep(0.3)
        go_on.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    options = {"on_terminate": told, "poll_interval": 1.0, "shutdown_timeout": PATIENCE}
    with service(api, "trace", **options) as agent:
        results = asyncio.run(main(agent))
    failed = [n for n, result in enumerate(results) if isinstance(result, BaseException)]
    assert failed == [42]
    assert set(went_on) == set(range(100)) - {42}
    statuses = [run["status"] for run in api.instances()]
    assert (statuses.count("terminated"), statuses.count("complete"), len(statuses)) == (1, 99, 100)
    stats = agent.processor.stats()
    assert set(stats.dropped) <= {"run_terminated"}
    assert all(result >= 3 for n, result in enumerate(results) if n != 42)
    names = {n for names in by_run(api).values() for n in names if n.startswith("task")}
    assert len(names) == 100


def test_the_error_survives_the_way_between_processes() -> None:
    error = PrefactorTerminatedError("run", "why")
    again = pickle.loads(pickle.dumps(error))
    assert (again.run_id, again.reason, str(again)) == ("run", "why", str(error))
