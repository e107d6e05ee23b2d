"""Spans of other processes: whoever gets a part of a run joins the one that is there."""

import json
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace import TracerProvider as SdkTracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    StatusCode,
    set_span_in_context,
)

from prefactor_otel.delivery.receipt import Receipt
from prefactor_otel.devserver import DevServer
from prefactor_otel.pipeline.pipeline import Pipeline
from prefactor_otel.spans.sdk import READER
from prefactor_otel.spool import folder
from prefactor_otel.spool.file import SpoolFile
from tests.devserver.calls import Caller
from tests.patience import PATIENCE, comes_true
from tests.registrations import registrations

SENDER = {
    "service.name": "clerk",
    "service.version": "7",
    "telemetry.sdk.name": "opentelemetry",
    "telemetry.sdk.language": "nodejs",
    "telemetry.sdk.version": "2.1.0",
    "process.runtime.name": "nodejs",
    "process.runtime.version": "24.3.0",
    "os.type": "darwin",
}


def made(*, steps: int = 2, **attributes: str) -> list[ReadableSpan]:
    """The spans of one trace that another process has made: its steps, then their root."""
    kept = InMemorySpanExporter()
    provider = SdkTracerProvider(resource=Resource(SENDER))
    provider.add_span_processor(SimpleSpanProcessor(kept))
    tracer = provider.get_tracer("elsewhere")
    with tracer.start_as_current_span("task", attributes=attributes):
        for number in range(steps):
            tracer.start_span(f"step {number}", attributes=attributes).end()
    return list(kept.get_finished_spans())


class Hub:
    """A process that is sent the spans of others."""

    def __init__(self, api: DevServer, **options: Any) -> None:
        settings = {"run_scope": "trace", "schedule_delay": 0.01, "shutdown_timeout": PATIENCE}
        reader = READER._replace(serves_others=True)
        given: dict[str, Any] = settings | options
        self.pipeline = Pipeline(reader, api.url, api.token, **given)

    def take(self, spans: Sequence[ReadableSpan]) -> bool:
        """Whether none of these is lost, and all that wait for no parent acknowledged."""
        receipt = Receipt()
        assert self.pipeline.ended(spans, receipt)
        return receipt.future.result(PATIENCE) is True

    def hand_over(self, spans: Sequence[ReadableSpan]) -> None:
        assert self.pipeline.ended(spans)

    def close(self) -> bool:
        return self.pipeline.shutdown()


def names(api: DevServer) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {row["id"]: [] for row in api.instances()}
    for row in api.spans():
        found[row["agent_instance_id"]].append(row["payload"]["name"])
    return {run: sorted(spans) for run, spans in found.items()}


def test_what_is_late_finds_its_run_as_long_as_that_lingers(api: DevServer) -> None:
    hub = Hub(api, run_linger=PATIENCE)
    first, second, root = made()
    assert hub.take([first, root])
    assert hub.take([second])
    assert hub.close()
    assert list(names(api).values()) == [["step 0", "step 1", "task"]]


def test_a_run_has_ended_when_the_last_of_it_came(api: DevServer) -> None:
    hub = Hub(api, run_linger=0.6)
    *steps, root = made()
    assert hub.take([*steps, root])
    assert api.wait_until(lambda api: api.instances()[0]["finished_at"] is not None)
    (run,) = api.instances()
    assert run["status"] == "complete"
    assert run["finished_at"] < run["updated_at"]
    assert hub.close()


def served(caller: SpanContext, *, fails: bool = False) -> list[ReadableSpan]:
    """The span of another process which this one has called."""
    kept = InMemorySpanExporter()
    provider = SdkTracerProvider(resource=Resource({"service.name": "oven"}))
    provider.add_span_processor(SimpleSpanProcessor(kept))
    remote = SpanContext(caller.trace_id, caller.span_id, True, caller.trace_flags)
    span = provider.get_tracer("far").start_span(
        "serve", set_span_in_context(NonRecordingSpan(remote))
    )
    span.set_status(StatusCode.ERROR if fails else StatusCode.OK)
    span.end()
    return list(kept.get_finished_spans())


