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
