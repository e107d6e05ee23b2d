"""Agent instances: registration, the state machine, quality records."""

from typing import Any

import pytest

from prefactor_otel.devserver import DevServer
from tests.devserver.calls import LLM, Caller, foreign_id
from tests.readings import under_either_reading

RISK = {
    "action_profile": {"read_data": "allowed"},
    "params_data_categories": {"classification": "internal", "minors_data": "excluded"},
    "result_data_categories": {},
}


def test_a_registration_without_agent_goes_to_the_default(call: Caller, server: DevServer) -> None:
    row = call.register().details
    assert (row["type"], row["status"], row["purpose"]) == ("agent_instance", "pending", "live")
    assert row["account_id"] == server.account_id
    assert (row["agent_id"], row["environment_id"]) == (server.agent_id, server.environment_id)
    assert row["started_at"] is row["finished_at"] is row["termination_reason"] is None
    assert row["span_counts"]["total"] == 0


def test_nothing_at_all_need_be_said(call: Caller) -> None:
    assert call("POST", "/agent_instance/register").details["status"] == "pending"


def test_versions_and_deployments_are_made_once(call: Caller) -> None:
    first, second = call.register().details, call.register().details
    assert first["id"] != second["id"]
    for name in ("agent_version_id", "agent_schema_version_id", "agent_deployment_id"):
        assert first[name] == second[name]
    third = call.register(agent_version={"external_identifier": "v2"}).details
    assert third["agent_version_id"] != first["agent_version_id"]


def test_a_registration_takes_what_the_contract_lists(call: Caller) -> None:
    own = call.own_id()
    row = call.register(
        id=own,
        external_identifier="run-1",
        update_current_version=False,
        purpose="eval",
        agent_version={
            "name": "n",
            "external_identifier": "v1",
            "description": "d",
            "runtime_environment": {"agent_sdk": ["a@1"], "os": "linux", "runtime": "cpython@3.11"},
        },
        agent_schema_version={
            "external_identifier": "s",
            "span_type_schemas": [LLM | {"data_risk": RISK, "description": "d"}],
            "span_schemas": {},
            "span_result_schemas": {},
            "quality_schemas": [{"name": "q", "schema": {}, "template": "{{ score }}"}],
        },
    ).details
    assert (row["id"], row["external_identifier"], row["purpose"]) == (own, "run-1", "eval")


def test_ids_and_names_of_runs_are_taken_once(call: Caller) -> None:
    own = call.own_id()
    call.register(id=own, external_identifier="run-1")
    assert call.register(id=own, external_identifier="run-1").invalid("id", "external_identifier")


@pytest.mark.parametrize(
    ("fields", "at_fault"),
    [
        ({"agent_id": "x"}, "agent_id"),
        ({"environment_id": 5}, "environment_id"),
        ({"id": "x"}, "id"),
        ({"purpose": "fun"}, "purpose"),
        ({"update_current_version": "no"}, "update_current_version"),
        ({"agent_version": "v1"}, "agent_version"),
        ({"agent_version": {"name": 1}}, "agent_version.name"),
        (
            {"agent_version": {"runtime_environment": {"agent_sdk": "a@1"}}},
            "agent_version.runtime_environment.agent_sdk",
        ),
        ({"agent_schema_version": []}, "agent_schema_version"),
        ({"agent_schema_version": {"span_schemas": []}}, "agent_schema_version.span_schemas"),
        (
            {"agent_schema_version": {"span_schemas": {"a": 1}}},
            "agent_schema_version.span_schemas.a",
        ),
        ({"details": {}}, "details"),
    ],
)
def test_what_is_wrong_with_a_registration_is_named(
    call: Caller, fields: dict[str, Any], at_fault: str
) -> None:
    assert call.register(**fields).invalid(at_fault)


@pytest.mark.parametrize(
    ("schema", "at_fault"),
    [
        ("x", ""),
        ({"params_schema": {}}, ".name"),
        ({"name": "a"}, ".params_schema"),
        ({"name": "a", "params_schema": {}, "template": 1}, ".template"),
        ({"name": "a", "params_schema": {}, "data_risk": {}}, None),
        (
            {
                "name": "a",
                "params_schema": {},
                "data_risk": RISK | {"action_profile": {"read_data": "yes"}},
            },
            ".data_risk.action_profile.read_data",
        ),
        (
            {
                "name": "a",
                "params_schema": {},
                "data_risk": RISK | {"result_data_categories": {"classification": "hot"}},
            },
            ".data_risk.result_data_categories.classification",
        ),
    ],
)
def test_what_is_wrong_with_a_span_type_is_named(
    call: Caller, schema: object, at_fault: str | None
) -> None:
    answer = call.register(agent_schema_version={"span_type_schemas": [schema]})
    place = "agent_schema_version.span_type_schemas.0"
    if at_fault is None:
        assert answer.invalid(*(f"{place}.data_risk.{part}" for part in RISK))
    else:
        assert answer.invalid(f"{place}{at_fault}")


