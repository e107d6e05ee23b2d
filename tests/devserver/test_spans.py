"""Agent spans: created, finished, refused, told to stop."""

from typing import Any

import pytest

from prefactor_otel.devserver import DevServer
from prefactor_otel_transport import pfid
from tests.devserver.calls import TOOL, Caller, Json, foreign_id, span
from tests.readings import under_either_reading

EARLIER, LATER = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"


def test_an_open_span_is_active_without_an_end(call: Caller, server: DevServer) -> None:
    instance_id = call.active()
    row = call.span(instance_id).details
    assert (row["type"], row["status"], row["finished_at"]) == ("agent_span", "active", None)
    assert (row["agent_instance_id"], row["agent_id"]) == (instance_id, server.agent_id)
    assert row["started_at"] is not None
    assert (row["parent_span_id"], row["result_payload"]) == (None, None)
    assert pfid.partition_of(row["id"]) == pfid.partition_of(server.account_id)


def test_a_span_may_be_created_finished(call: Caller) -> None:
    row = call.span(
        call.active(),
        status="failed",
        started_at="2026-01-01T00:00:00.5Z",
        finished_at="2026-01-01T00:00:01+00:00",
        result_payload={"text": "no"},
        sensitive_encoding=True,
    ).details
    assert (row["status"], row["result_payload"]) == ("failed", {"text": "no"})
    assert row["started_at"] == "2026-01-01T00:00:00.500000Z"
    assert row["finished_at"] == "2026-01-01T00:00:01.000000Z"
    assert row["sensitive_encoding"] is True


def test_a_finished_span_without_an_end_ends_now(call: Caller) -> None:
    assert call.span(call.active(), status="complete").details["finished_at"] is not None


def test_a_pending_run_takes_spans(call: Caller) -> None:
    assert call.span(call.pending()).details["status"] == "active"


@pytest.mark.parametrize("status", ["complete", "failed", "cancelled"])
def test_a_finished_run_takes_no_new_spans_but_open_ones_end(call: Caller, status: str) -> None:
    instance_id = call.pending() if status == "cancelled" else call.active()
    open_span = call.span(instance_id).details["id"]
    call.finish(instance_id, status=status)
    assert call.span(instance_id).refused(409, "invalid_action", "agent_instance_id")
    assert call.finish_span(open_span).details["status"] == "complete"


def test_payloads_come_back_as_they_went(call: Caller) -> None:
    payload = {"name": "ü\u2028", "inputs": {"n": None, "big": 2**60, "deep": [[{"x": [1.5]}]]}}
    assert call.span(call.active(), payload=payload).details["payload"] == payload


@pytest.mark.parametrize(
    ("fields", "at_fault"),
    [
        ({"agent_instance_id": None}, "agent_instance_id"),
        ({"agent_instance_id": "x"}, "agent_instance_id"),
        ({"schema_name": None}, "schema_name"),
        ({"schema_name": " "}, "schema_name"),
        ({"schema_name": "test:other"}, "schema_name"),
        ({"status": None}, "status"),
        ({"status": "running"}, "status"),
        ({"status": "terminated"}, "status"),
        ({"payload": []}, "payload"),
        ({"result_payload": "text"}, "result_payload"),
        ({"started_at": "now"}, "started_at"),
        ({"started_at": "2026-01-01T00:00:00"}, "started_at"),
        ({"finished_at": "2026-01-01T00:00:00Z"}, "finished_at"),
        ({"id": "x"}, "id"),
        ({"id": "Z" * 32}, "id"),
        ({"parent_span_id": "x"}, "parent_span_id"),
        ({"sensitive_encoding": "yes"}, "sensitive_encoding"),
    ],
)
def test_what_is_wrong_with_a_span_is_named(
    call: Caller, fields: dict[str, Any], at_fault: str
) -> None:
    assert call.span(call.active(), **fields).invalid(at_fault)


def test_all_faults_are_named_at_once(call: Caller) -> None:
    answer = call("POST", "/agent_spans", {"details": {"payload": 1, "status": "x"}})
    assert answer.invalid("agent_instance_id", "payload", "schema_name", "status")