@pytest.mark.parametrize("is_first", [True, False])
def test_a_span_hangs_on_that_of_another_process_which_called_for_it(
    is_first: bool, api: DevServer
) -> None:
    *steps, root = made()
    assert root.context is not None
    hub = Hub(api, run_linger=PATIENCE)
    for spans in ([*steps, *served(root.context)], [root])[:: 1 if is_first else -1]:
        hub.hand_over(spans)
    assert hub.close()
    parents = {row["payload"]["name"]: row["parent_span_id"] for row in api.spans()}
    ids = {row["payload"]["name"]: row["id"] for row in api.spans()}
    assert parents == {"task": None, **dict.fromkeys(("step 0", "step 1", "serve"), ids["task"])}
    (run,) = api.instances()
    assert run["status"] == "complete"


def test_the_end_of_one_who_was_called_does_not_end_the_run_of_who_called(api: DevServer) -> None:
    *steps, root = made()
    assert root.context is not None
    hub = Hub(api, run_linger=0.0)
    assert hub.take([*steps, *served(root.context, fails=True)])
    assert hub.take([root])
    assert hub.close()
    assert list(names(api).values()) == [["serve", "step 0", "step 1", "task"]]
    assert [run["status"] for run in api.instances()] == ["complete"]


@pytest.mark.parametrize(("fails", "status"), [(False, "complete"), (True, "failed")])
def test_where_who_called_never_comes_who_was_called_ends_the_run(
    fails: bool, status: str, api: DevServer
) -> None:
    (_, root) = made(steps=1)
    assert root.context is not None
    hub = Hub(api, run_linger=0.0, parent_timeout=0.2)
    hub.hand_over(served(root.context, fails=fails))
    assert api.wait_until(lambda api: [run["status"] for run in api.instances()] == [status])
    (row,) = api.spans()
    assert row["parent_span_id"] is None
    assert row["payload"]["parent_span_id"] == f"{root.context.span_id:016x}"
    assert hub.close()


def test_a_run_is_of_the_process_that_its_spans_come_from(api: DevServer) -> None:
    hub = Hub(api)
    spans = made()
    assert hub.take(spans)
    assert hub.close()
    (asked,) = registrations(api)
    version = asked["agent_version"]
    ours = version["runtime_environment"].pop("prefactor_sdk")
    assert ours[0].startswith("prefactor-otel@")
    assert version["runtime_environment"] == {
        "agent_sdk": ["opentelemetry@2.1.0"],
        "os": "darwin",
        "runtime": "nodejs@24.3.0",
    }
    assert (version["name"], version["external_identifier"]) == ("clerk", "7")
    (run,) = api.instances()
    first = min(span.start_time or 0 for span in spans)
    assert run["started_at"] <= run["inserted_at"]
    assert first > 0


def test_two_that_get_spans_of_one_trace_share_its_run(api: DevServer) -> None:
    first, second, root = made()
    one, other = Hub(api, run_linger=PATIENCE), Hub(api, run_linger=PATIENCE)
    one.hand_over([first])  # it waits for its parent, which comes to the other
    assert other.take([second, root])
    assert one.close()
    assert other.close()
    assert list(names(api).values()) == [["step 0", "step 1", "task"]]
    assert [run["status"] for run in api.instances()] == ["complete"]


def test_a_span_that_two_get_is_one(api: DevServer) -> None:
    spans = made()
    one, other = Hub(api, run_linger=PATIENCE), Hub(api, run_linger=PATIENCE)
    assert one.take(spans)
    assert other.take(spans)
    assert one.close()
    assert other.close()
    assert list(names(api).values()) == [["step 0", "step 1", "task"]]
    parents = {row["payload"]["name"]: row["parent_span_id"] for row in api.spans()}
    ids = {row["payload"]["name"]: row["id"] for row in api.spans()}
    assert parents == {"task": None, "step 0": ids["task"], "step 1": ids["task"]}