def test_a_span_type_is_declared_once(call: Caller) -> None:
    answer = call.register(agent_schema_version={"span_type_schemas": [LLM, LLM]})
    assert answer.invalid("agent_schema_version.span_type_schemas.1.name")


def test_owners_of_another_account_or_none_are_refused(call: Caller, server: DevServer) -> None:
    foreign = foreign_id(server)
    answer = call.register(agent_id=foreign, environment_id=foreign, id=foreign)
    assert answer.invalid("agent_id", "environment_id", "id")
    assert call.register(agent_id=call.own_id()).refused(404, "not_found", "agent_id")
    assert call.register(environment_id=call.own_id()).refused(404, "not_found", "environment_id")


def test_a_run_starts_and_finishes_at_the_times_told(call: Caller) -> None:
    instance_id = call.pending()
    row = call.start(instance_id, timestamp="2026-01-02T03:04:05+02:00").details
    assert (row["status"], row["started_at"]) == ("active", "2026-01-02T01:04:05.000000Z")
    row = call.finish(instance_id, timestamp="2026-01-02T03:04:05.123Z", status="failed").details
    assert (row["status"], row["finished_at"]) == ("failed", "2026-01-02T03:04:05.123000Z")


def test_a_null_timestamp_means_now(call: Caller) -> None:
    assert call.start(call.pending(), timestamp=None).details["started_at"] is not None


def test_a_finish_may_precede_the_start(call: Caller) -> None:
    instance_id = call.active()
    assert call.finish(instance_id, timestamp="2001-01-01T00:00:00Z").details["finished_at"]


@pytest.mark.parametrize("timestamp", ["yesterday", "2026-01-02T03:04:05", "2026-01-02", 5, []])
def test_a_time_without_offset_or_none_at_all_is_refused(call: Caller, timestamp: object) -> None:
    instance_id = call.pending()
    assert call.start(instance_id, timestamp=timestamp).invalid("timestamp")
    assert call.finish(instance_id, timestamp=timestamp).invalid("timestamp")


def in_status(call: Caller, status: str) -> str:
    instance_id = call.pending()
    if status == "pending":
        return instance_id
    if status == "cancelled":  # before it has begun: under either reading
        call.finish(instance_id, status=status)
        return instance_id
    call.start(instance_id)
    if status == "terminated":
        call.terminate(instance_id, reason="enough")
    elif status != "active":
        call.finish(instance_id, status=status)
    return instance_id


STATUSES = ("pending", "active", "complete", "failed", "cancelled", "terminated")
ALLOWED = {
    "start": {"pending"},
    "complete": {"active"},
    "failed": {"active"},
    "cancelled": {"pending"},
    "terminate": {"active"},
}


@under_either_reading
@pytest.mark.parametrize("step", ALLOWED)
@pytest.mark.parametrize("status", STATUSES)
def test_the_state_machine_of_a_run(
    call: Caller, lenient_cancel: bool, status: str, step: str
) -> None:
    instance_id = in_status(call, status)
    if step == "start":
        answer = call.start(instance_id)
    elif step == "terminate":
        answer = call.terminate(instance_id, reason="enough")
    else:
        answer = call.finish(instance_id, status=step)
    cancels = lenient_cancel and (status, step) == ("active", "cancelled")
    if status in ALLOWED[step] or cancels:
        becomes = {"start": "active", "terminate": "terminated"}.get(step, step)
        assert answer.details["status"] == becomes
    else:
        assert answer.refused(409, "invalid_action", "status")
        assert call.get(f"/agent_instance/{instance_id}").details["status"] == status


def test_a_run_that_is_cancelled_before_it_began_has_one_time(call: Caller) -> None:
    row = call.finish(call.pending(), status="cancelled", timestamp="2026-01-02T00:00:00Z").details
    assert row["started_at"] == row["finished_at"] == "2026-01-02T00:00:00.000000Z"


