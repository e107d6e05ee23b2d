"""The examples run as they stand, and what they promise arrives."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from prefactor_otel.devserver import DevServer
from tests.patience import PATIENCE
from tests.process.scripts import localhost

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"


def run_example(api: DevServer, *command: str, **variables: str) -> str:
    environment = {n: v for n, v in os.environ.items() if not n.startswith(("PREFACTOR_", "OTEL_"))}
    environment |= {
        "PREFACTOR_API_URL": localhost(api),
        "PREFACTOR_API_TOKEN": api.token,
    }
    done = subprocess.run(
        command,
        env=environment | variables,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def tree(api: DevServer) -> dict[str, object]:
    rows = api.spans()
    names = {row["id"]: row["payload"]["name"] for row in rows}
    assert all(row["status"] == "complete" for row in rows)
    return {row["payload"]["name"]: names.get(row["parent_span_id"]) for row in rows}


def test_quickstart(api: DevServer) -> None:
    assert run_example(api, sys.executable, str(EXAMPLES / "quickstart.py")) == "Forty-two.\n"
    assert tree(api) == {"oracle": None, "chat example-model": "oracle"}
    assert api.instances()[0]["status"] == "complete"


def test_live_processor(api: DevServer) -> None:
    said = run_example(api, sys.executable, str(EXAMPLES / "live_processor.py"))
    assert "on the platform: True" in said
    assert "4 of 4 spans acknowledged" in said
    assert tree(api) == {"clerk": None, "read_page": "clerk"}


def test_content_in_records(api: DevServer) -> None:
    said = run_example(api, sys.executable, str(EXAMPLES / "content_in_records.py"))
    assert said == "Forty-two.\n0 records without their span\n"
    [row] = api.spans()
    asked, answered = row["payload"]["inputs"], row["payload"]["outputs"]
    assert asked["messages"] == [{"role": "user", "content": "What is the answer?"}]
    assert answered["messages"] == [{"role": "assistant", "content": "Forty-two."}]
    assert not any(b"stays in the process" in request.raw for request in api.requests)


def test_two_agents(api: DevServer) -> None:
    run_example(api, sys.executable, str(EXAMPLES / "two_agents.py"))
    runs: dict[str, list[str]] = {run["id"]: [] for run in api.instances()}
    for row in api.spans():
        runs[row["agent_instance_id"]].append(row["payload"]["name"])
    assert sorted(map(len, runs.values())) == [1, 1, 3]
    said = {row["payload"]["name"]: "please" in str(row["payload"]) for row in api.spans()}
    assert sum(said.values()) == 1


def test_privacy(api: DevServer) -> None:
    said = run_example(api, sys.executable, str(EXAMPLES / "privacy.py"))
    assert said == "1 span sent, masked\n"
    (row,) = api.spans()
    assert row["payload"]["name"] == "refund [order]"
    assert row["payload"]["inputs"] == {
        "to": "[email]",
        "card": "[credit card]",
        "reason": {"$sensitive": "string", "value": "the tent leaks", "labels": ["customer"]},
    }
    output = row["result_payload"]["output"]
    assert output == "[order] is refunded. Thank you! Thank yo…[cut: 241 characters]"
    assert row["sensitive_encoding"] is True


def test_zero_code(api: DevServer) -> None:
    instrument = str(Path(sys.executable).parent / "opentelemetry-instrument")
    application = EXAMPLES / "zero_code" / "app.py"
    assert "prefactor_otel" not in application.read_text()
    said = run_example(
        api,
        instrument,
        sys.executable,
        str(application),
        OTEL_TRACES_EXPORTER="prefactor",
        OTEL_METRICS_EXPORTER="none",
        OTEL_LOGS_EXPORTER="none",
    )
    assert said == "9\n"
    assert tree(api) == {"checkout": None, "price": "checkout"}


def test_web_service(api: DevServer) -> None:
    said = run_example(api, sys.executable, str(EXAMPLES / "web_service.py"))
    assert said == "a table for anna, a table for ben, a table for cleo\n"
    runs: dict[str, list[str]] = {}
    for row in api.spans():
        runs.setdefault(row["agent_instance_id"], []).append(row["payload"]["name"])
    served = ["concierge", "find_table"]
    expected = [served, served, served, ["count spoons", "lock up"]]
    assert sorted(sorted(names) for names in runs.values()) == expected
    assert {run["status"] for run in api.instances()} == {"complete"}


def test_distributed(api: DevServer) -> None:
    said = run_example(api, sys.executable, str(EXAMPLES / "distributed.py"))
    assert said == "a seat by the window\n"
    assert tree(api) == {
        "warm up": None,
        "travel": None,
        "ask pilot": "travel",
        "pilot": "ask pilot",
        "send hotel": "travel",
        "book hotel": "send hotel",
    }
    runs = {row["payload"]["name"]: row["agent_instance_id"] for row in api.spans()}
    assert runs.pop("warm up") not in runs.values()
    assert len(set(runs.values())) == 1
    assert {run["status"] for run in api.instances()} == {"complete"}


def test_kill_switch(api: DevServer) -> None:
    said = subprocess.run(
        [sys.executable, str(EXAMPLES / "kill_switch.py")],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    assert said.stdout == "stopped: it only turns the wheel\nthe run is terminated\n"
    assert "was terminated on the platform" in said.stderr


def test_filter_and_types(api: DevServer) -> None:
    assert run_example(api, sys.executable, str(EXAMPLES / "filter_and_types.py")) == ""
    below = {"outbox": "postmaster", "release the mail": "outbox", "send_email": "outbox"}
    assert tree(api) == {"postmaster": None} | below
    assert {row["schema_name"].partition(":")[0] for row in api.spans()} == {"langchain"}
    told = {row["payload"]["name"]: (row["schema_name"], row["summary"]) for row in api.spans()}
    assert told["release the mail"] == ("langchain:approval", "release the mail by ada")
    assert told["send_email"] == ("langchain:tool:send_email", "to anna@example.com: Your table")


def test_http_client(api: DevServer) -> None:
    said = run_example(api, sys.executable, str(EXAMPLES / "http_client.py"))
    assert said.strip().endswith("is complete")
    assert tree(api) == {"first step": None}


@pytest.mark.parametrize("path", sorted(EXAMPLES.rglob("*.py")), ids=lambda path: path.name)
def test_an_example_can_be_read_in_a_minute(path: Path) -> None:
    assert len(path.read_text().splitlines()) < 70
