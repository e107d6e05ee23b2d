"""``runs`` lists the newest runs of any account, in whichever way its API reads its documents."""

import json
import signal
import subprocess
from collections.abc import Callable

import pytest

from prefactor_otel.devserver import DevServer
from tests.cli.between import (
    HOSTILE,
    Json,
    Query,
    Refused,
    as_it_is,
    between,
    drives_a_terminal,
    of,
)
from tests.cli.command import COMMAND, clean, run_command
from tests.devserver.calls import LLM, TOOL, Caller, item
from tests.patience import PATIENCE


def listed(*words: str, **variables: str) -> list[Json]:
    done = run_command("runs", "--json", *words, **variables)
    assert (done.returncode, done.stderr) == (0, "")
    runs: list[Json] = json.loads(done.stdout)
    return runs


def test_the_newest_run_stands_first_with_its_agent_and_what_became_of_it(api: DevServer) -> None:
    caller = Caller(api)
    older, newer = caller.active(purpose="eval"), caller.active()
    caller.terminate(newer, reason="too dear")
    done = run_command("runs", **of(api))
    head, first, second = done.stdout.splitlines()
    assert (done.returncode, done.stderr, head.split()[0]) == (0, "", "run")
    assert first.split()[:2] == [newer, "terminated"]
    assert first.endswith("Local agent  too dear")
    assert second.split()[:2] == [older, "active"]
    assert second.endswith("Local agent  (eval)")
    assert "\x1b" not in done.stdout


def test_those_that_are_asked_for_are_listed(api: DevServer) -> None:
    caller = Caller(api)
    other = caller("POST", "/agent", {"details": {"name": "cook"}}).details["id"]
    live, checked, pending = caller.active(), caller.active(purpose="eval"), caller.pending()
    cooked = caller.active(agent_id=other, environment_id=api.environment_id)
    caller.finish(live, status="failed")

    def ids(*words: str) -> list[str]:
        return [run["id"] for run in listed(*words, **of(api))]

    assert ids("--status", "failed") == [live]
    assert ids("--status", "failed", "--status", "pending") == [pending, live]
    assert ids("--purpose", "eval") == [checked]
    assert ids("--agent", "cook") == ids("--agent", other) == [cooked]
    assert ids("--limit", "2") == [cooked, pending]
    assert ids("--agent", "cook", "--status", "failed") == []
    assert run_command("runs", "--status", "cancelled", **of(api)).stdout == (
        "There is no such run.\n"
    )


def in_order(query: Query) -> Query:
    """An API that takes no order and gives the oldest first."""
    return {name: value for name, value in query.items() if not name.startswith("sorting")}


def refused(query: Query) -> Query:
    if in_order(query) != query:
        raise Refused
    return query


def unpaged(answer: Json) -> Json:
    return answer | {"pagination": None}


def uncounted(answer: Json) -> Json:
    following = answer["pagination"]["next_page_offset"]
    return answer | {"pagination": {"next_page_offset": following}}


@pytest.mark.parametrize("answer", [as_it_is, uncounted, unpaged])
@pytest.mark.parametrize(
    "query", [lambda query: query, in_order, refused], ids=["sorts", "does not", "refuses"]
)
def test_the_newest_of_many_are_found_whatever_the_api_makes_of_an_order(
    api: DevServer, query: Callable[[Query], Query], answer: Callable[[Json], Json]
) -> None:
    made = registered(Caller(api), 230)
    with between(api, "/agent_instance", query, answer) as variables:
        assert [run["id"] for run in listed("--limit", "150", **variables)] == made[:-151:-1]


def registered(caller: Caller, count: int) -> list[str]:
    schemas = {"external_identifier": "s1", "span_type_schemas": [LLM, TOOL]}
    about = {"agent_version": {"external_identifier": "v1"}, "agent_schema_version": schemas}
    keys = [f"registration-{number}" for number in range(count)]
    outputs = caller.bulk(*(item("agent_instances/register", key, **about) for key in keys)).body
    return [outputs["outputs"][key]["details"]["id"] for key in keys]


def test_followed_runs_are_told_as_they_come_and_as_they_end_until_somebody_stops_it(
    api: DevServer,
) -> None:
    caller = Caller(api)
    first = caller.active()
    with following(api, "runs", "--follow") as process:
        assert process.stdout is not None
        assert process.stdout.readline().split()[:2] == [first, "active"]
        second = caller.active()
        assert process.stdout.readline().split()[:2] == [second, "active"]
        caller.finish(first)
        assert process.stdout.readline().split()[:2] == [first, "complete"]
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, rest, errors) == (0, "", "")


def test_trouble_of_the_api_is_told_once_and_waited_out(api: DevServer) -> None:
    caller = Caller(api)
    first = caller.active()
    with following(api, "runs", "--follow", "--json", "--status", "active") as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["id"] == first
        api.faults.add(path="/agent", method="GET", status=503, retry_after=0, times=2)
        assert api.wait_until(lambda api: [r.status for r in api.requests].count(503) == 2)
        second = caller.active()
        assert json.loads(process.stdout.readline())["id"] == second
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, errors.count("\n")) == (0, 1)
    assert "HTTP 503" in errors


def following(api: DevServer, *words: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [*COMMAND, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=clean(**of(api)),
    )


def test_no_name_or_reason_drives_the_terminal_or_makes_a_line_of_its_own(api: DevServer) -> None:
    caller = Caller(api)
    name = f"{HOSTILE}\nrun 1 active"
    agent = caller("POST", "/agent", {"details": {"name": "a"}}).details["id"]
    run = caller.active(agent_id=agent, environment_id=api.environment_id)
    caller.terminate(run, reason=f"b{HOSTILE}\nc")
    with between(api, "/agent", answer=lambda answer: renamed(answer, name)) as variables:
        done = run_command("runs", **variables)
        assert len(done.stdout.splitlines()) == 2
        assert not drives_a_terminal(done.stdout)
        shown = run_command("runs", "--json", **variables).stdout
        assert not drives_a_terminal(shown)
        [found] = json.loads(shown)
        assert found["termination_reason"] == f"b{HOSTILE}\nc"
        refusal = run_command("runs", "--agent", "nobody", **variables)
        assert (refusal.returncode, refusal.stderr.count("\n")) == (1, 1)
        assert not drives_a_terminal(refusal.stderr)


def renamed(answer: Json, name: str) -> Json:
    return answer | {"summaries": [row | {"name": name} for row in answer["summaries"]]}
