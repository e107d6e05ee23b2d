"""Agents: made, shown, changed, retired, deleted."""

from typing import Any

import pytest

from prefactor_otel.devserver import DevServer
from tests.devserver.calls import Answer, Caller, foreign_id


def make(call: Caller, **fields: Any) -> Answer:
    return call("POST", "/agent", {"details": {"name": "Agent"} | fields})


def test_a_new_agent_is_pending_until_its_first_run(call: Caller) -> None:
    agent = make(call, external_identifier="mine", description="d", team_id="t").details
    assert (agent["type"], agent["status"]) == ("agent", "pending")
    assert (agent["external_identifier"], agent["description"]) == ("mine", "d")
    call.register(agent_id=agent["id"])
    assert call.get(f"/agent/{agent['id']}").details["status"] == "active"


def test_an_agent_takes_an_id_of_the_account(call: Caller, server: DevServer) -> None:
    own = call.own_id()
    assert make(call, id=own).details["id"] == own
    assert make(call, id=own).invalid("id")
    assert make(call, id=foreign_id(server)).invalid("id")


@pytest.mark.parametrize(
    ("fields", "at_fault"),
    [
        ({"name": None}, ["name"]),
        ({"name": ""}, ["name"]),
        ({"name": 7, "description": []}, ["name", "description"]),
        ({"external_identifier": 1}, ["external_identifier"]),
        ({"id": "x"}, ["id"]),
    ],
)
def test_what_is_wrong_with_an_agent_is_named(
    call: Caller, fields: dict[str, Any], at_fault: list[str]
) -> None:
    assert make(call, **fields).invalid(*at_fault)


def test_an_agent_stands_in_details(call: Caller) -> None:
    assert call("POST", "/agent", {"name": "Agent"}).invalid("details")
    assert call("POST", "/agent", {"details": "Agent"}).invalid("details")


def test_an_external_identifier_is_taken_once(call: Caller) -> None:
    make(call, external_identifier="mine")
    assert make(call, external_identifier="mine").invalid("external_identifier")


def test_an_update_changes_what_it_names_only(call: Caller) -> None:
    agent = make(call, description="before").details
    path = f"/agent/{agent['id']}"
    assert call("PUT", path, {"details": {"name": "New"}}).details["description"] == "before"
    assert call("PUT", path, {"details": {"description": None}}).details["description"] is None
    assert call.get(path).details["name"] == "New"
    assert call("PUT", path, {"details": {"external_identifier": "x"}}).invalid(
        "external_identifier"
    )
    assert call("PUT", path, {"name": "New"}).invalid("details")


def test_retire_and_reinstate(call: Caller) -> None:
    path = f"/agent/{make(call).details['id']}"
    assert call("POST", f"{path}/reinstate").refused(409, "invalid_action", "status")
    retired = call("POST", f"{path}/retire", {}).details
    assert (retired["status"], retired["available_actions"]["reinstate"]) == ("retired", True)
    assert call("POST", f"{path}/retire").refused(409, "invalid_action", "status")
    assert call("POST", f"{path}/reinstate").details["status"] == "pending"


def test_a_retired_agent_takes_no_runs(call: Caller) -> None:
    agent_id = make(call).details["id"]
    call("POST", f"/agent/{agent_id}/retire")
    assert call.register(agent_id=agent_id).refused(409, "invalid_action", "agent_id")


def test_only_an_agent_without_runs_is_deleted(call: Caller) -> None:
    free, used = make(call).details["id"], make(call).details["id"]
    call.register(agent_id=used)
    assert call("DELETE", f"/agent/{free}").details["id"] == free
    assert call.get(f"/agent/{free}").refused(404, "not_found")
    assert call("DELETE", f"/agent/{used}").refused(409, "invalid_action", "status")


def test_show_takes_exactly_one_name(call: Caller, server: DevServer) -> None:
    agent = make(call, external_identifier="mine").details
    assert call.get("/agent/show", agent_id=agent["id"]).details == agent
    assert call.get("/agent/show", external_identifier="mine").details == agent
    both = call.get("/agent/show", agent_id=agent["id"], external_identifier="mine")
    assert both.invalid("agent_id")
    assert call.get("/agent/show").invalid("agent_id")
    assert call.get("/agent/show", external_identifier="none").refused(
        404, "not_found", "external_identifier"
    )


def test_counts_come_when_asked_for(call: Caller, server: DevServer) -> None:
    call.pending()
    call.finish(call.active(), status="failed")
    shown = call.get("/agent/show", agent_id=server.agent_id, include_counts="true").details
    counts = shown["instance_counts"]
    assert (counts["total"], counts["pending"], counts["failed"], counts["finished"]) == (
        2,
        1,
        1,
        1,
    )
    assert "instance_counts" not in call.get(f"/agent/{server.agent_id}").details
    assert call.get("/agent/show", agent_id=server.agent_id, include_counts="yes").invalid(
        "include_counts"
    )


def test_the_list_is_filtered_by_owner(call: Caller, server: DevServer) -> None:
    mine = make(call, team_id="team").details
    assert [row["id"] for row in call.get("/agent", team_id="team").summaries] == [mine["id"]]
    rows = call.get("/agent").summaries
    assert [row["id"] for row in rows] == [server.agent_id, mine["id"]]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("PUT", ""),
        ("DELETE", ""),
        ("POST", "/retire"),
        ("POST", "/reinstate"),
    ],
)
def test_an_unknown_agent_is_not_found(call: Caller, method: str, path: str) -> None:
    for agent_id in (call.own_id(), "nonsense"):
        body: dict[str, Any] | None = {"details": {}} if method == "PUT" else None
        assert call(method, f"/agent/{agent_id}{path}", body).refused(404, "not_found")