@pytest.mark.parametrize("status", ["terminated", "active", "done", 5])
def test_a_run_is_not_finished_as_anything(call: Caller, status: object) -> None:
    assert call.finish(call.active(), status=status).invalid("status")


@pytest.mark.parametrize("reason", [None, "", "  ", 5])
def test_a_termination_has_a_reason(call: Caller, reason: object) -> None:
    assert call.terminate(call.active(), reason=reason).invalid("reason")


def test_a_terminated_run_keeps_its_reason_and_its_open_spans(call: Caller) -> None:
    instance_id = call.active()
    call.span(instance_id)
    row = call.terminate(instance_id, reason="too dear").details
    assert (row["status"], row["termination_reason"]) == ("terminated", "too dear")
    assert row["finished_at"] is not None
    assert row["span_counts"]["active"] == 1


def test_spans_are_counted_by_status_and_type(call: Caller) -> None:
    instance_id = call.active()
    for status in ("active", "complete", "complete", "failed"):
        call.span(instance_id, status=status)
    call.span(instance_id, schema_name="test:tool", status="pending")
    row = call.get(f"/agent_instance/{instance_id}").details
    assert row["span_counts"] == {
        "total": 5,
        "pending": 1,
        "active": 1,
        "complete": 2,
        "failed": 1,
        "cancelled": 0,
        "finished": 3,
    }
    assert row["span_schema_counts"] == {"test:llm": 4, "test:tool": 1}


QUALITY = {
    "quality_schemas": [
        {"name": "tone", "schema": {}, "template": "tone {{ score }}"},
        {"name": "plain", "schema": {}},
    ],
    "quality_schema": {"title": "Old", "schema": {}, "template": "old {{ score }}"},
}


def test_quality_is_recorded_under_its_name(call: Caller) -> None:
    instance_id = call.pending(agent_schema_version=QUALITY)
    path = f"/agent_instance/{instance_id}/record_quality"
    call("POST", path, {"name": "plain", "payload": {"a": 1}})
    row = call("POST", path, {"name": "tone", "payload": {"score": 0.5}}).details
    assert row["quality_payloads"] == {"plain": {"a": 1}, "tone": {"score": 0.5}}
    assert row["quality_summaries"] == {"tone": "tone 0.5"}
    row = call("POST", path, {"name": "tone", "payload": None}).details
    assert (row["quality_payloads"], row["quality_summaries"]) == ({"plain": {"a": 1}}, {})


def test_quality_of_no_declared_name_is_refused(call: Caller) -> None:
    path = f"/agent_instance/{call.pending(agent_schema_version=QUALITY)}/record_quality"
    assert call("POST", path, {"name": "other", "payload": {}}).invalid("name")
    assert call("POST", path, {"payload": []}).invalid("name", "payload")


def test_the_older_quality_record_is_replaced_whole(call: Caller) -> None:
    path = f"/agent_instance/{call.pending(agent_schema_version=QUALITY)}"
    call("PUT", path, {"details": {"quality_payload": {"a": 1}}})
    row = call("PUT", path, {"details": {"quality_payload": {"score": 2}}}).details
    assert (row["quality_payload"], row["quality_summary"]) == ({"score": 2}, "old 2")
    assert call.get(path).details["quality_payload"] == {"score": 2}
    assert call("PUT", path, {"quality_payload": {}}).invalid("details")
    assert call("PUT", path, {"details": {}}).invalid("quality_payload")
    assert call("PUT", path, {"details": {"quality_payload": 1}}).invalid("quality_payload")


def test_without_a_template_there_is_no_quality_summary(call: Caller) -> None:
    path = f"/agent_instance/{call.pending()}"
    row = call("PUT", path, {"details": {"quality_payload": {"score": 2}}}).details
    assert (row["quality_payload"], row["quality_summary"]) == ({"score": 2}, None)


@pytest.mark.parametrize("step", ["start", "finish", "terminate", "record_quality"])
def test_an_unknown_run_is_not_found(call: Caller, step: str) -> None:
    for instance_id in (call.own_id(), "nonsense"):
        path = f"/agent_instance/{instance_id}"
        assert call("POST", f"{path}/{step}", {}).refused(404, "not_found")
        assert call.get(path).refused(404, "not_found")
        assert call("PUT", path, {"details": {}}).refused(404, "not_found")
