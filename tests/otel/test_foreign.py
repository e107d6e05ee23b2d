"""What instrumentations without a recording of their own write, as seen in real runs of them."""

from typing import Any

import orjson
import pytest

from prefactor_otel.mapping import AgentSpan, Capture, agent_span
from tests.otel.spans import one_view, with_attributes


def mapped(attributes: dict[str, object], name: str = "step") -> AgentSpan:
    return agent_span(with_attributes(one_view(name), attributes), Capture())


def part(span: AgentSpan, name: str) -> dict[str, Any]:
    value = span.payload[name]
    assert isinstance(value, dict)
    return value


def chat(messages: object) -> AgentSpan:
    asked = orjson.dumps(messages).decode()
    return mapped({"gen_ai.operation.name": "chat", "gen_ai.input.messages": asked})


CALL = {"id": "call_1", "name": "get_weather", "arguments": {"city": "Paris"}}


@pytest.mark.parametrize(
    "block",
    [
        {"type": "tool_use", "id": "call_1", "name": "get_weather", "input": {"city": "Paris"}},
        {"toolUse": {"toolUseId": "call_1", "name": "get_weather", "input": {"city": "Paris"}}},
        {"function_call": {"id": "call_1", "name": "get_weather", "args": {"city": "Paris"}}},
        {
            "type": "tool-call",
            "toolCallId": "call_1",
            "toolName": "get_weather",
            "input": {"city": "Paris"},
        },
    ],
)
def test_every_providers_call_of_a_tool_looks_alike(block: object) -> None:
    span = chat([{"role": "model", "content": [{"type": "text", "text": "Let me look."}, block]}])
    assert part(span, "inputs")["messages"] == [
        {"role": "assistant", "content": "Let me look.", "tool_calls": [CALL]}
    ]


@pytest.mark.parametrize(
    "block",
    [
        {"type": "tool_result", "tool_use_id": "call_1", "content": "sunny"},
        {"toolResult": {"toolUseId": "call_1", "content": [{"text": "sunny"}]}},
        {
            "type": "tool-result",
            "toolCallId": "call_1",
            "output": {"type": "text", "value": "sunny"},
        },
        {"type": "tool_call_response", "id": "call_1", "response": "sunny"},
        {"function_response": {"id": "call_1", "response": "sunny"}},
    ],
)
def test_answers_of_tools_in_one_message_keep_the_calls_that_they_answer(block: object) -> None:
    other = {"type": "tool_result", "tool_use_id": "call_2", "content": "rainy"}
    text = {"type": "text", "text": "Go on."}
    span = chat([{"role": "user", "content": [block, other, text]}])
    assert part(span, "inputs")["messages"] == [
        {"role": "user", "content": "sunny", "tool_call_id": "call_1"},
        {"role": "user", "content": "rainy", "tool_call_id": "call_2"},
        {"role": "user", "content": "Go on."},
    ]


def test_a_block_that_only_announces_a_call_is_not_repeated_beside_it() -> None:
    path = "llm.output_messages.0.message."
    span = mapped(
        {
            "openinference.span.kind": "LLM",
            f"{path}role": "assistant",
            f"{path}contents.0.message_content.type": "text",
            f"{path}contents.0.message_content.text": "Let me look.",
            f"{path}contents.1.message_content.type": "tool_use",
            f"{path}tool_calls.0.tool_call.id": "call_1",
            f"{path}tool_calls.0.tool_call.function.name": "get_weather",
            f"{path}tool_calls.0.tool_call.function.arguments": '{"city": "Paris"}',
        }
    )
    said = {"role": "assistant", "content": "Let me look.", "tool_calls": [CALL]}
    assert part(span, "outputs")["messages"] == [said]


def test_what_no_message_can_show_stays_in_metadata() -> None:
    path = "llm.input_messages."
    left = {
        f"{path}0.message.audio_id": "a1",
        f"{path}0.cost": 3,
        f"{path}1.message.role": "assistant",
        f"{path}2.message.content.deeper": "under a text",
    }
    span = mapped(
        {
            "openinference.span.kind": "LLM",
            f"{path}0.message.role": "user",
            f"{path}0.message.content": "hello",
            f"{path}2.message.content": "again",
            **left,
        }
    )
    asked = [{"role": "user", "content": "hello"}, {"role": None, "content": "again"}]
    assert part(span, "inputs")["messages"] == asked
    assert part(span, "metadata").items() >= left.items()
    assert f"{path}0.message.content" not in part(span, "metadata")


