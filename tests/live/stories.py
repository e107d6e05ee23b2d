"""An application of a framework is asked one question; what became of it is read from the API."""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from prefactor_otel.devserver import DevServer
from tests.devserver.calls import Caller
from tests.live.frameworks import Framework
from tests.model import FakeModel
from tests.patience import PATIENCE
from tests.process.scripts import localhost

Json = dict[str, Any]


@dataclass(frozen=True)
class Told:
    """What a reader of the API learns of a span, be it sent once or first while it was open."""

    id: str
    parent: str | None
    type: str
    name: str
    status: str
    inputs: Json
    result: Json
    token_usage: Json | None
    mismatches: list[Json]

    @classmethod
    def of(cls, row: Json) -> Self:
        payload, result = row["payload"], row["result_payload"]
        inputs = payload["inputs"] | result.get("inputs", {})
        schema, mismatches = row["schema_name"], row["schema_mismatches"]
        kind = schema.removeprefix("otel:")
        seen = (payload["name"], row["status"], inputs, result, payload["token_usage"], mismatches)
        return cls(row["id"], row["parent_span_id"], kind, *seen)

    def __str__(self) -> str:
        line = f"{self.type} {self.name}: {self.status}"
        return f"{line} {self.result['error_type']}" if self.status == "failed" else line


@dataclass(frozen=True)
class Story:
    """How the process ended, and what its run and spans look like to a reader of the API."""

    code: int
    stdout: str
    stderr: str
    answered: int
    runs: list[Json]
    spans: list[Told]
    refused: list[Json]

    def of_type(self, kind: str) -> list[Told]:
        """The spans of a type, in order of their start."""
        return [span for span in self.spans if span.type == kind]

    @property
    def outline(self) -> str:
        """The spans as an indented list, each under its parent: type, name and status."""
        return "\n".join(f"{'  ' * depth}{span}" for depth, span in self._walk(None, 0))

    def _walk(self, parent: str | None, depth: int) -> Iterator[tuple[int, Told]]:
        for span in self.spans:
            if span.parent == parent:
                yield depth, span
                yield from self._walk(span.id, depth + 1)


def tell(framework: Framework, python: Path, way: str, question: str) -> Story:
    """Run the application against a local API and a scripted model that, like real ones, thinks
    long enough for the open agent to be seen, where it can be."""

    def think() -> None:
        assert not framework.seen_open or server.wait_until(DevServer.spans)

    with DevServer() as server, FakeModel(think) as model:
        done = subprocess.run(
            [*launch(framework, python), way, question, *framework.door],
            env=environment(server, model) | without_code(framework),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
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


def read_back(server: DevServer) -> tuple[list[Json], list[Told]]:
    """The runs, and the spans of all of them in order of their start, as lists show them."""
    caller = Caller(server)
    runs = caller.get("/agent_instance", agent_id=server.agent_id).summaries
    rows = [
        row
        for run in runs
        for row in caller.get("/agent_spans", agent_instance_id=run["id"]).summaries
    ]
    return runs, [Told.of(row) for row in sorted(rows, key=lambda row: str(row["started_at"]))]


def launch(framework: Framework, python: Path) -> list[str]:
    """The command that runs its application, without the application's own words."""
    launcher = [str(python.with_name("opentelemetry-instrument"))]
    return [*(launcher if framework.without_code else ()), str(python), str(framework.app)]


def without_code(framework: Framework) -> dict[str, str]:
    """What OpenTelemetry's launcher has to find set, where that runs the application."""
    if not framework.without_code:
        return {}
    others = {"OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"}
    return {"OTEL_TRACES_EXPORTER": "prefactor"} | others
