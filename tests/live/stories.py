"""An application of a framework is asked one question; what became of it is read from the API."""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefactor_otel.devserver import DevServer
from tests.devserver.calls import Caller
from tests.live.frameworks import Framework
from tests.live.model import FakeModel
from tests.process.scripts import localhost

Json = dict[str, Any]


@dataclass(frozen=True)
class Story:
    """How the process ended, and what its runs and spans look like to a reader of the API."""

    code: int
    stdout: str
    stderr: str
    answered: int
    runs: list[Json]
    spans: list[Json]
    refused: list[Json]

    def of_type(self, schema_name: str) -> list[Json]:
        """The payloads of the spans of a type, in order of their start."""
        return [span["payload"] for span in self.spans if span["schema_name"] == schema_name]

    @property
    def outline(self) -> list[str]:
        """The spans as an indented list, each under its parent: type, name and status."""
        return [f"{'  ' * depth}{_line(span)}" for depth, span in self._walk(None, 0)]

    def _walk(self, parent: str | None, depth: int) -> Iterator[tuple[int, Json]]:
        for span in self.spans:
            if span["parent_span_id"] == parent:
                yield depth, span
                yield from self._walk(span["id"], depth + 1)


def tell(framework: Framework, python: Path, way: str, question: str) -> Story:
    """Run the application against the scripted model and a local API."""
    with FakeModel() as model, DevServer() as server:
        done = subprocess.run(
            [*_launcher(framework, python), str(framework.app), way, question],
            env=environment(server, model) | _without_code(framework),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        runs, spans = read_back(server)
        return Story(
            done.returncode,
            done.stdout,
            done.stderr,
            model.answered,
            runs,
            spans,
            [request.body for request in server.requests if request.status != 200],
        )


def environment(server: DevServer, model: FakeModel) -> dict[str, str]:
    """What an application of a framework finds set, and no setting of this machine's beside."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return kept | {
        "PREFACTOR_API_URL": localhost(server),
        "PREFACTOR_API_TOKEN": server.token,
        "OPENAI_BASE_URL": model.url,
        "OPENAI_API_KEY": "sk-no-key",
    }


def read_back(server: DevServer) -> tuple[list[Json], list[Json]]:
    """The runs, and the spans of all of them in order of their start, as lists show them."""
    caller = Caller(server)
    runs = caller.get("/agent_instance", agent_id=server.agent_id).summaries
    spans = [
        span
        for run in runs
        for span in caller.get("/agent_spans", agent_instance_id=run["id"]).summaries
    ]
    return runs, sorted(spans, key=lambda span: str(span["started_at"]))


def _launcher(framework: Framework, python: Path) -> list[str]:
    launcher = [str(python.with_name("opentelemetry-instrument"))]
    return [*(launcher if framework.without_code else ()), str(python)]


def _without_code(framework: Framework) -> dict[str, str]:
    if not framework.without_code:
        return {}
    others = {"OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"}
    return {"OTEL_TRACES_EXPORTER": "prefactor"} | others


def _line(span: Json) -> str:
    payload = span["payload"]
    assert payload["status"] == span["status"]
    kind = span["schema_name"].removeprefix("otel:")
    error = payload["error"]
    line = f"{kind} {payload['name']}: {span['status']}"
    return f"{line} {error['error_type']}" if error else line