def test_agents_of_another_name_have_runs_of_their_own(api: DevServer) -> None:
    spans = made()
    one = Hub(api, agent_name="one", run_linger=PATIENCE)
    other = Hub(api, agent_name="other", run_linger=PATIENCE)
    one.hand_over(spans[:1])
    assert other.take(spans[1:])
    assert one.close()
    assert other.close()
    assert len(names(api)) == 2


def test_sessions_are_joined_as_traces_are(api: DevServer) -> None:
    one = Hub(api, run_scope="session")
    other = Hub(api, run_scope="session")
    assert one.take(made(steps=0, **{"session.id": "anna \ud800"}))
    assert other.take(made(steps=0, **{"session.id": "anna \ud800"}))
    assert one.close()
    assert other.close()
    assert list(names(api).values()) == [["task", "task"]]


def test_what_comes_after_the_end_of_a_run_is_not_lost_and_begins_another(api: DevServer) -> None:
    first, second, root = made()
    hub = Hub(api, run_linger=0.0)
    assert hub.take([first, root])
    assert api.wait_until(lambda api: api.instances()[0]["finished_at"] is not None)
    assert hub.take([second])
    assert hub.close()
    assert sorted(names(api).values()) == [["step 0", "task"], ["step 1"]]
    assert hub.pipeline.stats().dropped == {}


def test_who_finds_that_a_run_has_ended_begins_the_next_and_so_does_the_third(
    api: DevServer,
) -> None:
    spans = made(steps=3)
    for span in spans:
        hub = Hub(api)
        assert hub.take([span])
        assert hub.close()
        assert hub.pipeline.stats().dropped == {}
    assert sorted(names(api).values()) == [["step 0"], ["step 1"], ["step 2"], ["task"]]
    assert [run["status"] for run in api.instances()] == ["complete"] * 4
    identifiers = [run["external_identifier"] for run in api.instances()]
    assert [bool(each) for each in identifiers] == [True, False, False, False]


def test_a_run_is_found_though_it_was_registered_with_other_settings(api: DevServer) -> None:
    agent = api.agent_id
    first, second, root = made()
    one = Hub(api, agent_id=agent, run_linger=PATIENCE)
    other = Hub(api, agent_id=agent, run_linger=PATIENCE, agent_version="8")
    one.hand_over([first])
    assert other.take([second, root])
    assert one.close()
    assert other.close()
    assert list(names(api).values()) == [["step 0", "step 1", "task"]]


def test_where_runs_cannot_be_listed_it_is_one_of_its_own_and_no_span_is_lost(
    api: DevServer, caplog: pytest.LogCaptureFixture
) -> None:
    spans = made()
    one = Hub(api, run_linger=PATIENCE)
    other = Hub(api, run_linger=PATIENCE, agent_version="8")
    one.hand_over(spans[:1])
    assert other.take(spans[1:])
    assert one.close()
    assert other.close()
    assert sorted(map(len, names(api).values())) == [1, 2]
    assert "registered under another" in caplog.text


def test_a_run_that_was_terminated_stays_so_for_whoever_joins_it(api: DevServer) -> None:
    first, second, root = made()
    one = Hub(api, run_linger=PATIENCE)
    one.hand_over([first])
    assert api.wait_until(lambda api: [r["status"] for r in api.instances()] == ["active"])
    api.terminate(api.instances()[0]["id"], "enough")
    other = Hub(api, run_linger=PATIENCE)
    other.take([second, root])
    assert other.close()
    one.close()
    assert [run["status"] for run in api.instances()] == ["terminated"]
    assert other.pipeline.stats().dropped == {}


def test_hundreds_of_runs_share_requests_and_what_registers_them_is_one_text(
    api: DevServer,
) -> None:
    api.faults.add(path="/", status=503, times=1, body=json.dumps({"status": "error"}))
    hub = Hub(api, run_linger=PATIENCE)
    for _ in range(40):
        hub.hand_over(made(steps=1))
    assert hub.close()
    assert len(names(api)) == 40
    identifiers = {run["external_identifier"] for run in api.instances()}
    assert len(identifiers) == 40


