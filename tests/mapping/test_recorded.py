"""Recorded runs of real frameworks arrive as a person would tell them."""

import math
from typing import Any

import orjson
import pytest

from prefactor_otel.cli.inspect import agent_spans
from prefactor_otel.mapping import AgentSpan, Capture, agent_span
from prefactor_otel.payload.encode import encode
from prefactor_otel.spans.view import SpanView
from tests.recorded import NAMES, recorded

QUESTION = "What is the weather in Paris?"
ANSWER = "It is sunny, 21C in Paris."
TOOL_RUNS = [
    "langchain__openinference_langchain__agent_tool_ok",
    "langchain__traceloop_langchain__agent_tool_ok",
    "openai__traceloop_openai__chat_tool_ok",
    "openai__openinference_openai__chat_tool_ok",
    "openai__official_openai_v2_latest__chat_tool_ok",
    "openai__official_openai_v2_latest_spanonly__chat_tool_ok",
    *[f"pydantic_ai__native_{v}__tool_ok" for v in ("default", "v2", "v3", "v4", "v5", "v6")],
    "strands__native__tool_ok",
]


def mapped(name: str) -> list[tuple[SpanView, AgentSpan]]:
    return [(view, agent_span(view, Capture())) for view in recorded(name).views]


def of_type(name: str, span_type: str) -> list[AgentSpan]:
    found = [(view, span) for view, span in mapped(name) if span.schema_name == f"otel:{span_type}"]
    return [span for _, span in sorted(found, key=lambda pair: pair[0].start_ns)]


def part(span: AgentSpan, name: str) -> dict[str, Any]:
    value = span.payload[name]
    assert isinstance(value, dict)
    return value


@pytest.mark.parametrize("name", NAMES)
def test_every_span_becomes_json_that_a_strict_parser_reads(name: str) -> None:
    for _, span in mapped(name):
        decoded = orjson.loads(encode(span.payload))
        assert decoded["name"]
        assert decoded["status"] in ("complete", "failed", "cancelled")


@pytest.mark.parametrize("name", NAMES)
def test_tokens_are_counted_on_model_calls_or_above_such_as_told_none(name: str) -> None:
    parents = {view.key.span_hex: view.parent for view in recorded(name).views}
    counted = {}
    for row in agent_spans(recorded(name).views):
        usage = row["payload"]["token_usage"]
        if usage is not None:
            counted[row["payload"]["span_id"]] = row["schema_name"]
            assert all(isinstance(count, int) for count in usage.values())
            assert usage["total_tokens"] >= usage["prompt_tokens"]
    for span in counted:
        above = parents[span]
        while above is not None:
            assert above.span_hex not in counted or above.span_hex not in parents
            above = parents.get(above.span_hex)
    calls = {"otel:llm", "otel:embedding"}
    assert set(counted.values()) <= calls | {"otel:agent", "otel:chain"}


@pytest.mark.parametrize("name", TOOL_RUNS)
def test_two_model_calls_of_120_and_30_tokens_count_300_in_all(name: str) -> None:
    rows = agent_spans(recorded(name).views)
    totals = [usage for row in rows if (usage := row["payload"]["token_usage"]) is not None]
    assert sum(usage["prompt_tokens"] for usage in totals) == 240
    assert sum(usage["completion_tokens"] for usage in totals) == 60
    assert sum(usage["total_tokens"] for usage in totals) == 300


@pytest.mark.parametrize("name", TOOL_RUNS)
def test_a_run_with_a_tool_tells_question_tool_and_answer(name: str) -> None:
    first, second = of_type(name, "llm")
    asked = part(first, "inputs")["messages"]
    assert {"role": "user", "content": QUESTION} in asked
    assert str(part(first, "inputs")["model"]).startswith("gpt-4o-mini")
    [call] = part(first, "outputs")["tool_calls"]
    assert (call["name"], call["arguments"]) == ("get_weather", {"city": "Paris"})
    assert part(first, "outputs")["stop_reason"] == "tool_calls"
    said = part(second, "outputs")["messages"][-1]["content"]
    assert str(said).strip() == ANSWER
    assert part(second, "outputs")["stop_reason"] == "stop"


