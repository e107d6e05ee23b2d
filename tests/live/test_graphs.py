"""A run is terminated while its LangGraph graph is amid a step: the graph takes no other, though
LangChain swallows what the starts of spans raise in it, and though nothing in the graph knows."""

import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

from prefactor_otel.devserver import DevServer
from tests.live.frameworks import GRAPHS, Framework
from tests.patience import PATIENCE
from tests.process.scripts import environment_of

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.xdist_group("frameworks"),
]

STOPS = {"PREFACTOR_ON_TERMINATE": "raise", "PREFACTOR_POLL_INTERVAL": "0.1"}
CASES = (
    *("invoke", "ainvoke", "stream", "astream", "branches", "branches-async"),
    *("subgraph", "subgraph-async", "model", "tool", "retry", "retry-async"),
)


@dataclass(frozen=True)
class Watched:
    """What the graphs have said, and how the platform has their runs."""

    said: list[str]
    statuses: list[str]
    stderr: str


def watch(python: Path, case: str, by: str, **settings: str) -> Watched:
    """Run the application, and terminate the run that began last when its graph is amid a step."""
    told, said, logged = threading.Event(), list[str](), list[str]()

    def listen(lines: "subprocess.Popen[str]") -> None:
        for line in lines.stderr or ():
            logged.append(line)
            if "was terminated on the platform" in line:
                told.set()

    def terminate() -> None:
        runs = server.wait_until(active, PATIENCE)
        assert runs
        server.terminate(active(server)[-1]["id"], "enough")
        assert told.wait(PATIENCE), "".join(logged)

    def active(api: DevServer) -> list[dict[str, str]]:
        begun = [run for run in api.instances() if run["status"] == "active"]
        return begun if len(begun) == expected else []

    expected = 2 if case in ("side-by-side", "threads") else 1
    with DevServer() as server:
        process = subprocess.Popen(
            [str(python), str(GRAPHS.app), case, by],
            env=environment_of(server.url, server.token) | STOPS | settings,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        with process:
            listening = threading.Thread(target=listen, args=(process,))
            listening.start()
            assert process.stdin is not None and process.stdout is not None
            for line in process.stdout:
                said.append(line.strip())
                if line.startswith("at "):
                    terminate()
                    process.stdin.write("\n")
                    process.stdin.flush()
            listening.join()
        assert process.returncode == 0, "".join(logged)
        return Watched(said, [run["status"] for run in server.instances()], "".join(logged))


@pytest.fixture(scope="module")
def python(pythons: dict[Framework, Path]) -> Path:
    """The interpreter that has LangGraph."""
    return pythons[GRAPHS]


def told_of_the_stop_alone(logged: str) -> bool:
    """Whether there is our one line of the stop, and no other: nothing is wrong."""
    [line] = logged.splitlines()
    return line.endswith("was terminated on the platform; its later spans are not sent")


@pytest.mark.parametrize(
    ("case", "scope"),
    [*((case, "trace") for case in CASES), ("invoke", "provider"), ("astream", "provider")],
)
def test_a_graph_takes_no_other_step_and_its_caller_learns_why(
    python: Path, case: str, scope: str
) -> None:
    watched = watch(python, case, "openinference", PREFACTOR_RUN_SCOPE=scope)
    inside = "inner" if case.startswith("subgraph") else "graph"
    assert watched.said == [f"at {inside}", "graph stopped: enough"]
    assert watched.statuses == ["terminated"]
    assert told_of_the_stop_alone(watched.stderr)


@pytest.mark.parametrize("by", ["openllmetry", "opentelemetry"])
@pytest.mark.parametrize("case", ["invoke", "ainvoke", "tool"])
def test_it_stops_whichever_instrumentation_watches_it(python: Path, case: str, by: str) -> None:
    watched = watch(python, case, by, PREFACTOR_RUN_SCOPE="trace")
    assert watched.said == ["at graph", "graph stopped: enough"]
    assert told_of_the_stop_alone(watched.stderr)


def test_it_stops_in_the_run_of_its_process_though_nothing_watches_it(python: Path) -> None:
    watched = watch(python, "model", "nobody")
    assert watched.said == ["at graph", "graph stopped: enough"]
    assert told_of_the_stop_alone(watched.stderr)


@pytest.mark.parametrize("case", ["side-by-side", "threads"])
def test_of_two_graphs_only_the_one_stops_whose_run_was_terminated(python: Path, case: str) -> None:
    watched = watch(python, case, "openinference", PREFACTOR_RUN_SCOPE="trace")
    assert sorted(watched.said) == [
        "at ended",
        "ended stopped: enough",
        "kept ended",
        "went on to second",
    ]
    assert sorted(watched.statuses) == ["complete", "terminated"]


def test_the_graphs_of_a_forked_child_go_on_in_its_own_run(python: Path) -> None:
    watched = watch(python, "fork", "openinference")
    assert watched.said == [
        "at parent",
        "parent stopped: enough",
        "went on to only",
        "child ended",
    ]
    assert sorted(watched.statuses) == ["complete", "terminated"]


def test_after_a_shutdown_graphs_are_as_they_were_without_us(python: Path) -> None:
    watched = watch(python, "shutdown", "openinference")
    assert watched.said == [
        "at stopped",
        "stopped stopped: enough",
        "['StopHandler'] before",
        "[] after",
        "went on to only",
        "child ended",
    ]


@pytest.mark.parametrize("reaction", ["cancel", ""])
def test_without_the_option_a_graph_goes_on(python: Path, reaction: str) -> None:
    watched = watch(python, "invoke", "openinference", PREFACTOR_ON_TERMINATE=reaction)
    assert watched.said == ["at graph", "went on to second", "graph ended"]