def finish(api: DevServer, instance_id: str) -> None:
    """What another process does with a run that it holds to be over."""
    answer = Caller(api).finish(instance_id)
    assert answer.status == 200


def test_what_another_process_has_ended_before_it_was_sent_goes_on_in_the_run_that_follows(
    api: DevServer,
) -> None:
    *steps, root = made(steps=30)
    hub = Hub(api, run_linger=PATIENCE, max_batch_size=4)
    assert hub.take([root, steps[0]])
    finish(api, api.instances()[0]["id"])
    assert hub.take(steps[1:])
    assert hub.close()
    first, second = (run["id"] for run in api.instances())
    sent = names(api)
    assert sent[first] == ["step 0", "task"]
    assert len(sent[second]) == 29
    stats = hub.pipeline.stats()
    assert (stats.dropped, stats.acknowledged) == ({}, 31)
    assert [run["status"] for run in api.instances()] == ["complete", "complete"]
    assert {row["parent_span_id"] for row in api.spans(second)} == {None}


def test_two_whose_run_a_third_has_ended_share_the_one_that_follows(api: DevServer) -> None:
    first, second, third, root = made(steps=3)
    one, other = Hub(api, run_linger=PATIENCE), Hub(api, run_linger=PATIENCE)
    assert one.take([root])
    assert other.take([root])
    finish(api, api.instances()[0]["id"])
    assert one.take([first])
    assert other.take([second])
    assert one.take([third])
    assert one.close()
    assert other.close()
    assert sorted(names(api).values()) == [["step 0", "step 1", "step 2"], ["task"]]
    assert one.pipeline.stats().dropped == other.pipeline.stats().dropped == {}
    assert [run["status"] for run in api.instances()] == ["complete", "complete"]


def test_a_run_is_not_followed_for_ever(api: DevServer) -> None:
    *steps, root = made(steps=12)
    hub = Hub(api, run_linger=PATIENCE)
    assert hub.take([root])
    lost = 0
    for step in steps:
        for run in api.instances():
            if run["status"] == "active":
                finish(api, run["id"])
        lost += not hub.take([step])
    assert hub.close()
    assert len(api.spans()) + lost == 13
    assert hub.pipeline.stats().dropped.get("run_over", 0) == lost
    assert {run["status"] for run in api.instances()} == {"complete"}


def test_what_comes_to_a_terminated_run_begins_no_other(api: DevServer) -> None:
    first, second, root = made()
    hub = Hub(api, run_linger=PATIENCE, poll_interval=0)
    assert hub.take([root])
    run = api.instances()[0]["id"]
    api.terminate(run, "enough")
    hub.take([first, second])
    assert hub.close()
    assert [each["status"] for each in api.instances()] == ["terminated"]
    assert set(hub.pipeline.stats().dropped) <= {"run_terminated"}


def test_what_a_dead_process_has_left_of_a_run_that_is_over_goes_on_in_the_one_that_follows(
    api: DevServer, tmp_path: Path
) -> None:
    first, root = made(steps=1)
    dead = Hub(api, run_linger=PATIENCE, spool_dir=tmp_path, shutdown_timeout=0.2)
    assert dead.take([root])
    api.stop()
    dead.hand_over([first])
    assert not dead.close()
    api.start()
    (run,) = api.instances()
    finish(api, run["id"])
    heir = Hub(api, run_linger=0.0, spool_dir=tmp_path)
    assert api.wait_until(lambda api: len(api.spans()) == 2)
    assert heir.close()
    assert heir.pipeline.stats().dropped == {}
    assert sorted(names(api).values()) == [["step 0"], ["task"]]
    assert [each["status"] for each in api.instances()] == ["complete", "complete"]
    assert folder.files(tmp_path) == []