@pytest.mark.parametrize("name", [run for run in TOOL_RUNS if not run.startswith("openai__")])
def test_the_tool_and_the_agent_are_there_once_with_name_question_and_answer(name: str) -> None:
    [tool] = of_type(name, "tool")
    assert tool.payload["name"] == "get_weather"
    assert part(tool, "inputs") in ({"city": "Paris"}, {"input": "Paris"})
    assert part(tool, "outputs") == {"output": "sunny, 21C"}
    [agent] = of_type(name, "agent")
    assert agent.payload["name"] == "weather_agent"


@pytest.mark.parametrize(
    "name",
    [
        "langchain__openinference_langchain__agent_tool_ok",
        "pydantic_ai__native_default__tool_ok",
        "strands__native__tool_ok",
    ],
)
def test_an_agent_says_what_it_was_asked_and_what_it_answered(name: str) -> None:
    [agent] = of_type(name, "agent")
    assert {"role": "user", "content": QUESTION} in part(agent, "inputs")["messages"]
    assert str(part(agent, "outputs")["output"]).strip() == ANSWER


@pytest.mark.parametrize(
    "name",
    [
        "langchain__openinference_langchain__agent_tool_error",
        "langchain__traceloop_langchain__agent_tool_error",
        "pydantic_ai__native_v6__tool_error",
    ],
)
def test_a_failing_tool_is_failed_with_its_exception(name: str) -> None:
    failed = [tool for tool in of_type(name, "tool") if tool.status == "failed"]
    assert failed
    error = part(failed[0], "error")
    assert error["error_type"] == "ValueError"
    assert "Atlantis" in error["message"]


@pytest.mark.parametrize(
    "name",
    ["langgraph__openinference_langchain__interrupt", "langgraph__traceloop_langchain__interrupt"],
)
def test_an_interrupt_is_no_failure(name: str) -> None:
    statuses = {span.status for _, span in mapped(name)}
    assert statuses <= {"cancelled", "complete"}


def test_each_openinference_kind_has_its_type() -> None:
    kinds = {
        str(view.attributes["openinference.span.kind"]).lower(): span.schema_name
        for view, span in mapped("openai__openinference_manual__all_kinds")
    }
    known = {kind: f"otel:{kind}" for kind in kinds if kind not in ("prompt", "unknown")}
    assert kinds == known | {"prompt": "otel:span", "unknown": "otel:span"}


def test_an_embedding_shows_its_texts_and_never_its_vectors() -> None:
    [span] = of_type("openai__openinference_openai__embeddings", "embedding")
    assert part(span, "inputs")["input"]
    assert "vector" not in encode(span.payload).decode()
    assert part(span, "outputs")["count"] >= 1


def test_hidden_content_is_hidden_in_every_recorded_run() -> None:
    hidden = Capture(inputs=False, outputs=False)
    for name in TOOL_RUNS:
        for view in recorded(name).views:
            sent = encode(agent_span(view, hidden).payload).decode()
            assert QUESTION not in sent, (name, view.name)
            assert ANSWER not in sent, (name, view.name)


@pytest.mark.parametrize("name", NAMES)
def test_an_attribute_that_is_not_shown_stays_in_metadata(name: str) -> None:
    for view, span in mapped(name):
        metadata = part(span, "metadata")
        shown = encode(span.payload).decode()
        for key, value in view.attributes.items():
            if isinstance(value, float) and not math.isfinite(value):
                continue
            if key not in metadata and isinstance(value, str) and len(value) < 60:
                text = encode(value).decode()[1:-1]
                assert (
                    text in shown
                    or value[:1] in '{["'
                    or "mime" in key
                    or "kind" in key
                    or ("finish" in key or "role" in key or "stop" in key)
                ), (view.name, key, value)
