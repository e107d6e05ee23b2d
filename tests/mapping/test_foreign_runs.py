"""What runs of agent frameworks become that few others are like, each with its own words."""

from typing import Any, NamedTuple

import orjson
import pytest

from prefactor_otel.cli.inspect import agent_spans
from prefactor_otel.mapping import Capture, agent_span
from tests.recorded import recorded

QUESTION = "What is the weather in Paris?"
SYSTEM = "You are a weather assistant."
SUNNY = "sunny, 21C in Paris"
ANSWER = "It is sunny, 21C in Paris."
NO_CITY = "no such city: Paris"

Row = dict[str, Any]


class Run(NamedTuple):
    """What a person who reads the run finds in it."""

    agents: tuple[str, ...]
    tool: str = "get_weather"
    arguments: object = None
    result: object = None
    error: str | None = None
    calls: int = 2
    """Answers of the model; each took 120 tokens and gave 30."""


PARIS = {"city": "Paris"}
RUNS = {
    "agent_framework__native__responses": Run(("weather_agent",), arguments=PARIS, result=SUNNY),
    "agno__openinference_agno_plus_openai__tool_ok": Run(
        ("weather_agent",), arguments=PARIS, result=SUNNY
    ),
    "google_genai__official_google_genai_latest__tool_error": Run(
        (), arguments=PARIS, error="ValueError", calls=1
    ),
    "llama_index__traceloop_llamaindex__tool_ok": Run((), arguments=PARIS, result=SUNNY, calls=0),
    "openai_agents__logfire_openai_agents__tool_error": Run(
        ("weather_agent",), arguments=PARIS, error="UserError", calls=1
    ),
    "openai_agents__openinference_openai_agents__handoff": Run(
        ("triage", "weather agent"), arguments=PARIS, result=SUNNY, calls=3
    ),
    "openai_agents__openinference_openai_agents_plus_openai__tool_ok_chat": Run(
        ("weather_agent",), arguments=PARIS, result=SUNNY
    ),
    "semantic_kernel__native__tool_error": Run(
        ("weather_agent",), tool="B-get_weather", arguments=PARIS, error="ValueError"
    ),
    "smolagents__openinference_smolagents__tool_ok": Run(
        ("weather_agent",), arguments=PARIS, result=SUNNY
    ),
    "dspy__openinference_dspy__tool_ok": Run((), arguments=PARIS, result=SUNNY, calls=0),
}


def rows(name: str, span_type: str) -> list[Row]:
    found = sorted(agent_spans(list(recorded(name).views)), key=lambda row: str(row["started_at"]))
    return [row["payload"] for row in found if row["schema_name"] == f"otel:{span_type}"]


def tokens(name: str) -> tuple[int, int]:
    counted = [
        row["payload"]["token_usage"]
        for row in agent_spans(list(recorded(name).views))
        if row["payload"]["token_usage"] is not None
    ]
    return sum(u["prompt_tokens"] for u in counted), sum(u["completion_tokens"] for u in counted)


@pytest.mark.parametrize("name", RUNS)
def test_every_agent_is_one_span_with_its_name(name: str) -> None:
    assert tuple(agent["name"] for agent in rows(name, "agent")) == RUNS[name].agents


@pytest.mark.parametrize("name", RUNS)
def test_the_tool_has_its_name_its_arguments_and_its_answer_or_error(name: str) -> None:
    run = RUNS[name]
    [tool] = [tool for tool in rows(name, "tool") if tool["name"] == run.tool]
    assert tool["inputs"] == run.arguments
    if run.error is None:
        assert (tool["status"], tool["outputs"]) == ("complete", {"output": run.result})
    else:
        assert (tool["status"], tool["error"]["error_type"]) == ("failed", run.error)
        assert tool["error"]["message"].endswith(NO_CITY)


@pytest.mark.parametrize("name", RUNS)
def test_tokens_are_what_the_provider_reported(name: str) -> None:
    assert tokens(name) == (120 * RUNS[name].calls, 30 * RUNS[name].calls)


@pytest.mark.parametrize(
    "name",
    [
        "agent_framework__native__responses",
        "agno__openinference_agno_plus_openai__tool_ok",
        "autogen__openinference_autogen_agentchat__tool_error",
        "openai_agents__openinference_openai_agents__handoff",
        "openai_agents__openinference_openai_agents_plus_openai__tool_ok_chat",
    ],
)
def test_calls_of_the_model_tell_question_and_answer(name: str) -> None:
    first, *_, last = rows(name, "llm")
    asked = [message["content"] for message in first["inputs"]["messages"]]
    assert QUESTION in asked
    assert first["outputs"]["tool_calls"][0]["id"].startswith("call_")
    assert last["outputs"]["messages"][-1]["content"] == ANSWER
    assert first["inputs"]["model"].startswith("gpt-4o-mini")


