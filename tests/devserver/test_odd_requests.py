"""What no client should send is refused in the API's own words, never by a fault of the server."""

import json

import pytest

from prefactor_otel.devserver import DevServer
from tests.devserver.calls import Caller, creation, item, span

DEPTHS = (130, 300, 900)


def deep(depth: int) -> dict[str, object]:
    value: dict[str, object] = {}
    for _ in range(depth):
        value = {"a": value}
    return value


@pytest.mark.parametrize("depth", DEPTHS)
def test_a_value_nested_too_deep_is_a_fault_of_its_field(call: Caller, depth: int) -> None:
    run = call.active()
    assert call.span(run, payload=deep(depth)).invalid("payload")
    assert call.span(run, payload=deep(depth), status="complete").invalid("payload")
    span_id = call.span(run).details["id"]
    assert call.finish_span(span_id, result_payload=deep(depth)).invalid("result_payload")
    assert call.register(agent_schema_version=deep(depth)).invalid("agent_schema_version")


@pytest.mark.parametrize("depth", DEPTHS)
def test_in_bulk_it_refuses_its_item_only(call: Caller, depth: int) -> None:
    run = call.active()
    good, bad = creation(run, "good item"), creation(run, "deep item", payload=deep(depth))
    outputs = call.bulk(good, bad).body["outputs"]
    assert outputs["good item"]["status"] == "success"
    assert list(outputs["deep item"]["errors"]) == ["payload"]
    call.server.faults.add(item="no such item", bulk_error="internal_error")
    flat = item("agent_instances/finish", "flat item", agent_instance_id=run, status=deep(depth))
    assert list(call.bulk(flat).body["outputs"]["flat item"]["errors"]) == ["status"]


def test_what_is_nested_as_deep_as_is_allowed_comes_back_as_it_was(
    call: Caller, server: DevServer
) -> None:
    assert call.span(call.active(), payload=deep(100)).details["payload"] == deep(100)
    assert server.spans()[0]["payload"] == deep(100)


@pytest.mark.parametrize(
    "number", ["18446744073709551616", "-9223372036854775809", "1e308", "1e999", "9" * 400]
)
def test_a_number_of_any_size_is_stored_or_refused(call: Caller, number: str) -> None:
    body = json.dumps({"details": span(call.active(), payload={"number": "NUMBER"})})
    told = body.replace('"NUMBER"', number).encode()
    assert call.raw("POST", "/api/v1/agent_spans", told)[0] in (200, 400, 422)


@pytest.mark.parametrize(
    "path",
    [
        "/agent/%ff",
        "/agent/%ed%a0%80",
        "/agent/%00",
        "/agent_instance?agent_id=%ff",
        "/agent_instance?agent_id=%ed%a0%80",
        "/agent_spans?agent_instance_id=%00",
        "/agent/show?external_identifier=%ff",
        "/agent?sorting=%ff",
        "/agent?pagination[offset]=99999999999999999999",
        "/agent?pagination[offset]=999999999999999",
    ],
)
def test_an_address_that_is_no_text_is_refused_or_names_nothing(call: Caller, path: str) -> None:
    assert call.raw("GET", f"/api/v1{path}")[0] in (200, 400, 404, 422)


@pytest.mark.parametrize("key", ["\udcff", "\xff", "k" * 65])
def test_an_idempotency_key_that_is_no_text_is_refused(call: Caller, key: str) -> None:
    raw = {"Idempotency-Key": key.encode("utf-8", "surrogateescape").decode("latin-1")}
    status, _, _ = call.raw("POST", "/api/v1/agent_instance/register", b"{}", raw)
    assert status in ((200, 422) if key == "\xff" else (422,))


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00.000000Z", "9999-12-31T23:59:59.999999Z"])
def test_a_moment_at_the_ends_of_the_calendar_comes_back_as_it_was(
    call: Caller, moment: str
) -> None:
    assert call.span(call.active(), started_at=moment).details["started_at"] == moment


def test_a_lone_surrogate_is_refused(call: Caller) -> None:
    body = json.dumps({"details": span(call.active(), payload={"text": "\ud800"})}).encode()
    assert call.raw("POST", "/api/v1/agent_spans", body)[0] in (400, 422)


def test_a_risk_profile_must_exist(call: Caller) -> None:
    agent = {"name": "Support"}
    profile = {"risk_profile_id": call.own_id()}
    assert call("POST", "/agent", {"details": agent | profile}).invalid("risk_profile_id")
    made = call("POST", "/agent", {"details": agent | {"risk_profile_id": None}}).details
    put = call("PUT", f"/agent/{made['id']}", {"details": profile})
    assert put.invalid("risk_profile_id")
    assert call("PUT", f"/agent/{made['id']}", {"details": {"risk_profile_id": None}}).details
