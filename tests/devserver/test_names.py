"""Who reads the local API sees the agent by the name that its runs report."""

import pytest

from prefactor_otel.devserver import DevServer
from tests.devserver.calls import Caller


def reported(call: Caller, name: str, **fields: object) -> str:
    """Register a run that reports this name; returns the agent's name afterwards, as a list and
    the agent itself show it."""
    version = {"external_identifier": "1.0.0", "name": name}
    call.register(agent_version=version, **fields)
    [listed] = [row for row in call.get("/agent").summaries if row["id"] == call.server.agent_id]
    shown: str = call.get(f"/agent/{call.server.agent_id}").details["name"]
    assert shown == listed["name"]
    return shown


def test_the_agent_goes_by_the_name_its_runs_report(call: Caller) -> None:
    assert call.get(f"/agent/{call.server.agent_id}").details["name"] == "Local agent"
    assert reported(call, "support") == "support"


def test_each_name_is_an_agent_of_its_own(server: DevServer, call: Caller) -> None:
    def whose(name: str) -> str:
        version = {"external_identifier": "1.0.0", "name": name}
        agent: str = call.register(agent_version=version).details["agent_id"]
        return agent

    porter, clerk = whose("night porter"), whose("clerk")
    assert porter == server.agent_id != clerk
    assert (whose("night porter"), whose("clerk")) == (porter, clerk)
    shown = {row["id"]: row["name"] for row in call.get("/agent").summaries}
    assert shown == {porter: "night porter", clerk: "clerk"}


def test_a_name_that_somebody_has_given_stays(call: Caller, server: DevServer) -> None:
    call("PUT", f"/agent/{server.agent_id}", {"details": {"name": "Given"}})
    assert reported(call, "support") == "Given"


def test_a_trial_does_not_name_the_agent(call: Caller) -> None:
    assert reported(call, "trial", update_current_version=False) == "Local agent"


def test_an_agent_that_somebody_made_keeps_its_name(call: Caller) -> None:
    made = call("POST", "/agent", {"details": {"name": "Made"}}).details["id"]
    assert reported(call, "support", agent_id=made) == "Local agent"
    assert call.get(f"/agent/{made}").details["name"] == "Made"


@pytest.mark.parametrize("purpose", ["live", "eval"])
def test_somebody_can_be_told_of_each_run(purpose: str) -> None:
    told: list[tuple[str, str, str]] = []
    with DevServer(on_run=lambda *run: told.append(run)) as server:
        call = Caller(server)
        first = call.pending(purpose=purpose, idempotency_key="once")
        assert call.pending(purpose=purpose, idempotency_key="once") == first
        version = {"external_identifier": "1.0.0", "name": "support"}
        second = call.pending(purpose=purpose, agent_version=version)
    assert told == [(first, "Local agent", purpose), (second, "support", purpose)]
