"""What holds for every request: the token, the envelope, JSON in and out."""

import json

import pytest

from prefactor_otel.devserver import DevServer
from prefactor_otel_transport import pfid
from tests.devserver.calls import Caller, foreign_id


@pytest.mark.parametrize("given", ["", "Bearer wrong", "Bearer", "Basic abc", "Bearer \xe9"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/ping"),
        ("GET", "/agent"),
        ("POST", "/bulk"),
        ("POST", "/agent_spans"),
        ("GET", "/nowhere"),
    ],
)
def test_every_path_wants_the_bearer_token(
    call: Caller, method: str, path: str, given: str
) -> None:
    answer = call(method, path, headers={"Authorization": given})
    assert answer.refused(401, "bad_authtoken")


def test_faults_want_the_token_too(call: Caller) -> None:
    answer = call("GET", "/__faults", headers={"Authorization": "Bearer wrong"})
    assert answer.refused(401, "bad_authtoken")


def test_ping_answers_details(call: Caller) -> None:
    assert call.get("/ping").details["token_type"] == "api"


def test_an_unknown_path_is_an_enveloped_404(call: Caller) -> None:
    assert call.get("/nowhere").refused(404, "not_found")


def test_a_person_at_an_unknown_path_gets_the_page_that_leads_back(call: Caller) -> None:
    seen = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8", "Authorization": ""}
    status, text, headers = call.raw("GET", "/nowhere", headers=seen)
    assert (status, headers["Content-Type"]) == (404, "text/html; charset=utf-8")
    assert b"/page/app.js" in text
    asked = call.raw("GET", "/nowhere", headers={"Accept": "*/*", "Authorization": ""})
    assert (asked[0], json.loads(asked[1])["code"]) == (401, "bad_authtoken")


def test_a_wrong_method_is_an_enveloped_405(call: Caller) -> None:
    assert call("DELETE", "/bulk").refused(405, "method_not_allowed")


@pytest.mark.parametrize("body", [b"{", b"[1]", b'"text"', b"\xff", b"NaN"])
def test_a_body_that_is_no_json_object_is_refused(call: Caller, body: bytes) -> None:
    status, text, _ = call.raw("POST", "/api/v1/bulk", body)
    answer = json.loads(text)
    assert (status, answer["status"], answer["code"]) == (400, "error", "bad_request")


def test_answers_are_json_by_their_type(call: Caller) -> None:
    assert call.get("/ping").headers["Content-Type"].startswith("application/json")


def test_no_body_at_all_is_an_empty_object(call: Caller) -> None:
    instance_id = call.active()
    status, text, _ = call.raw("POST", f"/api/v1/agent_instance/{instance_id}/finish")
    assert (status, json.loads(text)["details"]["status"]) == (200, "complete")


def test_a_large_body_is_taken(call: Caller) -> None:
    payload = {"name": "big", "inputs": {"text": "x" * 5_000_000}}
    assert call.span(call.active(), payload=payload).details["payload"] == payload


def test_the_account_is_a_list_of_one(call: Caller, server: DevServer) -> None:
    [row] = call.get("/account").summaries
    assert (row["id"], row["type"]) == (server.account_id, "account")


def test_the_account_is_read_and_renamed(call: Caller, server: DevServer) -> None:
    path = f"/account/{server.account_id}"
    assert call("PUT", path, {"details": {"name": "Mine"}}).details["name"] == "Mine"
    assert call.get(path).details["name"] == "Mine"
    assert call("PUT", path, {"details": {"name": " "}}).invalid("name")
    assert call.get(f"/account/{call.own_id()}").refused(404, "not_found")


def test_alerts_are_counted(call: Caller) -> None:
    assert call.get("/alerts/count").body == {"status": "success", "count": 0}


def test_risk_profiles_are_an_empty_list(call: Caller, server: DevServer) -> None:
    query = {"account_id": server.account_id, "pagination[page_size]": 100}
    answer = call("GET", "/risk_profile", query=query)
    assert answer.summaries == []
    assert answer.body["pagination"]["item_count"] == 0


def test_pfids_are_of_the_account_and_in_order(call: Caller, server: DevServer) -> None:
    made = call("POST", "/pfid/generate", {"count": 50}).details["pfids"]
    assert len(set(made)) == 50
    assert made == sorted(made)
    assert {pfid.partition_of(each) for each in made} == {pfid.partition_of(server.account_id)}


@pytest.mark.parametrize("count", [0, -1, 1001, "x", 1.5, True])
def test_a_count_of_pfids_out_of_range_is_refused(call: Caller, count: object) -> None:
    assert call("POST", "/pfid/generate", {"count": count}).invalid("count")


def test_pfids_of_another_account_are_refused(call: Caller, server: DevServer) -> None:
    body = {"count": 1, "account_id": foreign_id(server)}
    assert call("POST", "/pfid/generate", body).invalid("account_id")