def test_a_span_stands_in_details(call: Caller) -> None:
    assert call("POST", "/agent_spans", span(call.active())).invalid("details")


def test_ids_of_another_account_are_refused(call: Caller, server: DevServer) -> None:
    foreign = foreign_id(server)
    assert call.span(call.active(), id=foreign, parent_span_id=foreign).invalid(
        "id", "parent_span_id"
    )
    assert call.span(foreign).invalid("agent_instance_id")


def test_an_unknown_run_is_not_found(call: Caller) -> None:
    assert call.span(call.own_id()).refused(404, "not_found", "agent_instance_id")


def test_a_client_may_choose_the_id_once(call: Caller) -> None:
    instance_id, own = call.active(), call.own_id()
    assert call.span(instance_id, id=own).details["id"] == own
    assert call.span(instance_id, id=own).invalid("id")


def test_a_server_without_client_ids_refuses_them() -> None:
    with DevServer(client_ids=False) as server:
        call = Caller(server)
        instance_id = call.active()
        assert call.span(instance_id, id=call.own_id()).invalid("id")
        assert call.span(instance_id, id=None).details["id"]


def test_a_parent_is_there_and_in_the_same_run(call: Caller) -> None:
    instance_id, other = call.active(), call.active()
    parent = call.span(instance_id).details["id"]
    assert call.span(instance_id, parent_span_id=parent).details["parent_span_id"] == parent
    assert call.span(instance_id, parent_span_id=call.own_id()).invalid("parent_span_id")
    assert call.span(other, parent_span_id=parent).invalid("parent_span_id")


def test_a_span_is_not_its_own_parent(call: Caller) -> None:
    own = call.own_id()
    assert call.span(call.active(), id=own, parent_span_id=own).invalid("parent_span_id")


def test_a_run_without_declared_types_takes_no_spans(call: Caller) -> None:
    assert call.span(call.active(agent_schema_version={})).invalid("schema_name")


def test_a_run_that_says_nothing_of_schemas_has_its_agents_latest(call: Caller) -> None:
    call.register()
    assert call.span(call.active(agent_schema_version=None)).details["schema_title"] == "LLM call"


def test_types_may_be_declared_in_flat_maps(call: Caller) -> None:
    flat: Json = {"span_schemas": {"test:llm": {}}, "span_result_schemas": {"test:llm": {}}}
    instance_id = call.active(agent_schema_version=flat | {"span_type_schemas": []})
    assert call.span(instance_id).details["schema_title"] == "test:llm"


def test_beside_a_list_of_types_the_flat_maps_are_ignored(call: Caller) -> None:
    both = {"span_schemas": {"test:llm": {}}, "span_type_schemas": [TOOL]}
    assert call.span(call.active(agent_schema_version=both)).invalid("schema_name")


def test_each_run_is_held_to_its_own_schema_even_under_one_name(call: Caller) -> None:
    call.register()
    later = call.active(
        agent_schema_version={"external_identifier": "s1", "span_type_schemas": [TOOL]}
    )
    assert call.span(later).invalid("schema_name")


def test_the_summary_is_the_template_over_the_payload(call: Caller) -> None:
    instance_id = call.active()
    payload = {"name": "chat", "inputs": {"model": "m-1"}}
    assert call.span(instance_id, payload=payload).details["summary"] == "chat on m-1"
    row = call.span(instance_id, schema_name="test:tool").details
    assert (row["summary"], row["schema_title"]) == (None, "test:tool")


def test_payloads_that_do_not_match_are_recorded_not_refused(call: Caller) -> None:
    row = call.span(call.active(), payload={"name": 5}, status="active").details
    assert row["schema_mismatches"] == ["payload.name: is not of type string"]
    row = call.finish_span(row["id"], result_payload={}).details
    assert row["schema_mismatches"] == [
        "payload.name: is not of type string",
        "result_payload.text: is missing",
    ]


