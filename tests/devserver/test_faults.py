"""Scripted trouble strikes as told, and only then."""

import http.client
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from prefactor_otel.devserver import DevServer, Fault
from tests.devserver.calls import Caller, creation, span
from tests.patience import PATIENCE

GONE = (http.client.RemoteDisconnected, ConnectionResetError)


@pytest.mark.parametrize("status", [400, 401, 429, 503])
def test_a_status_comes_once_with_its_envelope(
    call: Caller, server: DevServer, status: int
) -> None:
    server.faults.add(Fault(status=status, code="some_code", retry_after=2))
    answer = call.get("/ping")
    assert answer.refused(status, "some_code")
    assert answer.headers["Retry-After"] == "2"
    assert call.get("/ping").status == 200


def test_retry_after_is_sent_as_it_is_written(call: Caller, server: DevServer) -> None:
    server.faults.add(status=503, retry_after="Wed, 21 Oct 2026 07:28:00 GMT")
    assert call.get("/ping").headers["Retry-After"] == "Wed, 21 Oct 2026 07:28:00 GMT"


def test_a_fault_strikes_its_share_of_requests(call: Caller, server: DevServer) -> None:
    server.faults.add(status=503, times=None, chance=0.0)
    assert [call("GET", "/ping").status for _ in range(5)] == [200] * 5
    server.faults.clear()
    server.faults.add(status=503, times=None, chance=0.5)
    assert {call("GET", "/ping").status for _ in range(50)} == {200, 503}


def test_a_fault_strikes_so_many_times(call: Caller, server: DevServer) -> None:
    server.faults.add(status=503, times=2)
    assert [call.get("/ping").status for _ in range(3)] == [503, 503, 200]


def test_a_standing_fault_ends_when_cleared(call: Caller, server: DevServer) -> None:
    server.faults.add(status=503, times=None)
    assert [call.get("/ping").status for _ in range(3)] == [503, 503, 503]
    server.faults.clear()
    assert call.get("/ping").status == 200


@pytest.mark.parametrize("path", ["/agent", "/api/v1/agent", "agent$", "^/api/v1/agent"])
def test_a_fault_strikes_its_path(call: Caller, server: DevServer, path: str) -> None:
    server.faults.add(status=503, path=path)
    assert call.get("/ping").status == 200
    assert call.get("/agent").status == 503


def test_a_fault_strikes_its_method(call: Caller, server: DevServer) -> None:
    server.faults.add(status=503, path="/agent", method="POST")
    assert call.get("/agent").status == 200
    assert call("POST", "/agent", {}).status == 503


def test_of_two_faults_the_first_strikes_first(call: Caller, server: DevServer) -> None:
    server.faults.add(status=503)
    server.faults.add(status=429)
    assert [call.get("/ping").status for _ in range(3)] == [503, 429, 200]


def test_a_refused_request_is_not_carried_out(call: Caller, server: DevServer) -> None:
    server.faults.add(status=503)
    assert call.register().status == 503
    assert server.instances() == []


def test_a_fault_strikes_before_the_token_is_looked_at(call: Caller, server: DevServer) -> None:
    server.faults.add(status=503)
    assert call("GET", "/ping", headers={"Authorization": "no"}).status == 503


def test_a_delayed_request_is_answered_all_the_same(call: Caller, server: DevServer) -> None:
    server.faults.add(delay=0.2)
    before = time.monotonic()
    assert call.get("/ping").status == 200
    assert time.monotonic() - before >= 0.2


@pytest.mark.parametrize(("when", "runs"), [("before", 0), ("after", 1)])
def test_a_connection_is_cut_before_or_after_the_work(
    call: Caller, server: DevServer, when: Any, runs: int
) -> None:
    server.faults.add(drop=when)
    with pytest.raises(GONE):
        call.register()
    assert len(server.instances()) == runs
    assert server.requests[-1].status is None


def test_a_request_cut_after_the_work_is_replayed_by_its_key(
    call: Caller, server: DevServer
) -> None:
    body = {"details": span(call.active()), "idempotency_key": "k"}
    server.faults.add(drop="after", path="/agent_spans")
    with pytest.raises(GONE):
        call("POST", "/agent_spans", body)
    assert call("POST", "/agent_spans", body).details["id"] == server.spans()[0]["id"]
    assert len(server.spans()) == 1


def test_a_hanging_request_is_cut_without_work_when_faults_are_cleared(
    call: Caller, server: DevServer
) -> None:
    server.faults.add(hang=True, path="/register")
    with ThreadPoolExecutor() as pool:
        hung = pool.submit(call.register)
        assert server.wait_until(lambda s: any("register" in r.path for r in s.requests))
        assert not hung.done()
        assert call.get("/ping").status == 200
        server.faults.clear()
        assert isinstance(hung.exception(PATIENCE), GONE)
    assert server.instances() == []
    assert [r.status for r in server.requests] == [None, 200]


def test_a_hanging_request_is_cut_when_the_server_stops(call: Caller, server: DevServer) -> None:
    server.faults.add(hang=True)
    with ThreadPoolExecutor() as pool:
        hung = pool.submit(call.get, "/ping")
        assert server.wait_until(lambda s: s.requests)
        server.stop()
        assert isinstance(hung.exception(PATIENCE), (*GONE, ConnectionError))


