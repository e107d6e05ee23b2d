"""The examples of frameworks run as they stand, in the environments of these."""

import os
import subprocess
from pathlib import Path
from typing import Final

import pytest

from prefactor_otel.devserver import DevServer
from tests.http.environments import CHECKOUT
from tests.live.frameworks import LANGGRAPH, OPENAI, PYDANTIC_AI, Framework
from tests.live.stories import environment, read_back
from tests.model import ANSWER, FakeModel
from tests.patience import PATIENCE

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.xdist_group("frameworks"),
]
EXAMPLES: Final = {
    PYDANTIC_AI: "pydantic_ai_agent.py",
    LANGGRAPH: "langgraph_agent.py",
    OPENAI: "openai_tools.py",
}
each = pytest.mark.parametrize(("framework", "name"), EXAMPLES.items(), ids=EXAMPLES.values())


def run(python: Path, name: str, *options: str, **variables: str) -> str:
    done = subprocess.run(
        [str(python), str(CHECKOUT / "examples" / name), *options],
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | variables,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@each
def test_an_example_shows_its_run_without_any_account(
    pythons: dict[Framework, Path], framework: Framework, name: str
) -> None:
    said, run_line, root, *spans = run(pythons[framework], name).rstrip().split("\n")
    assert said == ANSWER
    assert "  complete  " in run_line
    assert root.startswith("└── otel:") and " weather agent  " in root
    assert sum("otel:llm " in line for line in spans) == 2
    assert sum("otel:tool " in line and " get_weather " in line for line in spans) == 1


@each
def test_an_example_asks_a_real_provider_and_sends_its_run_to_the_platform(
    pythons: dict[Framework, Path], framework: Framework, name: str
) -> None:
    with DevServer() as server, FakeModel() as model:
        said = run(pythons[framework], name, "--live", **environment(server, model))
        runs, spans = read_back(server)
    assert said == f"{ANSWER}\n"
    assert [run["status"] for run in runs] == ["complete"]
    assert {span.status for span in spans} == {"complete"}
    calls = [span.token_usage for span in spans if span.type == "llm"]
    assert (
        [usage and usage["total_tokens"] for usage in calls] == [150] * model.answered == [150] * 2
    )
