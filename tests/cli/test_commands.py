"""What a newcomer types, and what then happens."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from prefactor_otel.devserver import DevServer


def run_command(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {n: v for n, v in os.environ.items() if not n.startswith("PREFACTOR_")}
    return subprocess.run(
        [sys.executable, "-c", "from prefactor_otel.cli import main; main()", *words],
        env=environment | variables,
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
    )


def of(api: DevServer) -> dict[str, str]:
    return {"PREFACTOR_API_URL": api.url, "PREFACTOR_API_TOKEN": api.token}


def test_the_demo_delivers_a_finished_run_with_its_tree_in_time() -> None:
    begun = time.monotonic()
    done = run_command("demo", "--json")
    assert time.monotonic() - begun < 15
    assert (done.returncode, done.stderr) == (0, "")
    demo = json.loads(done.stdout)
    assert demo["run"]["status"] == "complete"
    spans = demo["spans"]
    [root] = [span for span in spans if span["parent_span_id"] is None]
    assert (root["type"], root["name"]) == ("otel:agent", "travel agent")
    assert {s["parent_span_id"] for s in spans if s is not root} == {root["id"]}
    types = sorted(span["type"] for span in spans)
    assert types == ["otel:agent", *["otel:llm"] * 3, *["otel:tool"] * 2]
    [failed] = [span for span in spans if span["status"] == "failed"]
    assert failed["error"]["error_type"] == "LookupError"
    assert failed["type"] == "otel:tool"
    usage = [span["token_usage"] for span in spans if span["token_usage"]]
    assert sum(tokens["total_tokens"] for tokens in usage) == 336
    assert Path(demo["database"]).stat().st_mode & 0o077 == 0


def test_the_demo_shows_the_tree_and_the_way_to_the_real_platform() -> None:
    done = run_command("demo")
    assert done.returncode == 0
    for shown in (
        "otel:agent travel agent",
        "otel:tool  weather",
        "LookupError",
        "123 → 31 tokens",
        "6 of 6 spans acknowledged",
        "PREFACTOR_API_TOKEN",
    ):
        assert shown in done.stdout


def test_the_doctor_finds_a_healthy_set_up_healthy(api: DevServer) -> None:
    done = run_command("doctor", "--json", **of(api))
    report = json.loads(done.stdout)
    assert (done.returncode, report["healthy"]) == (0, True)
    assert [check["name"] for check in report["checks"]] == [
        "settings",
        "reachability",
        "token",
        "registration",
    ]
    [instance] = api.instances()
    assert (instance["purpose"], instance["status"]) == ("smoke_test", "cancelled")
    assert api.token not in done.stdout


@pytest.mark.parametrize(
    ("variables", "failing", "advice"),
    [
        ({"PREFACTOR_API_TOKEN": ""}, "settings", "PREFACTOR_API_TOKEN"),
        ({"PREFACTOR_API_URL": "nowhere"}, "settings", "PREFACTOR_API_URL"),
        ({"PREFACTOR_API_TOKEN": "pf_wrong_secret_token"}, "token", "PREFACTOR_API_TOKEN"),
        ({"PREFACTOR_API_URL": "http://127.0.0.1:9"}, "reachability", "PREFACTOR_API_URL"),
        ({"PREFACTOR_AGENT_ID": "nobody"}, "registration", "PREFACTOR_AGENT_ID"),
    ],
)
def test_the_doctor_says_what_is_wrong_and_what_to_do(
    api: DevServer, variables: dict[str, str], failing: str, advice: str
) -> None:
    done = run_command("doctor", **of(api) | variables)
    assert done.returncode == 1
    assert f"✗ {failing}:" in done.stdout
    assert advice in done.stdout
    assert "Traceback" not in done.stderr
    token = (of(api) | variables)["PREFACTOR_API_TOKEN"]
    assert not token or token[3:] not in done.stdout + done.stderr


def test_the_doctor_knows_an_api_from_a_web_page(api: DevServer) -> None:
    api.faults.add(status=404, body="<html>", times=None)
    done = run_command("doctor", **of(api))
    assert done.returncode == 1
    assert "does not answer like the Prefactor API" in done.stdout


def test_the_devserver_says_how_to_use_it_and_stops_on_interrupt(tmp_path: Path) -> None:
    database = tmp_path / "data.db"
    command = [sys.executable, "-c", "from prefactor_otel.cli import main; main()", "devserver"]
    with subprocess.Popen(
        [*command, "--port", "0", "--db", str(database), "--token", "mine"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    ) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(3)]
        assert lines[1].startswith("export PREFACTOR_API_URL=http://127.0.0.1:")
        assert lines[2] == "export PREFACTOR_API_TOKEN=mine\n"
        url = lines[1].strip().partition("=")[2]
        healthy = run_command("doctor", PREFACTOR_API_URL=url, PREFACTOR_API_TOKEN="mine")
        assert healthy.returncode == 0
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=10)
    assert (process.returncode, errors) == (0, "")
    assert database.exists()


def test_the_devserver_refuses_to_listen_to_others_without_a_token_of_yours() -> None:
    done = run_command("devserver", "--host", "0.0.0.0", "--port", "0")
    assert done.returncode == 1
    assert "token" in done.stderr
    assert "Traceback" not in done.stderr
