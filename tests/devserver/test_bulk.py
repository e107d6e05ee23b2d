"""Bulk: items in order, each its own, up to the first error."""

from typing import Any

import pytest

from prefactor_otel.devserver import DevServer
from tests.devserver.calls import Caller, Json, creation, item, span


def test_a_parent_its_child_and_their_ends_fit_one_request(call: Caller, server: DevServer) -> None:
    instance_id, parent, child = call.active(), call.own_id(), call.own_id()
    answer = call.bulk(
        creation(instance_id, "create-parent", id=parent),
        creation(instance_id, "create-child", id=child, parent_span_id=parent),
        item("agent_spans/finish", "finish-child", agent_span_id=child, status="failed"),
        item("agent_spans/finish", "finish-parent", agent_span_id=parent, result_payload={}),
    )
    assert (answer.status, answer.body["status"]) == (200, "success")
    outputs = answer.body["outputs"]
    assert list(outputs) == ["create-parent", "create-child", "finish-child", "finish-parent"]
    assert outputs["finish-child"]["details"]["status"] == "failed"
    assert [row["status"] for row in server.spans()] == ["complete", "failed"]


def test_it_stops_at_the_first_error_and_keeps_what_was_done(
    call: Caller, server: DevServer
) -> None:
    instance_id = call.active()
    answer = call.bulk(
        creation(instance_id, "good-one"),
        creation(instance_id, "bad-item", schema_name="test:other"),
        creation(instance_id, "not-done"),
    )
    assert (answer.status, answer.body["status"]) == (200, "success")
    outputs = answer.body["outputs"]
    assert list(outputs) == ["good-one", "bad-item"]
    bad = outputs["bad-item"]
    assert (bad["status"], bad["code"]) == ("error", "validation_errors")
    assert list(bad["errors"]) == ["schema_name"]
    assert len(server.spans()) == 1


def test_a_whole_run_fits_bulk(call: Caller, server: DevServer) -> None:
    own = call.own_id()
    schema = {"span_type_schemas": [{"name": "test:llm", "params_schema": {}}]}
    quality = {"quality_schemas": [{"name": "tone", "schema": {}}]}
    run = {"agent_instance_id": own}
    outputs = call.bulk(
        item("agent_instances/register", "register", id=own, agent_schema_version=schema | quality),
        item("agent_instances/start", "start-it", **run, timestamp=None),
        creation(own, "span-one", status="complete"),
        item("agent_instances/record_quality", "quality1", **run, name="tone", payload={"a": 1}),
        item("agent_instances/finish", "finish-it", **run, status="failed"),
        item("agent_instances/show", "show-run", **run),
    ).body["outputs"]
    assert [each["status"] for each in outputs.values()] == ["success"] * 6
    shown = outputs["show-run"]["details"]
    assert (shown["status"], shown["quality_payloads"]) == ("failed", {"tone": {"a": 1}})


def test_agents_are_made_shown_and_listed_in_bulk(call: Caller, server: DevServer) -> None:
    outputs = call.bulk(
        item("agents/create", "create-1", details={"name": "A"}, environment_id="ignored"),
        item("agents/show", "show-one", agent_id=server.agent_id, include_counts=True),
        item("agents/list", "list-all", pagination={"offset": 1, "page_size": 1}),
    ).body["outputs"]
    made = outputs["create-1"]["details"]
    assert outputs["show-one"]["details"]["instance_counts"]["total"] == 0
    assert [row["id"] for row in outputs["list-all"]["summaries"]] == [made["id"]]
    assert outputs["list-all"]["pagination"]["item_count"] == 2


@pytest.mark.parametrize("place", ["flat", "details"])
def test_fields_may_stand_flat_or_in_details(call: Caller, server: DevServer, place: str) -> None:
    def placed(kind: str, key: str, fields: Json, **path: str) -> Json:
        inner = fields if place == "flat" else {"details": fields}
        return item(kind, key, **path, **inner)

    own = call.own_id()
    outputs = call.bulk(
        placed("agent_spans/create", "create-it", span(call.active(), id=own)),
        placed("agent_spans/finish", "finish-it", {"status": "failed"}, agent_span_id=own),
    ).body["outputs"]
    assert outputs["finish-it"]["details"]["status"] == "failed"


