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