def test_what_a_function_answered_autogen_is_a_message_of_the_tool() -> None:
    path = "llm.input_messages.0.message."
    answer = '{"name": "get_weather", "content": "sunny", "call_id": "call_1", "is_error": false}'
    span = mapped(
        {
            "openinference.span.kind": "LLM",
            f"{path}role": "function",
            f"{path}function.0": answer,
        }
    )
    told = {"role": "tool", "content": "sunny", "tool_call_id": "call_1"}
    assert part(span, "inputs")["messages"] == [told]


def test_a_function_call_of_the_older_kind_is_a_call_too() -> None:
    path = "llm.output_messages.0.message."
    span = mapped(
        {
            "openinference.span.kind": "LLM",
            f"{path}role": "assistant",
            f"{path}function_call_name": "get_weather",
            f"{path}function_call_arguments_json": '{"city": "Paris"}',
        }
    )
    assert part(span, "outputs")["tool_calls"] == [CALL | {"id": None}]


@pytest.mark.parametrize(
    "given",
    [
        '{"kwargs": {"city": "Paris"}}',
        '{"args": [], "sanitize_inputs_outputs": true, "kwargs": {"city": "Paris"}}',
        '{"args": [], "kwargs": {"city": "Paris"}}',
    ],
)
def test_the_arguments_of_a_recorded_call_are_the_tools(given: str) -> None:
    span = mapped({"openinference.span.kind": "TOOL", "input.value": given})
    assert part(span, "inputs") == {"city": "Paris"}


def test_arguments_without_names_stay_as_they_were_recorded() -> None:
    given = {"args": ["Paris"], "kwargs": {}}
    value = orjson.dumps(given).decode()
    span = mapped({"openinference.span.kind": "TOOL", "input.value": value})
    assert part(span, "inputs") == given


@pytest.mark.parametrize(
    "result",
    [
        {"id": "a", "name": "get_weather", "response": "sunny"},
        {
            "blocks": [{"text": "sunny"}],
            "tool_name": "get_weather",
            "raw_input": {"kwargs": {}},
            "raw_output": "sunny",
            "is_error": False,
        },
    ],
)
def test_what_a_tool_answered_is_taken_out_of_its_wrapper(result: object) -> None:
    value = orjson.dumps(result).decode()
    span = mapped({"openinference.span.kind": "TOOL", "output.value": value})
    assert part(span, "outputs") == {"output": "sunny"}


@pytest.mark.parametrize(
    "tools",
    [
        [{"toolSpec": {"name": "get_weather", "inputSchema": {}}}],
        [{"function_declarations": [{"name": "get_weather", "description": "w"}]}],
        ['{"type": "function", "name": "get_weather"}'],
        ("get_weather",),
    ],
)
def test_every_declaration_of_tools_gives_their_names(tools: object) -> None:
    span = mapped({"gen_ai.operation.name": "chat", "gen_ai.tool.definitions": tools})
    assert part(span, "inputs")["tools"] == ["get_weather"]


def test_an_agent_is_called_by_its_name_and_not_by_its_id() -> None:
    span = mapped(
        {
            "openinference.span.kind": "AGENT",
            "graph.node.id": "a89bcf552dc4b8f6",
            "graph.node.name": "weather_agent",
        },
        name="weather_agent.run",
    )
    assert span.payload["name"] == "weather_agent"


def test_a_model_that_is_told_twice_is_shown_once() -> None:
    span = mapped(
        {
            "openinference.span.kind": "LLM",
            "llm.model_name": "claude-sonnet-4-5",
            "llm.response.model_name": "claude-sonnet-4-5-20250929",
            "llm.invocation_parameters": '{"model": "claude-sonnet-4-5", "max_tokens": 200}',
            "anthropic.message.stop_reason": "end_turn",
        }
    )
    assert part(span, "inputs")["model"] == "claude-sonnet-4-5"
    assert part(span, "metadata")["response_model"] == "claude-sonnet-4-5-20250929"
    assert not [key for key in part(span, "metadata") if key.startswith("llm.")]
    assert part(span, "outputs")["stop_reason"] == "stop"
