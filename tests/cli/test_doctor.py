"""The doctor names what is wrong, says what to do, and never shows a token."""

import json
from pathlib import Path

import pytest

from prefactor_otel.devserver import DevServer
from tests.cli.command import run_command, run_in_terminal
from tests.readings import left_open, under_either_reading


def of(api: DevServer) -> dict[str, str]:
    return {"PREFACTOR_API_URL": api.url, "PREFACTOR_API_TOKEN": api.token}


def assert_hidden(secret: str, text: str) -> None:
    pieces = {secret[at : at + 6] for at in range(len(secret) - 5)}
    assert not [piece for piece in pieces if piece in text]


def test_a_healthy_set_up_is_found_healthy(api: DevServer) -> None:
    done = run_command("doctor", "--json", **of(api))
    report = json.loads(done.stdout)
    assert (done.returncode, report["healthy"], done.stderr) == (0, True, "")
    assert [check["name"] for check in report["checks"]] == [
        "client",
        "settings",
        "reachability",
        "token",
        "registration",
    ]
    [instance] = api.instances()
    assert (instance["purpose"], instance["status"]) == ("smoke_test", "cancelled")
    assert instance["id"] in report["checks"][-1]["found"]
    assert_hidden(api.token, done.stdout)


def test_the_agents_that_are_listed_are_registered_too_and_named(api: DevServer) -> None:
    tenants = json.dumps({"clerk": {}, "cook": {"agent_id": "nobody"}})
    done = run_command("doctor", "--json", **of(api), PREFACTOR_TENANTS=tenants)
    checks = json.loads(done.stdout)["checks"][-3:]
    assert [(check["name"], check["outcome"]) for check in checks] == [
        ("registration", "ok"),
        ("registration of 'clerk'", "ok"),
        ("registration of 'cook'", "failed"),
    ]
    assert "agent_id" in checks[-1]["found"]


@pytest.mark.parametrize(
    ("variables", "failing", "advice"),
    [
        ({"PREFACTOR_API_TOKEN": ""}, "settings", "set PREFACTOR_API_TOKEN"),
        ({"PREFACTOR_API_TOKEN": "geheim\nnis_twolines"}, "settings", "variable that is named"),
        ({"PREFACTOR_API_URL": "nowhere"}, "settings", "PREFACTOR_API_URL"),
        ({"PREFACTOR_SHUTDOWN_TIMEOUT": "soon"}, "settings", "PREFACTOR_SHUTDOWN_TIMEOUT"),
        ({"PREFACTOR_API_TOKEN": "geheimnis_wrong"}, "token", "PREFACTOR_API_TOKEN"),
        ({"PREFACTOR_API_URL": "http://127.0.0.1:9"}, "reachability", "PREFACTOR_API_URL"),
        ({"PREFACTOR_API_URL": "http://x.invalid"}, "reachability", "PREFACTOR_API_URL"),
        ({"PREFACTOR_AGENT_ID": "nobody"}, "registration", "PREFACTOR_AGENT_ID"),
        ({"PREFACTOR_SPAN_TYPES": '{"a": {"titel": ""}}'}, "settings", "must be one of title"),
        (
            {"PREFACTOR_SPAN_TYPES": '{"a": {"template": "{% no %}"}}'},
            "registration",
            "Correct what PREFACTOR_SPAN_TYPES",
        ),
    ],
)
def test_it_says_what_is_wrong_and_what_to_do(
    api: DevServer, variables: dict[str, str], failing: str, advice: str
) -> None:
    done = run_command("doctor", **of(api) | variables)
    assert (done.returncode, done.stderr) == (1, "")
    [line] = [line for line in done.stdout.splitlines() if line.startswith("✗")]
    assert line.startswith(f"✗ {failing}:")
    assert advice in done.stdout
    assert_hidden((of(api) | variables)["PREFACTOR_API_TOKEN"], done.stdout)


