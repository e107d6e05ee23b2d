"""Alerts: raised and cleared by run and name, listed, counted, kept."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from prefactor_otel.devserver import DevServer
from tests.devserver.calls import Answer, Caller, Json, foreign_id, item


def raised(call: Caller, run: str, name: str = "loop", **fields: Any) -> Answer:
    body = {"agent_instance_id": run, "name": name, "severity": "warning", "payload": {"n": 3}}
    return call("POST", "/alerts/raise", body | fields)


def cleared(call: Caller, run: str, name: str = "loop", **fields: Any) -> Answer:
    return call("POST", "/alerts/clear", {"agent_instance_id": run, "name": name} | fields)


def names(call: Caller, **query: Any) -> list[str]:
    return [row["name"] for row in call.get("/alerts", **query).summaries]


def test_an_alert_is_raised_and_read(call: Caller, server: DevServer) -> None:
    run = call.active()
    row = raised(call, run, raised_at="2026-01-02T03:04:05Z").details
    assert (row["type"], row["status"], row["severity"]) == ("alert", "raised", "warning")
    assert (row["agent_instance_id"], row["account_id"]) == (run, server.account_id)
    assert (row["agent_id"], row["environment_id"]) == (server.agent_id, server.environment_id)
    assert (row["name"], row["title"], row["payload"]) == ("loop", "loop", {"n": 3})
    assert (row["raised_at"], row["cleared_at"]) == ("2026-01-02T03:04:05.000000Z", None)
    assert (row["version"], row["payload_sensitive_encoding"]) == (1, False)
    assert call.get(f"/alerts/{row['id']}").details == row


def test_an_alert_that_stands_is_changed_and_not_doubled(call: Caller) -> None:
    run = call.active()
    first = raised(call, run).details
    second = raised(call, run, severity="critical", payload={"n": 9}).details
    assert (second["id"], second["version"]) == (first["id"], 2)
    assert (second["severity"], second["payload"]) == ("critical", {"n": 9})
    assert second["raised_at"] == first["raised_at"]
    assert call.get("/alerts/count").body["count"] == 1


def test_an_alert_is_cleared_with_what_is_said_then(call: Caller) -> None:
    run = call.active()
    alert_id = raised(call, run).details["id"]
    row = cleared(call, run, severity="info", payload={"by": "me"}).details
    assert (row["id"], row["status"], row["version"]) == (alert_id, "cleared", 2)
    assert (row["severity"], row["payload"]) == ("info", {"by": "me"})
    assert row["cleared_at"] is not None
    assert cleared(call, run).refused(409, "invalid_action", "name")


def test_an_alert_after_a_cleared_one_is_another(call: Caller) -> None:
    run = call.active()
    first = raised(call, run).details["id"]
    cleared(call, run)
    assert raised(call, run).details["id"] != first
    assert call.get("/alerts/count", status="cleared").body["count"] == 1
    assert call.get("/alerts/count", status="raised").body["count"] == 1


def test_a_run_that_is_over_has_alerts_as_well(call: Caller) -> None:
    run = call.active()
    call.finish(run)
    assert raised(call, run).details["status"] == "raised"
    assert cleared(call, run).details["status"] == "cleared"


def test_alerts_are_listed_by_what_fits(call: Caller, server: DevServer) -> None:
    run, other = call.active(), call.active()
    raised(call, run, "slow", severity="info")
    raised(call, run, "loop", severity="critical")
    raised(call, other, "loop", severity="critical")
    cleared(call, other)
    assert names(call) == ["slow", "loop", "loop"]
    assert names(call, agent_instance_id=run) == ["slow", "loop"]
    assert names(call, agent_id=server.agent_id, status="raised") == ["slow", "loop"]
    assert names(call, severity="info") == names(call, name="slow") == ["slow"]
    assert names(call, environment_id=call.own_id()) == []
    assert names(call, sorting="-name", status="raised") == ["slow", "loop"]
    query = {"pagination[offset]": 1, "pagination[page_size]": 1}
    assert names(call, **query) == ["loop"]
    assert "payload" not in call.get("/alerts").summaries[0]
    assert call.get("/alerts/count", severity="critical", status="raised").body["count"] == 1


def test_alerts_are_listed_by_when_they_stood(call: Caller) -> None:
    run = call.active()
    raised(call, run, "over", raised_at="2026-01-01T10:00:00Z")
    cleared(call, run, "over", cleared_at="2026-01-01T11:00:00Z")
    raised(call, run, "open", raised_at="2026-01-01T10:30:00Z")
    begin, end = "active_during[start_at]", "active_during[finish_at]"
    assert names(call, **{begin: "2026-01-01T10:45:00Z"}) == ["over", "open"]
    assert names(call, **{begin: "2026-01-01T12:00:00Z"}) == ["open"]
    assert names(call, **{end: "2026-01-01T10:15:00Z"}) == ["over"]
    assert names(call, **{begin: "2026-01-01T08:00:00Z", end: "2026-01-01T09:00:00Z"}) == []


@pytest.mark.parametrize(
    ("fields", "at_fault"),
    [
        ({"agent_instance_id": None}, "agent_instance_id"),
        ({"agent_instance_id": "x"}, "agent_instance_id"),
        ({"name": " "}, "name"),
        ({"severity": "loud"}, "severity"),
        ({"severity": None}, "severity"),
        ({"payload": None}, "payload"),
        ({"payload": "x"}, "payload"),
        ({"raised_at": "noon"}, "raised_at"),
        ({"payload_sensitive_encoding": "no"}, "payload_sensitive_encoding"),
        ({"details": {}}, "details"),
    ],
)
def test_what_is_wrong_with_an_alert_is_named(call: Caller, fields: Json, at_fault: str) -> None:
    assert raised(call, call.active(), **fields).invalid(at_fault)


def test_what_is_not_there_is_told(call: Caller, server: DevServer) -> None:
    run = call.active()
    assert raised(call, call.own_id()).refused(404, "not_found", "agent_instance_id")
    assert cleared(call, call.own_id()).refused(404, "not_found", "agent_instance_id")
    assert raised(call, foreign_id(server)).invalid("agent_instance_id")
    assert cleared(call, run).refused(404, "not_found", "name")
    assert call.get(f"/alerts/{call.own_id()}").refused(404, "not_found")
    assert call.get("/alerts", status="loud").invalid("status")
    assert call.get("/alerts/count", severity="loud").invalid("severity")


def test_a_repeated_alert_is_raised_once(call: Caller) -> None:
    run = call.active()
    first = raised(call, run, idempotency_key="k").details
    assert raised(call, run, idempotency_key="k").details == first
    assert raised(call, run, idempotency_key="k", severity="info").invalid("idempotency_key")


def test_alerts_are_bulk_operations_as_well(call: Caller) -> None:
    run = call.active()
    told = {"agent_instance_id": run, "name": "loop"}
    outputs = call.bulk(
        item("alerts/raise", "key-of-one", severity="error", payload={}, **told),
        item("alerts/clear", "key-of-two", details=told),
        item("alerts/count", "key-of-three", status="cleared"),
        item("alerts/list", "key-of-four", active_during={"start_at": "2026-01-01T00:00:00Z"}),
    ).body["outputs"]
    assert outputs["key-of-two"]["details"]["status"] == "cleared"
    assert outputs["key-of-three"] == {"status": "success", "count": 1}
    alert_id = outputs["key-of-one"]["details"]["id"]
    assert [row["id"] for row in outputs["key-of-four"]["summaries"]] == [alert_id]
    [shown] = (
        call.bulk(item("alerts/show", "key-of-five", alert_id=alert_id)).body["outputs"].values()
    )
    assert shown["details"]["version"] == 2


def test_a_file_from_before_there_were_alerts_takes_them(tmp_path: Path) -> None:
    db = tmp_path / "runs.db"
    with DevServer(db) as server:
        run = Caller(server).active()
    with closing(sqlite3.connect(db)) as database:
        database.execute("DROP TABLE alert")
    with DevServer(db) as server:
        alert_id = raised(Caller(server), run).details["id"]
    with DevServer(db) as server:
        assert Caller(server).get(f"/alerts/{alert_id}").details["agent_instance_id"] == run