def test_nothing_stays_on_disk_of_a_run_that_has_ended(api: DevServer, tmp_path: Path) -> None:
    hub = Hub(api, run_linger=0.0, spool_dir=tmp_path, shutdown_timeout=0.2)
    for _ in range(20):
        assert hub.take(made(steps=1))
    assert api.wait_until(lambda api: {run["status"] for run in api.instances()} == {"complete"})
    assert comes_true(lambda: not hub.pipeline.stats().waiting_items)
    api.stop()
    hub.hand_over(made(steps=1))
    assert not hub.close()
    api.start()
    (path,) = folder.files(tmp_path)
    with closing(SpoolFile(path)) as file:
        assert len({row.item.run for row in file.read(0, 1000).rows}) == 1


def test_the_api_may_fail_while_a_run_is_followed(api: DevServer) -> None:
    first, second, root = made()
    hub = Hub(api, run_linger=PATIENCE)
    assert hub.take([root])
    finish(api, api.instances()[0]["id"])
    api.faults.add(path="/agent_instance/register", status=503, times=1)
    api.faults.add(path="/start", status=503, times=1)
    hub.hand_over([first, second])
    assert hub.close()
    assert sorted(names(api).values()) == [["step 0", "step 1"], ["task"]]
    assert hub.pipeline.stats().dropped == {}
    assert [run["status"] for run in api.instances()] == ["complete", "complete"]


def test_a_run_that_the_api_fails_to_follow_holds_up_no_other(api: DevServer) -> None:
    first, second, root = made()
    *others, other = made()
    hub = Hub(api, run_linger=PATIENCE)
    assert hub.take([root])
    run = api.instances()[0]["id"]
    assert hub.take([other])
    finish(api, run)
    api.faults.add(path="/agent_instance/register", status=500, times=None)
    hub.hand_over([first, others[0], second])
    hub.hand_over([others[1]])
    assert api.wait_until(lambda api: len(api.spans()) == 4)
    api.faults.clear()
    assert hub.close()
    assert sorted(map(len, names(api).values())) == [1, 2, 3]
    assert hub.pipeline.stats().dropped == {}


def test_a_span_whose_key_the_platform_has_answered_for_goes_on_under_another(
    api: DevServer,
) -> None:
    first, root = made(steps=1)
    hub, elsewhere = Hub(api, run_linger=PATIENCE), Hub(api, run_linger=PATIENCE)
    assert elsewhere.take(made(steps=0))
    assert hub.take([root])
    (other, run) = api.instances()
    finish(api, run["id"])
    asked = len(registrations(api))
    api.faults.add(path="/agent_instance/register", hang=True, times=None)
    hub.hand_over([first])
    assert api.wait_until(lambda api: len(registrations(api)) > asked)
    context, schema = first.context, api.spans()[0]["schema_name"]
    key = f"{run['external_identifier'][:12]}{context.trace_id:032x}{context.span_id:016x}c"
    details = {"agent_instance_id": other["id"], "schema_name": schema, "status": "active"}
    item = {"_type": "agent_spans/create", "idempotency_key": key, "details": details}
    answer = Caller(api)("POST", "/bulk", {"items": [item]})
    assert answer.body["outputs"][key]["status"] == "success"
    api.faults.clear()
    assert hub.close()
    assert elsewhere.close()
    assert hub.pipeline.stats().dropped == {}
    sent = sorted(row["payload"].get("name", "") for row in api.spans())
    assert sent == ["", "step 0", "task", "task"]


def test_other_runs_go_on_while_one_is_followed(api: DevServer) -> None:
    *steps, root = made(steps=5)
    others = [made(steps=5) for _ in range(5)]
    hub = Hub(api, run_linger=PATIENCE)
    assert hub.take([root])
    finish(api, api.instances()[0]["id"])
    assert hub.take([*steps, *(span for spans in others for span in reversed(spans))])
    assert hub.close()
    assert len(names(api)) == 7
    assert hub.pipeline.stats().dropped == {}
    ids = {row["id"] for row in api.spans() if row["payload"]["name"] == "task"}
    nested = [row for row in api.spans() if row["parent_span_id"] is not None]
    assert len(nested) == 25
    assert {row["parent_span_id"] for row in nested} <= ids
