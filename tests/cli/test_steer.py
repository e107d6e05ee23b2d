"""``terminate`` and ``quality`` do to a run what the platform's page does, or say why not."""

from pathlib import Path
from typing import Any

import pytest

from prefactor_otel.devserver import DevServer
from tests.cli.between import HOSTILE, drives_a_terminal, of
from tests.cli.command import run_command
from tests.cli.test_doctor import assert_hidden
from tests.devserver.calls import Caller

JUDGED = {
    "external_identifier": "s2",
    "quality_schemas": [{"name": "helpful", "schema": {"type": "object"}}],
}


def test_a_run_is_stopped_for_the_reason_that_is_given(api: DevServer) -> None:
    run = Caller(api).active()
    done = run_command("terminate", "last", "--reason", "too dear", **of(api))
    assert (done.returncode, done.stdout) == (0, f"Run {run} is terminated: too dear\n")
    [found] = api.instances()
    assert (found["status"], found["termination_reason"]) == ("terminated", "too dear")


def test_a_stop_whose_answer_was_lost_is_a_stop(api: DevServer) -> None:
    run = Caller(api).active()
    api.faults.add(path="/terminate", drop="after")
    done = run_command("terminate", run, "--reason", "too dear", **of(api))
    assert (done.returncode, done.stderr) == (0, "")


def test_a_run_that_is_over_is_not_said_to_be_stopped(api: DevServer) -> None:
    caller = Caller(api)
    run = caller.active()
    caller.finish(run)
    done = run_command("terminate", run, "--reason", "too dear", **of(api))
    assert (done.returncode, done.stdout) == (1, "")
    assert f"run {run} cannot be terminated: it is complete" in done.stderr


@pytest.mark.parametrize("way", ["argument", "-", "@file"])
def test_a_quality_is_recorded_after_the_run_and_removed(
    api: DevServer, way: str, tmp_path: Path
) -> None:
    caller = Caller(api)
    run = caller.active(agent_schema_version=JUDGED)
    caller.finish(run)
    file = tmp_path / "quality.json"
    text = '{"score": 1, "of": "me"}'
    file.write_text(text)
    word = {"argument": text, "-": "-", "@file": f"@{file}"}[way]
    done = run_command("quality", run, "helpful", word, text=text, **of(api))
    assert (done.returncode, done.stdout) == (0, f"helpful recorded for run {run}.\n")
    assert api.instances()[0]["quality_payloads"] == {"helpful": {"score": 1, "of": "me"}}
    done = run_command("quality", run, "helpful", "null", **of(api))
    assert (done.returncode, done.stdout) == (0, f"helpful removed from run {run}.\n")
    assert api.instances()[0]["quality_payloads"] == {}


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["terminate", "RUN"], 2, "Missing option '--reason'"),
        (["terminate", "RUN", "--reason", " "], 2, "--reason is blank"),
        (["terminate", "nobody", "--reason", "a"], 1, "there is no run nobody"),
        (["quality", "RUN", "helpful", "{score: 1}"], 2, "JSON cannot be read"),
        (["quality", "RUN", "helpful", "[1]"], 2, "must be an object"),
        (["quality", "RUN", "helpful", "@nowhere"], 2, "@nowhere cannot be read: No such file"),
        (["quality", "RUN", "unknown", "{}"], 1, "not among the quality schemas"),
        (["quality", "nobody", "helpful", "{}"], 1, "there is no run nobody"),
        (["show", "nobody"], 1, "there is no run nobody"),
        (["show", ".."], 1, "there is no run .."),
        (["show", HOSTILE], 1, "there is no run"),
        (["runs", "--agent", "nobody"], 1, "There are: Local agent."),
        (["runs", "--limit", "0"], 2, "--limit"),
        (["runs", "--status", "done"], 2, "terminated"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) and HOSTILE not in value else None,
)
def test_what_cannot_be_done_is_said_in_words(
    api: DevServer, words: list[str], code: int, told: str
) -> None:
    run = Caller(api).active(agent_schema_version=JUDGED)
    done = run_command(*(run if word == "RUN" else word for word in words), **of(api))
    assert (done.returncode, done.stdout) == (code, "")
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert not drives_a_terminal(done.stderr)


def test_an_account_without_runs_has_no_last_one(api: DevServer) -> None:
    done = run_command("show", "last", **of(api))
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "has no run yet" in done.stderr


COMMANDS = pytest.mark.parametrize(
    "words",
    [
        ["runs"],
        ["show", "last", "--follow"],
        ["terminate", "last", "--reason", "a"],
    ],
    ids=" ".join,
)


@COMMANDS
@pytest.mark.parametrize(
    ("variables", "code", "told"),
    [
        ({"PREFACTOR_API_TOKEN": ""}, 2, "PREFACTOR_API_TOKEN is not set"),
        ({"PREFACTOR_API_TOKEN": "geheimnis_wrong"}, 1, "refuses the token"),
        ({"PREFACTOR_API_URL": "nowhere"}, 2, "PREFACTOR_API_URL"),
        ({"PREFACTOR_API_URL": "http://127.0.0.1:9"}, 1, "cannot be reached"),
        ({"PREFACTOR_MAX_BATCH_SIZE": "many"}, 2, "PREFACTOR_MAX_BATCH_SIZE"),
    ],
    ids=["no token", "wrong token", "no address", "nobody there", "another setting"],
)
def test_each_says_why_the_api_cannot_be_used(
    api: DevServer, words: list[str], variables: dict[str, str], code: int, told: str
) -> None:
    done = run_command(*words, **of(api) | variables)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (code, "", 1)
    assert told in done.stderr
    assert_hidden((of(api) | variables)["PREFACTOR_API_TOKEN"], done.stderr)


@COMMANDS
@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ({"status": 404, "body": "<html>"}, "does not answer like the Prefactor API (HTTP 404)"),
        ({"status": 302, "location": "http://x.invalid/"}, "Nothing is sent to where a redirect"),
        ({"status": 403, "message": "TOKEN"}, "refuses the token"),
        ({"status": 422, "message": "TOKEN"}, "refuses that (HTTP 422"),
    ],
    ids=["page", "redirect", "forbidden", "refused"],
)
def test_each_says_what_is_wrong_with_an_answer(
    api: DevServer, words: list[str], fault: dict[str, Any], told: str
) -> None:
    if "message" in fault:
        fault = fault | {"message": f"no {api.token}{HOSTILE}"}
    api.faults.add(times=None, **fault)
    done = run_command(*words, **of(api))
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert told in done.stderr
    assert_hidden(api.token, done.stderr)
    assert not drives_a_terminal(done.stderr)