@pytest.mark.parametrize(
    ("path", "status", "failing", "advice"),
    [
        ("/api/v1/agent_instance/register", 422, "registration", "PREFACTOR_ENVIRONMENT_ID"),
        ("/api/v1/agent_instance/register", 503, "registration", "try again"),
        ("/api/v1/ping", 503, "reachability", "try again"),
    ],
)
def test_it_tells_a_refusal_from_trouble_that_passes(
    api: DevServer, path: str, status: int, failing: str, advice: str
) -> None:
    api.faults.add(path=path, status=status, times=None)
    done = run_command("doctor", **of(api))
    assert done.returncode == 1
    assert f"✗ {failing}:" in done.stdout
    assert f"HTTP {status}" in done.stdout
    assert advice in done.stdout


@pytest.mark.parametrize(
    ("url", "is_told"), [("http://x.invalid", True), ("https://x.invalid", False)]
)
def test_it_warns_of_a_token_on_an_open_line(url: str, is_told: bool) -> None:
    done = run_command("doctor", PREFACTOR_API_URL=url, PREFACTOR_API_TOKEN="geheimnis")
    assert ("! encryption: the token and all spans go to x.invalid" in done.stdout) is is_told
    assert ("let PREFACTOR_API_URL begin with https://" in done.stdout) is is_told


def test_it_knows_an_api_from_a_web_page(api: DevServer) -> None:
    api.faults.add(status=404, body="<html>", times=None)
    done = run_command("doctor", **of(api))
    assert done.returncode == 1
    assert "does not answer like the Prefactor API" in done.stdout


def test_a_token_in_the_wrong_variable_is_not_shown() -> None:
    secret = "geheimnis_5y9q2k"
    for url in (secret, f"http://user:{secret}@127.0.0.1:9"):
        done = run_command("doctor", PREFACTOR_API_URL=url, PREFACTOR_API_TOKEN=secret)
        assert done.returncode == 1
        assert "PREFACTOR_API_URL" in done.stdout
        assert_hidden(secret, done.stdout + done.stderr)
    done = run_command(
        "doctor", PREFACTOR_API_URL=f"http://user:{secret}@127.0.0.1:9", PREFACTOR_API_TOKEN="other"
    )
    assert_hidden(secret, done.stdout + done.stderr)


def test_a_token_that_the_api_repeats_is_not_shown(api: DevServer) -> None:
    api.faults.add(path="/register", status=422, code=f"bad {api.token}", times=None)
    done = run_command("doctor", **of(api))
    assert "✗ registration:" in done.stdout
    assert_hidden(api.token, done.stdout + done.stderr)


def test_a_probe_is_sent_by_the_exporter_and_read_back(api: DevServer, tmp_path: Path) -> None:
    spool = {"PREFACTOR_SPOOL_DIR": str(tmp_path / "spool"), "PREFACTOR_RUN_SCOPE": "trace"}
    done = run_command("doctor", "--probe", "--json", **of(api), **spool)
    report = json.loads(done.stdout)
    assert (done.returncode, report["healthy"], done.stderr) == (0, True, "")
    assert report["probe"]["run"]["status"] == "complete"
    assert [span["type"] for span in report["probe"]["spans"]].count("otel:llm") == 3
    assert {span["id"] for span in report["probe"]["spans"]} == {s["id"] for s in api.spans()}
    assert {run["purpose"] for run in api.instances()} == {"smoke_test"}
    assert not (tmp_path / "spool").exists()


def test_a_probe_is_shown_as_the_platform_has_it(api: DevServer) -> None:
    done = run_command("doctor", "--probe", **of(api))
    assert done.returncode == 0
    assert "✓ probe: a smoke-test run of 6 spans was sent and read back" in done.stdout
    assert "otel:agent travel agent" in done.stdout
    assert "LookupError: no weather" in done.stdout


@under_either_reading
def test_a_probe_finds_out_what_the_platform_lets_be_cancelled(
    api: DevServer, lenient_cancel: bool
) -> None:
    done = run_command("doctor", "--probe", "--json", **of(api))
    told = json.loads(done.stdout)["checks"][-1]
    assert (done.returncode, told["name"], told["outcome"]) == (0, "cancellation", "ok")
    reading = "what has begun may be" if lenient_cancel else "only what never began may be"
    assert told["found"].startswith(f"{reading} cancelled: ")
    assert left_open(api) == []


