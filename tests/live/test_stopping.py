"""A run is terminated while its model thinks: which frameworks let the exception stop the agent.

It is raised where the next span starts, inside the instrumentation, which lets it through; where
LangChain swallows that, by a callback of ours.
"""

import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

from prefactor_otel.devserver import DevServer
from tests.live.frameworks import (
    LANGGRAPH,
    LANGGRAPH_LIVE,
    OPENAI,
    PYDANTIC_AI,
    STRANDS,
    Framework,
)
from tests.live.stories import environment, launch, read_back, without_code
from tests.model import FakeModel
from tests.patience import PATIENCE

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.xdist_group("frameworks"),
]


@dataclass(frozen=True)
class Stopped:
    """How the process ended, how often its model was asked, and what the platform has."""

    code: int
    stdout: str
    stderr: str
    asked: int
    statuses: list[str]
    spans: list[str]


def stop(framework: Framework, python: Path) -> Stopped:
    """Terminate the run as soon as the model is asked for the first time, and let it answer when
    the application has learnt of that."""
    heard, told = threading.Event(), []

    def think() -> None:
        if heard.is_set():
            return
        assert server.wait_until(lambda api: [r for r in api.instances() if r["started_at"]], 30)
        server.terminate(server.instances()[0]["id"], "enough")
        assert heard.wait(PATIENCE)

    with DevServer() as server, FakeModel(think) as model:
        settings = {"PREFACTOR_ON_TERMINATE": "raise", "PREFACTOR_POLL_INTERVAL": "0.1"}
        with subprocess.Popen(
            [*launch(framework, python), "chat", "What is the weather in Paris?", *framework.door],
            env=environment(server, model) | without_code(framework) | settings,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stderr is not None and process.stdout is not None
            for line in process.stderr:
                told.append(line)
                if "was terminated" in line:
                    heard.set()
            said = process.stdout.read()
        code = process.returncode
        runs, spans = read_back(server)
        statuses, names = [run["status"] for run in runs], [span.type for span in spans]
        return Stopped(code, said, "".join(told), model.answered, statuses, names)


@pytest.mark.parametrize(
    "framework", [PYDANTIC_AI, LANGGRAPH, LANGGRAPH_LIVE, OPENAI, STRANDS], ids=str
)
def test_an_agent_stops_before_its_next_step(
    pythons: dict[Framework, Path], framework: Framework
) -> None:
    stopped = stop(framework, pythons[framework])
    assert (stopped.code, stopped.stdout, stopped.asked) == (1, "", 1)
    assert "PrefactorTerminatedError: run " in stopped.stderr
    assert "was terminated: enough" in stopped.stderr
    assert "Error in" not in stopped.stderr
    assert "needs span starts" not in stopped.stderr
    assert stopped.statuses == ["terminated"]
    assert "tool" not in stopped.spans