@pytest.mark.parametrize(
    ("name", "question"),
    [
        ("agno__openinference_agno_plus_openai__tool_ok", {"input": QUESTION}),
        (
            "agent_framework__native__responses",
            {"system": SYSTEM, "messages": [{"role": "user", "content": QUESTION}]},
        ),
    ],
)
def test_an_agent_tells_question_and_answer(name: str, question: object) -> None:
    [agent] = rows(name, "agent")
    assert agent["inputs"] == question
    assert agent["outputs"] == {"output": ANSWER}


def test_the_frame_around_the_agents_of_openais_sdk_is_a_chain() -> None:
    name = "openai_agents__openinference_openai_agents__handoff"
    chains = rows(name, "chain")
    assert [chain["name"] for chain in chains[:2]] == ["weather workflow", "Agent workflow"]
    [guardrail] = rows(name, "guardrail")
    assert guardrail["name"] == "polite"


def test_steps_of_openais_sdk_by_logfire_have_readable_names_and_an_error() -> None:
    name = "openai_agents__logfire_openai_agents__tool_error"
    assert [chain["name"] for chain in rows(name, "chain")] == [
        "OpenAI Agents trace: Agent workflow",
        "Task: Agent workflow",
        "Turn 1 for agent weather_agent",
    ]
    [agent] = rows(name, "agent")
    assert agent["error"]["message"] == "Error in agent run"
    [call] = rows(name, "llm")
    assert call["inputs"]["system"] == SYSTEM
    assert call["inputs"]["messages"] == [{"role": "user", "content": QUESTION}]
    assert call["outputs"]["messages"][0]["reasoning"] == "The user wants the weather."
    assert call["outputs"]["tool_calls"][0]["arguments"] == PARIS
    assert call["token_usage"]["reasoning_tokens"] == 16


def test_what_a_function_answered_autogen_stands_among_the_messages() -> None:
    name = "autogen__openinference_autogen_agentchat__tool_error"
    last = rows(name, "llm")[-1]
    told = last["inputs"]["messages"][-1]
    assert (told["role"], told["content"]) == ("tool", NO_CITY)
    assert told["tool_call_id"].startswith("call_")
    failed = [tool for tool in rows(name, "tool") if tool["status"] == "failed"]
    assert [tool["name"] for tool in failed] == ["get_weather"]
    assert tokens(name) == (240, 60)


def test_a_pipeline_of_haystack_tells_what_it_retrieved_and_what_embedding_cost() -> None:
    name = "haystack__openinference_haystack__rag"
    [retriever] = rows(name, "retriever")
    [document] = retriever["outputs"]["documents"]
    assert (document["content"], document["score"]) == ("It is sunny in Paris.", 0.14)
    [embedding] = rows(name, "embedding")
    assert embedding["inputs"]["input"] == ["sunny where?"]
    assert embedding["outputs"]["dimensions"] == 3
    assert embedding["token_usage"]["prompt_tokens"] == 12
    assert tokens(name) == (132, 30)


def test_roles_of_smolagents_have_their_usual_names() -> None:
    last = rows("smolagents__openinference_smolagents__tool_ok", "llm")[-1]
    roles = [message["role"] for message in last["inputs"]["messages"]]
    assert roles == ["system", "user", "assistant", "tool"]


def test_stop_reasons_of_semantic_kernel_have_their_usual_names() -> None:
    calls = rows("semantic_kernel__native__tool_error", "llm")
    assert [call["outputs"]["stop_reason"] for call in calls] == ["tool_calls", "stop"]


@pytest.mark.parametrize(
    "name",
    [*RUNS, "autogen__openinference_autogen_agentchat__tool_error"],
)
def test_content_that_is_not_captured_is_nowhere_but_in_errors(name: str) -> None:
    for view in recorded(name).views:
        payload = agent_span(view, Capture(inputs=False, outputs=False)).payload
        metadata = payload["metadata"]
        assert isinstance(metadata, dict)
        told = {key: value for key, value in metadata.items() if key not in ("events", "error")}
        text = orjson.dumps([payload["name"], payload["inputs"], payload["outputs"], told])
        for secret in (QUESTION, SYSTEM, SUNNY, ANSWER, NO_CITY):
            assert secret.encode() not in text