@pytest.mark.parametrize("status", [409, 503])
def test_a_probe_whose_run_cannot_be_ended_says_that_it_is_open(
    api: DevServer, status: int
) -> None:
    api.faults.add(path="/finish$", delay=0.001, times=2)  # the runs before it end well
    api.faults.add(path="/finish$", status=status, times=None)
    done = run_command("doctor", "--probe", **of(api))
    assert done.returncode == 1
    assert f"✗ cancellation: a run that has begun cannot be ended (HTTP {status})" in done.stdout
    assert "that is open" in done.stdout


def test_a_probe_that_the_platform_refuses_in_part_fails(api: DevServer) -> None:
    api.faults.add(bulk_error="not_acceptable", item="agent_spans/create")
    done = run_command("doctor", "--probe", **of(api))
    assert done.returncode == 1
    assert "✗ probe:" in done.stdout


def test_a_probe_that_cannot_be_read_says_that_sending_may_work(api: DevServer) -> None:
    api.faults.add(path="/agent_spans$", method="GET", status=403, times=None)
    done = run_command("doctor", "--probe", **of(api))
    assert done.returncode == 1
    assert "✗ probe: a run was sent and cannot be read back" in done.stdout
    assert "not be allowed to read" in done.stdout


def test_without_a_token_it_names_the_way_that_needs_no_account() -> None:
    done = run_command("doctor")
    assert done.returncode == 1
    assert "set PREFACTOR_API_TOKEN" in done.stdout
    assert "prefactor-otel devserver" in done.stdout


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("PREFACTOR_API_TOKE", "PREFACTOR_API_TOKEN"),
        ("PREFACTOR_TOKEN", "PREFACTOR_API_TOKEN"),
        ("PREFACTOR_URL", "PREFACTOR_API_URL"),
        ("prefactor_spooldir", "PREFACTOR_SPOOL_DIR"),
        ("PREFACTOR_AGENT_VERSION", "PREFACTOR_AGENT_IDENTIFIER"),
        ("PREFACTOR_PROFILE", None),
        ("PREFACTOR_LOG_LEVEL", None),
        ("PREFACTOR_RETRY_ON_STATUS_CODES", None),
    ],
)
def test_a_variable_that_nothing_reads_is_named_with_the_nearest_that_something_does(
    api: DevServer, name: str, nearest: str | None
) -> None:
    done = run_command("doctor", "--json", **of(api) | {name: "geheimnis"})
    report = json.loads(done.stdout)
    assert (done.returncode, report["healthy"]) == (0, True)
    [told] = [check for check in report["checks"] if check["outcome"] == "warning"]
    assert name in told["found"]
    assert (f"{nearest} in place of {name}" in told["remedy"]) is (nearest is not None)
    assert "geheimnis" not in done.stdout
    shown = run_command("doctor", **of(api) | {name: "geheimnis"}).stdout
    assert shown.startswith("! variables: ")


def test_a_misspelt_variable_is_named_where_its_lack_is_found(api: DevServer) -> None:
    done = run_command("doctor", PREFACTOR_API_TOKE=api.token)
    assert done.returncode == 1
    assert "PREFACTOR_API_TOKEN in place of PREFACTOR_API_TOKE" in done.stdout
    assert "✗ settings: PREFACTOR_API_TOKEN is not set" in done.stdout
    assert_hidden(api.token, done.stdout)


@pytest.mark.parametrize("columns", [80, 40])
def test_a_probe_is_folded_at_the_edge_of_a_terminal_and_whole_in_a_pipe(
    api: DevServer, columns: int
) -> None:
    code, written = run_in_terminal("doctor", "--probe", columns=columns, NO_COLOR="1", **of(api))
    assert code == 0
    words = [word for line in written.splitlines() for word in line.strip("│├└─ ").split()]
    assert "LookupError: no weather station in Atlantis" in " ".join(words)
    piped = run_command("doctor", "--probe", **of(api)).stdout
    assert "failed  LookupError: no weather station in Atlantis\n" in piped


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_what_is_well_and_what_is_not_look_different_on_any_terminal(
    api: DevServer, encoding: str
) -> None:
    variables = of(api) | {"PREFACTOR_AGENT_ID": "nobody", "PYTHONIOENCODING": encoding}
    done = run_command("doctor", **variables)
    assert [line.split(" ")[0] for line in done.stdout.splitlines() if line[0] != " "] == [
        *("ok", "ok", "ok", "ok"),
        "x",
    ]
