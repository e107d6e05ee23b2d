"""The exporter where the official packages have put their ``prefactor_http`` in the place of ours,
and where their removal has taken it away."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from prefactor_otel.devserver import DevServer
from tests.cli.command import clean
from tests.devserver.calls import Caller
from tests.http import environments

DOORS = Path(__file__).with_name("doors.py")
OFFICIAL = ("prefactor-core==0.5.3", "prefactor-http==0.4.3")
CALLS = ("exporter", "processor", "configured", "none")

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("replaced")]


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with our wheel, over which the official packages were
    installed."""
    folder = tmp_path_factory.mktemp("replaced")
    wheel = environments.build_wheel(folder)
    python = environments.make(
        folder / "environment", f"{wheel}[local]", "opentelemetry-distro>=0.57b0"
    )
    environments.run(python, "-m", "pip", "install", "--quiet", "--no-compile", *OFFICIAL)
    return python


@pytest.fixture(scope="module")
def bereft(user: Path) -> Iterator[Path]:
    """The same after these were removed, which leaves nothing to import by that name."""
    environments.run(user, "-m", "pip", "uninstall", "--quiet", "--yes", "prefactor-http")
    yield user
    environments.run(user, "-m", "pip", "install", "--quiet", "--no-compile", *OFFICIAL)


def run(python: Path, *words: str, api: DevServer, **variables: str) -> tuple[str, str]:
    """What it prints and logs; fails with both."""
    environment = clean(
        PREFACTOR_API_URL=api.url,
        PREFACTOR_API_TOKEN=api.token,
        PATH=f"{python.parent}{os.pathsep}{os.environ['PATH']}",
        **variables,
    )
    done = subprocess.run(words, env=environment, cwd=python.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout, done.stderr


def run_door(python: Path, door: str, api: DevServer, **variables: str) -> str:
    """What it logs."""
    zero_code = {f"OTEL_{signal}_EXPORTER": "none" for signal in ("METRICS", "LOGS")}
    zero_code["OTEL_TRACES_EXPORTER"] = "prefactor"
    by = ("opentelemetry-instrument",) if door == "none" else ()
    _, log = run(python, *by, "python", str(DOORS), door, api=api, **zero_code, **variables)
    return log


def assert_all_arrived(api: DevServer) -> None:
    assert [run["status"] for run in api.instances()] == ["complete"]
    spans = {span["payload"]["name"]: span for span in api.spans()}
    assert spans.keys() == {"outer", "inner"}
    assert spans["inner"]["parent_span_id"] == spans["outer"]["id"]
    assert {span["status"] for span in spans.values()} == {"complete"}


@pytest.mark.parametrize("door", CALLS)
def test_spans_of_every_door_arrive(user: Path, api: DevServer, door: str) -> None:
    assert run_door(user, door, api) == ""
    assert_all_arrived(api)


def test_failures_of_the_api_are_outlasted(user: Path, api: DevServer) -> None:
    for path in ("/register", "/start", "/bulk", "/finish"):
        api.faults.add(path=path, status=503)
    log = run_door(user, "configured", api, PREFACTOR_SHUTDOWN_TIMEOUT="60")
    assert "Prefactor cannot be reached (HTTP 503 scripted_fault); spans wait" in log
    assert_all_arrived(api)


def test_the_demo_runs(user: Path, api: DevServer) -> None:
    told, log = run(user, "prefactor-otel", "demo", "--json", api=api)
    assert log == ""
    shown = json.loads(told)
    assert shown["stats"]["acknowledged"] == len(shown["spans"]) == 6


def test_the_doctor_finds_all_well_and_says_whose_client_it_is(user: Path, api: DevServer) -> None:
    told, _ = run(user, "prefactor-otel", "doctor", "--probe", api=api)
    assert "client: prefactor_http is that of prefactor-http 0.4.3" in told
    assert "probe: a smoke-test run of 6 spans was sent and read back" in told


def test_runs_are_read_and_steered_by_the_official_client(user: Path, api: DevServer) -> None:
    run_door(user, "configured", api)
    [found] = api.instances()
    told, _ = run(user, "prefactor-otel", "runs", api=api)
    assert found["id"] in told
    told, _ = run(user, "prefactor-otel", "show", "last", api=api)
    assert told.startswith(f"run {found['id']}  complete  2 spans")
    active = Caller(api).active()
    run(user, "prefactor-otel", "terminate", active, "--reason", "too dear", api=api)
    assert [each["status"] for each in api.instances()] == ["complete", "terminated"]


@pytest.mark.parametrize("door", CALLS)
def test_spans_of_every_door_arrive_without_any_client(
    bereft: Path, api: DevServer, door: str
) -> None:
    assert run_door(bereft, door, api) == ""
    assert_all_arrived(api)


def test_the_doctor_says_how_to_bring_back_ours(bereft: Path, api: DevServer) -> None:
    told, _ = run(bereft, "prefactor-otel", "doctor", api=api)
    assert "client: prefactor_http cannot be imported (ModuleNotFoundError)" in told
    assert "install prefactor-otel again, from where it came: pip install --force-re" in told
