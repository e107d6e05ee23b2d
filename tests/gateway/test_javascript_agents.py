"""Agents of npm's frameworks, before a scripted model: their spans are what was asked, answered and
counted, each under what has called it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from prefactor_otel.devserver import DevServer
from tests.gateway.npm import installed, run
from tests.gateway.process import before
from tests.model import ANSWER, FakeModel

AGENTS: Final = Path(__file__).with_name("agents")
QUESTION: Final = "What is the weather in Paris?"
Row = dict[str, Any]


class Framework(NamedTuple):
    """What an agent of it needs, and what its spans are: of which type, called what, and under
    which other."""

    packages: tuple[str, ...]
    spans: tuple[tuple[str, str, str | None], ...]
    asks_in: str
    """The type of the spans that hold what a model was asked."""
    tool_says: object
    calls: list[list[Row]]
    """Those of tools that are among the answers of models."""


_LLM = "otel:llm"
_CYCLE = "execute_agent_loop_cycle"
_STEP = "agent_step clerk"
_CHAT = "chat gpt-4o-mini"
_CALL: Final[Row] = {"id": "call_1", "name": "get_weather", "arguments": {"city": "Paris"}}
_OTEL: Final = ("@opentelemetry/api", "@opentelemetry/sdk-trace-node")

FRAMEWORKS: Final = {
    "ai": Framework(
        (
            *("ai@6.0.326", "@ai-sdk/openai-compatible@2.0.92", "zod@4", *_OTEL),
            "@opentelemetry/exporter-trace-otlp-proto",
        ),
        (
            ("otel:chain", "ai.generateText", None),
            (_LLM, "gpt-4o-mini", "ai.generateText"),
            (_LLM, "gpt-4o-mini", "ai.generateText"),
            ("otel:tool", "get_weather", "ai.generateText"),
        ),
        _LLM,
        "sunny in Paris",
        [[_CALL]],
    ),
    "strands": Framework(
        (
            *("@strands-agents/sdk@1.16.0", "openai@6", "zod@4", *_OTEL),
            *("@opentelemetry/sdk-trace-base", "@opentelemetry/resources"),
            *("@opentelemetry/sdk-metrics", "@opentelemetry/exporter-metrics-otlp-http"),
            "@opentelemetry/exporter-trace-otlp-http",
        ),
        (
            ("otel:agent", "clerk", None),
            ("otel:chain", _CYCLE, "clerk"),
            ("otel:chain", _CYCLE, "clerk"),
            (_LLM, "gpt-4o-mini", _CYCLE),
            (_LLM, "gpt-4o-mini", _CYCLE),
            ("otel:tool", "get_weather", _CYCLE),
        ),
        _LLM,
        "sunny in Paris",
        [[_CALL]],
    ),
    "mastra": Framework(
        (
            *("@mastra/core@1.71.0", "@mastra/observability@1.17.9", "zod@4"),
            *("@mastra/otel-exporter@1.4.0", "@opentelemetry/exporter-trace-otlp-proto"),
            "@ai-sdk/openai-compatible@2.0.92",
        ),
        (
            ("otel:agent", "clerk", None),
            ("otel:chain", _STEP, "model_generation gpt-4o-mini"),
            ("otel:chain", _STEP, "model_generation gpt-4o-mini"),
            ("otel:chain", "model_chunk clerk", _CHAT),
            ("otel:chain", "model_chunk clerk", _CHAT),
            ("otel:chain", "model_chunk clerk", _CHAT),
            ("otel:chain", "model_generation gpt-4o-mini", "clerk"),
            (_LLM, _CHAT, _STEP),
            (_LLM, _CHAT, _STEP),
            ("otel:tool", "get_weather", _STEP),
        ),
        "otel:chain",
        {"told": "sunny in Paris"},
        [],  # it sends none with them
    ),
}


@pytest.fixture(scope="module")
def script_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The agent of a framework, with what it needs: each by itself, for they need others of the
    same packages."""

    def install(name: str) -> Path:
        folder = tmp_path_factory.mktemp(name)
        return installed(folder, AGENTS / f"{name}.mjs", FRAMEWORKS[name].packages)

    return install


def spans_of(rows: list[Row]) -> list[tuple[str, str, str | None]]:
    """The type and name of each, and the name of what it hangs on."""
    names = {row["id"]: row["payload"]["name"] for row in rows}
    return [
        (row["schema_name"], row["payload"]["name"], names.get(row["parent_span_id"]))
        for row in rows
    ]


def of_type(rows: list[Row], kind: str) -> list[Row]:
    return [row for row in rows if row["schema_name"] == kind]


def tokens(rows: list[Row]) -> list[int]:
    """Of all that count any."""
    counted = [row["payload"]["token_usage"] for row in rows]
    return [usage["total_tokens"] for usage in counted if usage is not None]


@pytest.mark.slow
@pytest.mark.parametrize("name", FRAMEWORKS)
def test_what_an_agent_of_the_framework_has_done_is_one_run(
    name: str, script_of: Callable[[str], Path], api: DevServer, tmp_path: Path
) -> None:
    framework, script = FRAMEWORKS[name], script_of(name)
    with FakeModel() as model, before(api, tmp_path / "spool") as gateway:
        endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": gateway.url}
        told = run(script, model.url, f"{gateway.url}/v1/traces", **endpoint)
        assert ANSWER in told
        assert gateway.end() == 0
    assert [run["status"] for run in api.instances()] == ["complete"]
    rows = api.spans()
    assert sorted(spans_of(rows), key=str) == sorted(framework.spans, key=str)
    (root,) = [row for row in rows if row["parent_span_id"] is None]
    assert QUESTION in str(root["payload"]["inputs"])
    assert root["payload"]["outputs"]["output"] == ANSWER
    assert tokens(rows) == [150, 150]
    assert tokens(of_type(rows, _LLM)) == [150, 150]
    assert {row["payload"]["inputs"]["model"] for row in of_type(rows, _LLM)} == {"gpt-4o-mini"}
    (tool,) = of_type(rows, "otel:tool")
    assert tool["payload"]["inputs"] == {"city": "Paris"}
    assert tool["payload"]["outputs"]["output"] == framework.tool_says
    asked = [str(row["payload"]["inputs"]) for row in of_type(rows, framework.asks_in)]
    assert any(QUESTION in text and "You are a clerk." in text for text in asked)
    said = [str(row["payload"]["outputs"]) for row in of_type(rows, _LLM)]
    assert [ANSWER in text for text in sorted(said, key=lambda text: ANSWER in text)] == [0, 1]
    called = [row["payload"]["outputs"].get("tool_calls") for row in of_type(rows, _LLM)]
    assert [calls for calls in called if calls] == framework.calls