def test_finish_ends_a_span_and_leaves_its_payload(call: Caller) -> None:
    created = call.span(call.active(), status="active").details
    row = call.finish_span(
        created["id"],
        status="failed",
        timestamp="2026-01-01T00:00:00Z",
        result_payload={"text": "x"},
        payload={"name": "other"},
        sensitive_encoding=True,
    ).details
    assert (row["status"], row["result_payload"]) == ("failed", {"text": "x"})
    assert row["finished_at"] == "2026-01-01T00:00:00.000000Z"
    assert row["payload"] == created["payload"]
    assert row["sensitive_encoding"] is True


def test_a_bare_finish_is_complete_now_and_keeps_the_result(call: Caller) -> None:
    span_id = call.span(call.active(), result_payload={"text": "early"}).details["id"]
    row = call.finish_span(span_id).details
    assert (row["status"], row["result_payload"]) == ("complete", {"text": "early"})
    assert row["finished_at"] is not None


ALLOWED = {
    "pending": {"cancelled"},
    "active": {"complete", "failed"},
    "complete": set[str](),
    "failed": set[str](),
    "cancelled": set[str](),
}


@under_either_reading
@pytest.mark.parametrize("becomes", ["complete", "failed", "cancelled"])
@pytest.mark.parametrize("status", ALLOWED)
def test_the_state_machine_of_a_span(
    call: Caller, lenient_cancel: bool, status: str, becomes: str
) -> None:
    span_id = call.span(call.active(), status=status).details["id"]
    answer = call.finish_span(span_id, status=becomes)
    cancels = lenient_cancel and (status, becomes) == ("active", "cancelled")
    if becomes in ALLOWED[status] or cancels:
        assert answer.details["status"] == becomes
    else:
        assert answer.refused(409, "invalid_action", "status")


@pytest.mark.parametrize(
    ("fields", "at_fault"),
    [
        ({"status": "active"}, "status"),
        ({"timestamp": "later"}, "timestamp"),
        ({"result_payload": []}, "result_payload"),
        ({"sensitive_encoding": 1}, "sensitive_encoding"),
        ({"details": {"status": "complete"}}, "details"),
    ],
)
def test_what_is_wrong_with_a_finish_is_named(
    call: Caller, fields: dict[str, Any], at_fault: str
) -> None:
    assert call.finish_span(call.span(call.active()).details["id"], **fields).invalid(at_fault)


def test_a_span_that_is_cancelled_before_it_began_has_one_time(call: Caller) -> None:
    span_id = call.span(call.active(), status="pending").details["id"]
    row = call.finish_span(span_id, status="cancelled", timestamp=LATER).details
    assert row["started_at"] == row["finished_at"] == f"{LATER[:-1]}.000000Z"


@under_either_reading
@pytest.mark.parametrize(
    ("times", "never_begun"),
    [
        ({}, True),
        ({"started_at": LATER, "finished_at": LATER}, True),
        ({"started_at": LATER, "finished_at": "2026-01-02T02:00:00+02:00"}, True),
        ({"started_at": EARLIER, "finished_at": LATER}, False),
        ({"started_at": EARLIER}, False),
        ({"finished_at": LATER}, False),
    ],
)
def test_only_what_never_began_is_created_as_cancelled(
    call: Caller, lenient_cancel: bool, times: dict[str, str], never_begun: bool
) -> None:
    answer = call.span(call.active(), status="cancelled", **times)
    if never_begun or lenient_cancel:
        assert answer.details["status"] == "cancelled"
    else:
        assert answer.invalid("finished_at")


def test_an_unknown_span_is_not_found(call: Caller) -> None:
    for span_id in (call.own_id(), "nonsense"):
        assert call.finish_span(span_id).refused(404, "not_found")


def test_spans_of_a_terminated_run_are_kept_and_say_stop(call: Caller) -> None:
    instance_id = call.active()
    before = call.span(instance_id)
    call.terminate(instance_id, reason="too dear")
    created, finished = call.span(instance_id), call.finish_span(before.details["id"])
    for answer in (created, finished):
        assert answer.details["agent_instance_id"] == instance_id
        assert answer.body["control"] == {"terminate": True, "reason": "too dear"}
    assert "control" not in before.body


def test_only_the_terminated_run_is_told_to_stop(call: Caller) -> None:
    stopped, other = call.active(), call.active()
    call.terminate(stopped, reason="x")
    assert "control" not in call.span(other).body