def test_a_delayed_request_does_not_hold_up_the_stop(call: Caller, server: DevServer) -> None:
    server.faults.add(delay=3600)
    with ThreadPoolExecutor() as pool:
        delayed = pool.submit(call.register)
        assert server.wait_until(lambda s: not s.faults.pending())
        server.stop()
        assert isinstance(delayed.exception(PATIENCE), ConnectionError)


@pytest.mark.parametrize("body", ["", "<html>", "[1]", '{"status":"success"}'])
def test_another_body_is_answered(call: Caller, server: DevServer, body: str) -> None:
    server.faults.add(body=body, path="/ping")
    assert call.raw("GET", "/api/v1/ping")[:2] == (200, body.encode())
    server.faults.add(body=body, status=502)
    assert call.raw("GET", "/api/v1/ping")[:2] == (502, body.encode())


def test_larger_bodies_are_refused_until_cleared(call: Caller, server: DevServer) -> None:
    instance_id = call.active()
    server.faults.add(max_body=2000)
    large = {"name": "x" * 2000}
    assert [call.span(instance_id, payload=large).status for _ in range(2)] == [413, 413]
    assert call.span(instance_id).status == 200
    server.faults.clear()
    assert call.span(instance_id, payload=large).status == 200


def test_the_nth_item_is_refused_and_the_rest_left_out(call: Caller, server: DevServer) -> None:
    instance_id = call.active()
    items = [creation(instance_id, f"item-{n}-key") for n in range(1, 4)]
    server.faults.add(bulk_error="not_acceptable", message="no", nth=2)
    outputs = call.bulk(*items).body["outputs"]
    assert list(outputs) == ["item-1-key", "item-2-key"]
    assert outputs["item-2-key"] == {"status": "error", "code": "not_acceptable", "message": "no"}
    outputs = call.bulk(*items).body["outputs"]
    assert [each["status"] for each in outputs.values()] == ["success"] * 3


def test_items_are_refused_by_what_they_hold(call: Caller, server: DevServer) -> None:
    instance_id = call.active()
    server.faults.add(bulk_error="validation_errors", item='"name":"bad"', times=None)
    server.faults.add(bulk_error="validation_errors", item="test:tool", times=None)
    good = creation(instance_id, "good-one")
    bad = creation(instance_id, "bad-item", payload={"name": "bad"})
    tool = creation(instance_id, "tool-item", schema_name="test:tool")
    assert call.bulk(good, bad).body["outputs"]["bad-item"]["status"] == "error"
    assert call.bulk(good, tool).body["outputs"]["tool-item"]["status"] == "error"
    assert call.span(instance_id, schema_name="test:tool").status == 200


def test_a_pattern_that_is_none_is_refused_at_once(call: Caller) -> None:
    with pytest.raises(ValueError, match="not a regular expression"):
        Fault(path="(")
    assert call("POST", "/__faults", {"status": 503, "path": "("}).invalid("path")


def test_faults_are_scripted_over_http_as_in_python(call: Caller, server: DevServer) -> None:
    added = call("POST", "/__faults", {"status": 503, "path": "/ping", "times": None}).body
    [fault] = added["faults"]
    assert (fault["status"], fault["path"], fault["left"]) == (503, "/ping", None)
    assert call.get("/ping").status == 503
    assert call("GET", "/__faults").body == added
    assert call("DELETE", "/__faults").body["faults"] == []
    assert call.get("/ping").status == 200


@pytest.mark.parametrize(
    ("fault", "at_fault"),
    [
        ({"statsu": 503}, "statsu"),
        ({"status": "503"}, "status"),
        ({"status": 99}, "status"),
        ({"status": True}, "status"),
        ({"times": "two"}, "times"),
        ({"delay": -1}, "delay"),
        ({"drop": "during"}, "drop"),
        ({"hang": 1}, "hang"),
        ({"path": None}, "path"),
    ],
)
def test_what_is_wrong_with_a_fault_is_named(
    call: Caller, fault: dict[str, Any], at_fault: str
) -> None:
    assert call("POST", "/__faults", fault).invalid(at_fault)


def test_a_run_is_terminated_from_outside(call: Caller, server: DevServer) -> None:
    one, two = call.active(), call.active()
    server.terminate(one, "enough")
    body = {"terminate": two, "reason": "enough"}
    assert call("POST", "/__faults", body).details["status"] == "terminated"
    assert {row["termination_reason"] for row in server.instances()} == {"enough"}
    assert call("POST", "/__faults", body).refused(409, "invalid_action", "status")


def test_without_leave_there_are_no_scripted_faults() -> None:
    with DevServer(allow_faults=False) as server:
        call = Caller(server)
        assert call("GET", "/__faults").refused(404, "not_found")
        assert call("POST", "/__faults", {"status": 503}).refused(404, "not_found")


def test_faulted_requests_are_recorded_and_the_scripting_is_not(
    call: Caller, server: DevServer
) -> None:
    call("POST", "/__faults", {"status": 503})
    call("POST", "/bulk", {"items": []})
    call.get("/agent", team_id="t")
    assert [(r.method, r.path, r.status) for r in server.requests] == [
        ("POST", "/api/v1/bulk", 503),
        ("GET", "/api/v1/agent", 200),
    ]
    first, second = server.requests
    assert (first.body, second.body) == ({"items": []}, None)
    assert second.query == {"team_id": "t"}
    assert server.token not in repr(server.requests)
