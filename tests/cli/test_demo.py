"""What the demo shows a newcomer, and that it shows it anywhere."""

import json
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from prefactor_otel.devserver import DevServer
from tests.cli.between import of
from tests.cli.command import COMMAND, clean, run_command
from tests.patience import PATIENCE, plain_process


def demo_as_json(*options: str, **variables: str) -> dict[str, Any]:
    done = run_command("demo", "--json", *options, **variables)
    assert (done.returncode, done.stderr) == (0, "")
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def test_the_demo_delivers_a_finished_run_with_its_tree() -> None:
    demo = demo_as_json()
    assert demo["run"]["status"] == "complete"
    assert demo["run"]["started_at"] < demo["run"]["finished_at"]
    spans = demo["spans"]
    [root] = [span for span in spans if span["parent_span_id"] is None]
    assert (root["type"], root["name"]) == ("otel:agent", "travel agent")
    steps = [span for span in spans if span is not root]
    assert {span["parent_span_id"] for span in steps} == {root["id"]}
    assert [(span["type"], span["status"]) for span in steps] == [
        ("otel:llm", "complete"),
        ("otel:tool", "complete"),
        ("otel:llm", "complete"),
        ("otel:tool", "failed"),
        ("otel:llm", "complete"),
    ]
    assert all(0 < span["seconds"] <= root["seconds"] for span in steps)
    assert demo["stats"]["dropped"] == {}
    assert demo["stats"]["accepted"] == demo["stats"]["acknowledged"] == len(spans)


def test_the_demo_has_a_tool_that_fails_and_tokens_on_model_calls_alone() -> None:
    spans = demo_as_json()["spans"]
    [error] = [span["error"] for span in spans if span["error"] is not None]
    assert error["error_type"] == "LookupError"
    assert error["message"] == "no weather station in Atlantis"
    assert "Traceback" in error["stacktrace"]
    usage = [span["token_usage"] for span in spans if span["type"] == "otel:llm"]
    assert [tokens["prompt_tokens"] for tokens in usage] == [61, 92, 123]
    assert sum(tokens["total_tokens"] for tokens in usage) == 336
    assert all(span["token_usage"] is None for span in spans if span["type"] != "otel:llm")


def test_the_demo_leaves_nothing_behind(tmp_path: Path) -> None:
    assert demo_as_json(TMPDIR=str(tmp_path), HOME=str(tmp_path))["database"] is None
    assert [*tmp_path.iterdir()] == []


def test_a_demo_whose_reader_has_gone_ends_in_silence(tmp_path: Path) -> None:
    for words in (["demo"], ["demo", "--json"]):
        with subprocess.Popen(
            [*COMMAND, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=clean(TMPDIR=str(tmp_path)),
        ) as process:
            assert process.stdout is not None
            process.stdout.close()
            _, errors = process.communicate(timeout=PATIENCE)
        assert (process.returncode, errors) == (0, b"")
    assert [*tmp_path.iterdir()] == []


def test_a_kept_demo_is_its_owner_s_alone_and_can_be_read(tmp_path: Path) -> None:
    demo = demo_as_json("--keep", TMPDIR=str(tmp_path))
    database = Path(demo["database"])
    assert database.parent.stat().st_mode & 0o077 == 0
    with DevServer(db=database) as server:
        assert [run["id"] for run in server.instances()] == [demo["run"]["id"]]
        assert {span["id"] for span in server.spans()} == {span["id"] for span in demo["spans"]}


@pytest.mark.parametrize(
    "surroundings",
    [
        {"HTTP_PROXY": "http://127.0.0.1:9", "no_proxy": ""},
        {"PREFACTOR_AGENT_ID": "of-another-account", "PREFACTOR_MAX_BATCH_SIZE": "many"},
        {"OTEL_SDK_DISABLED": "true", "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "1"},
    ],
    ids=["proxy", "settings", "opentelemetry"],
)
def test_the_demo_is_the_same_whatever_the_shell_has_set(surroundings: dict[str, str]) -> None:
    demo = demo_as_json(**surroundings)
    assert demo["run"]["status"] == "complete"
    assert len(demo["spans"]) == 6


def test_the_demo_shows_the_tree_and_the_way_to_the_real_platform() -> None:
    done = run_command("demo")
    assert (done.returncode, done.stderr) == (0, "")
    for shown in (
        "otel:agent travel agent",
        "otel:tool  weather",
        "LookupError",
        "123 → 31 tokens",
        "6 of 6 spans acknowledged",
        "Nothing is left of it. With --keep",
        "PREFACTOR_API_URL=https://app.prefactorai.com",
        "PREFACTOR_API_TOKEN=<your token>",
    ):
        assert shown in done.stdout


def test_a_kept_demo_says_how_to_look_at_it_and_how_to_be_rid_of_it(tmp_path: Path) -> None:
    done = run_command("demo", "--keep", TMPDIR=str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    [folder] = tmp_path.iterdir()
    assert f"prefactor-otel devserver --db {folder}/prefactor.db\n" in done.stdout
    with DevServer(db=folder / "prefactor.db") as server:
        [word] = re.findall(r"prefactor-otel show (\w+) --payloads\n", done.stdout)
        shown = run_command("show", word, **of(server))
    assert "6 spans" in shown.stdout
    assert f"rm -r {folder}\n" in done.stdout


def test_a_terminal_without_unicode_shows_the_tree_as_well() -> None:
    done = run_command("demo", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert "6 of 6 spans acknowledged" in done.stdout


def test_an_interrupted_demo_closes_its_run_and_ends_soon() -> None:
    with subprocess.Popen(
        [*COMMAND, "demo"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=clean()
    ) as process:
        assert process.stdout is not None
        assert "listens on" in process.stdout.readline()
        with plain_process(5) as still_runs:
            process.send_signal(signal.SIGINT)
            output, errors = process.communicate(timeout=PATIENCE)
            assert still_runs()
    assert process.returncode == 1
    assert "Traceback" not in output + errors
    assert "not delivered" not in output + errors


def test_the_command_line_without_all_of_its_packages_says_how_to_get_them() -> None:
    for package, word, extra in (
        *((package, "demo", "local") for package in ("click", "rich", "liquid")),
        ("mcp", "mcp", "mcp"),
    ):
        blocked = f"import runpy, sys; sys.modules['{package}'] = None; "
        command = blocked + "runpy.run_module('prefactor_otel', run_name='__main__')"
        done = subprocess.run(
            [COMMAND[0], "-c", command, word],
            env=clean(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1
        assert done.stderr.strip().endswith(f"In a checkout: pip install -e '.[{extra}]'")
        assert len(done.stderr.splitlines()) == 1