def test_terminate_is_an_item_and_later_items_say_stop(call: Caller) -> None:
    instance_id = call.active()
    outputs = call.bulk(
        creation(instance_id, "before-it"),
        item("agent_instances/terminate", "terminate", agent_instance_id=instance_id, reason="x"),
        creation(instance_id, "after-it"),
    ).body["outputs"]
    assert "control" not in outputs["before-it"]
    assert outputs["after-it"]["details"]["agent_instance_id"] == instance_id
    assert outputs["after-it"]["control"] == {"terminate": True, "reason": "x"}


@pytest.mark.parametrize("items", [None, [], {}, "x"])
def test_there_is_at_least_one_item(call: Caller, items: object) -> None:
    assert call("POST", "/bulk", {"items": items}).invalid("items")


@pytest.mark.parametrize(
    ("second", "at_fault"),
    [
        ("x", "items.1"),
        ({"_type": "agents/list"}, "items.1.idempotency_key"),
        ({"_type": "agents/list", "idempotency_key": "seven.."}, "items.1.idempotency_key"),
        ({"_type": "agents/list", "idempotency_key": "k" * 65}, "items.1.idempotency_key"),
        ({"_type": "agents/list", "idempotency_key": 12345678}, "items.1.idempotency_key"),
        ({"_type": "agents/list", "idempotency_key": "the-first"}, "items.1.idempotency_key"),
        ({"idempotency_key": "the-second"}, "items.1._type"),
    ],
)
def test_an_item_without_proper_key_refuses_the_request_whole(
    call: Caller, server: DevServer, second: Any, at_fault: str
) -> None:
    first = item("agents/create", "the-first", details={"name": "A"})
    assert call("POST", "/bulk", {"items": [first, second]}).invalid(at_fault)
    assert len(call.get("/agent").summaries) == 1


@pytest.mark.parametrize(
    ("broken", "at_fault"),
    [
        (item("agents/dance", "the-item"), "_type"),
        (item("agent_spans/finish", "the-item"), "agent_span_id"),
        (item("agent_spans/create", "the-item", details=[]), "details"),
        (item("agent_instances/start", "the-item", agent_instance_id=5), "agent_instance_id"),
    ],
)
def test_a_broken_item_is_its_own_error(call: Caller, broken: Json, at_fault: str) -> None:
    answer = call.bulk(broken)
    assert answer.status == 200
    assert list(answer.body["outputs"]["the-item"]["errors"]) == [at_fault]


def test_conflicts_and_missing_records_keep_their_codes(call: Caller) -> None:
    span_id = call.span(call.active(), status="complete").details["id"]
    finish = item("agent_spans/finish", "finish-1", agent_span_id=span_id)
    assert call.bulk(finish).body["outputs"]["finish-1"]["code"] == "invalid_action"
    missing = item("agent_spans/finish", "finish-2", agent_span_id=call.own_id())
    assert call.bulk(missing).body["outputs"]["finish-2"]["code"] == "not_found"


def test_a_retry_after_the_error_is_mended_repeats_nothing(call: Caller, server: DevServer) -> None:
    instance_id = call.active()
    good, bad = creation(instance_id, "good-one"), creation(instance_id, "bad-item", status="x")
    first = call.bulk(good, bad).body["outputs"]["good-one"]
    mended = creation(instance_id, "bad-item", status="complete")
    outputs = call.bulk(good, mended).body["outputs"]
    assert outputs["good-one"] == first
    assert len(server.spans()) == 2


def test_client_ids_are_refused_in_bulk_where_they_are_off() -> None:
    with DevServer(client_ids=False) as server:
        call = Caller(server)
        instance_id = call.active()
        output = call.bulk(creation(instance_id, "with-an-id", id=call.own_id())).body["outputs"]
        assert list(output["with-an-id"]["errors"]) == ["id"]
