"""What instrumentations without a recording of their own write, as seen in real runs of them."""

import dataclasses
from typing import Any

import orjson
import pytest

from prefactor_otel.mapping import AgentSpan, Capture, agent_span
from prefactor_otel.spans.view import Attributes, Event
from tests.made_spans import one_view, with_attributes
from tests.recorded import recorded
from tests.runs.test_calls import payloads, run_through


def mapped(attributes: Attributes, name: str = "step") -> AgentSpan:
    return agent_span(with_attributes(one_view(name), dict(attributes)), Capture())


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
        {
            "type": "toolUse",
            "toolUseId": "call_1",
            "name": "get_weather",
            "input": {"city": "Paris"},
        },
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
            "type": "toolResult",
            "toolUseId": "call_1",
            "content": [{"type": "text", "text": "sunny"}],
        },
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
        {"role": "tool", "content": "sunny", "tool_call_id": "call_1"},
        {"role": "tool", "content": "rainy", "tool_call_id": "call_2"},
        {"role": "user", "content": "Go on."},
    ]


THOUGHT = {"reasoning": "The user wants the weather."}


@pytest.mark.parametrize(
    ("block", "beside"),
    [
        ({"type": "reasoning", "content": "The user wants the weather."}, {}),
        ({"type": "thinking", "content": "The user wants the weather."}, {}),
        (
            {"type": "thinking", "thinking": "The user wants the weather.", "signature": "Eq"},
            {"reasoning_details": [{"type": "thinking", "signature": "Eq"}]},
        ),
        (
            {
                "reasoningContent": {
                    "reasoningText": {"text": "The user wants the weather.", "signature": "Eq"}
                }
            },
            {"reasoning_details": [{"signature": "Eq"}]},
        ),
        ({"text": "The user wants the weather.", "thought": True}, {}),
        (
            {
                "type": "reasoning",
                "id": "rs_1",
                "summary": [{"type": "summary_text", "text": "The user wants the weather."}],
                "encrypted_content": "gAAA",
                "status": None,
            },
            {
                "reasoning_details": [
                    {"type": "reasoning", "id": "rs_1", "encrypted_content": "gAAA"}
                ]
            },
        ),
    ],
)
def test_what_a_model_thought_stands_beside_what_it_said(block: object, beside: object) -> None:
    span = chat([{"role": "assistant", "content": [block, {"type": "text", "text": "Sunny."}]}])
    assert isinstance(beside, dict)
    said = {"role": "assistant", "content": "Sunny.", **THOUGHT, **beside}
    assert part(span, "inputs")["messages"] == [said]


@pytest.mark.parametrize(
    ("block", "kept"),
    [
        (
            {"type": "redacted_thinking", "data": "EmwK"},
            {"type": "redacted_thinking", "data": "EmwK"},
        ),
        (
            {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"},
            {"type": "reasoning", "id": "rs_1", "encrypted_content": "gAAA"},
        ),
        ({"reasoningContent": {"redactedContent": "EmwK"}}, {"redactedContent": "EmwK"}),
    ],
)
def test_a_thought_that_nobody_can_read_is_kept_as_it_came(block: object, kept: object) -> None:
    span = chat([{"role": "assistant", "content": [block, {"type": "text", "text": "Sunny."}]}])
    said = {"role": "assistant", "content": "Sunny.", "reasoning_details": [kept]}
    assert part(span, "inputs")["messages"] == [said]


@pytest.mark.parametrize("name", ["reasoning_content", "thinking", "reasoning"])
def test_thoughts_beside_the_content_have_one_name(name: str) -> None:
    span = chat([{"role": "assistant", "content": "Sunny.", name: THOUGHT["reasoning"]}])
    assert part(span, "inputs")["messages"] == [
        {"role": "assistant", "content": "Sunny.", **THOUGHT}
    ]


def test_flattened_thoughts_stand_beside_what_was_said_too() -> None:
    path = "llm.output_messages.0.message."
    span = mapped(
        {
            "openinference.span.kind": "LLM",
            f"{path}role": "assistant",
            f"{path}contents.0.message_content.type": "reasoning",
            f"{path}contents.0.message_content.text": THOUGHT["reasoning"],
            f"{path}contents.0.message_content.id": "rs_1",
            f"{path}contents.1.message_content.type": "text",
            f"{path}contents.1.message_content.text": "Sunny.",
        }
    )
    details = {"reasoning_details": [{"type": "reasoning", "id": "rs_1"}]}
    said = {"role": "assistant", "content": "Sunny.", **THOUGHT, **details}
    assert part(span, "outputs")["messages"] == [said]


@pytest.mark.parametrize("kind", [{"nested": 1}, ["text"], 3, True])
def test_a_type_that_is_no_word_is_kept(kind: object) -> None:
    block = {"type": kind, "text": "odd"}
    span = chat([{"role": "user", "content": [block, "Go on."]}, {"type": kind, "x": 1}])
    assert part(span, "inputs")["messages"] == [
        {"role": "user", "content": [block, "Go on."]},
        {"type": kind, "x": 1},
    ]


def test_items_of_openais_responses_are_messages() -> None:
    call = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "get_weather"}
    span = chat(
        [
            {"role": "user", "content": "Weather?"},
            {"type": "reasoning", "id": "rs_1", "summary": []},
            {**call, "arguments": '{"city": "Paris"}'},
            {"type": "function_call_output", "call_id": "call_1", "output": "sunny"},
        ]
    )
    assert part(span, "inputs")["messages"] == [
        {"role": "user", "content": "Weather?"},
        {
            "role": "assistant",
            "content": None,
            "reasoning_details": [{"type": "reasoning", "id": "rs_1"}],
        },
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "content": "sunny", "tool_call_id": "call_1"},
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


DECLARED: dict[str, object] = {
    "name": "get_weather",
    "description": "Weather of a city",
    "parameters": {"properties": {"city": {"enum": ["Paris", "Rome"]}}},
}


@pytest.mark.parametrize("key", ["gen_ai.tool.definitions", "ai.prompt.tools"])
def test_what_a_tool_does_and_takes_stays_beside_its_name(key: str) -> None:
    declared = orjson.dumps([DECLARED]).decode()
    vercel = {"ai.operationId": "ai.generateText.doGenerate"}
    chat = vercel if key.startswith("ai.") else {"gen_ai.operation.name": "chat"}
    span = mapped({**chat, key: declared})
    assert part(span, "inputs")["tools"] == ["get_weather"]
    assert part(span, "metadata")[key] == declared


def test_a_flattened_schema_of_a_tool_stays_beside_its_name() -> None:
    key, schema = "llm.tools.0.tool.json_schema", orjson.dumps({"function": DECLARED}).decode()
    span = mapped({"openinference.span.kind": "LLM", key: schema, "llm.tools.0.tool.name": "other"})
    assert part(span, "inputs")["tools"] == ["get_weather"]
    assert part(span, "metadata")[key] == schema
    assert part(span, "metadata")["llm.tools.0.tool.name"] == "other"


def test_tools_among_the_settings_of_a_call_are_its_tools() -> None:
    key = "llm.invocation_parameters"
    given = orjson.dumps({"temperature": 0.2, "tools": [DECLARED]}).decode()
    span = mapped({"openinference.span.kind": "LLM", key: given})
    assert part(span, "inputs") == {"tools": ["get_weather"], "parameters": {"temperature": 0.2}}
    assert part(span, "metadata")[key] == {"tools": [DECLARED]}


def test_names_that_are_all_there_is_of_tools_are_told_once() -> None:
    span = mapped({"gen_ai.operation.name": "chat", "gen_ai.agent.tools": ("get_weather",)})
    assert part(span, "inputs")["tools"] == ["get_weather"]
    assert "gen_ai.agent.tools" not in part(span, "metadata")


@pytest.mark.parametrize("inside", [False, True])
def test_of_a_whole_request_the_definitions_of_tools_stay_and_nothing_else(inside: bool) -> None:
    key, tools = "langfuse.observation.input", {"tools": [DECLARED]}
    left = {"config": tools} if inside else tools
    asked = {"messages": [{"role": "user", "content": "Weather?"}]}
    request = orjson.dumps({**asked, **left}).decode()
    span = mapped({"langfuse.observation.type": "generation", key: request})
    assert part(span, "inputs") == {**asked, "tools": ["get_weather"]}
    assert part(span, "metadata")[key] == left
    hidden = agent_span(
        with_attributes(one_view(), {"langfuse.observation.type": "generation", key: request}),
        Capture(inputs=False),
    )
    assert "Weather" not in orjson.dumps(hidden.payload).decode()


def test_of_a_declared_function_only_the_name_is_shown_and_the_rest_stays() -> None:
    left = {"llm.request.functions.0.description": "Weather of a city"}
    name = {"llm.request.functions.0.name": "get_weather"}
    span = mapped({"gen_ai.operation.name": "chat", **name, **left})
    assert part(span, "inputs")["tools"] == ["get_weather"]
    assert part(span, "metadata").items() >= left.items()
    assert name.keys().isdisjoint(part(span, "metadata"))


def test_a_tool_declared_without_a_schema_has_its_name() -> None:
    left = {"llm.tools.0.tool.description": "Weather of a city"}
    name = {"llm.tools.0.tool.name": "get_weather"}
    span = mapped({"openinference.span.kind": "LLM", **name, **left})
    assert part(span, "inputs")["tools"] == ["get_weather"]
    assert part(span, "metadata").items() >= left.items()


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


ASKED = [
    {"role": "system", "content": "You are a weather assistant."},
    {"role": "user", "content": "What is the weather in Paris?"},
]
ANSWER = "It is sunny, 21C in Paris."
REQUEST = orjson.dumps(
    {
        "model": "gpt-4o-mini",
        "messages": ASKED,
        "tools": [{"type": "function", "function": {"name": "get_weather"}}],
        "temperature": 0.2,
    }
).decode()
RESPONSE = orjson.dumps(
    {
        "id": "chatcmpl-1",
        "choices": [
            {"finish_reason": "stop", "message": {"role": "assistant", "content": ANSWER}},
        ],
    }
).decode()
GENERATIONS = orjson.dumps(
    {
        "generations": [
            [
                {
                    "generation_info": {"finish_reason": "stop"},
                    "message": {"lc": 1, "kwargs": {"type": "ai", "content": ANSWER}},
                }
            ]
        ]
    }
).decode()
GEMINI_REQUEST = orjson.dumps(
    {
        "model": "gemini-2.0-flash",
        "config": {
            "system_instruction": ASKED[0]["content"],
            "temperature": 0.2,
            "tools": [{"function_declarations": [{"name": "get_weather"}]}],
        },
        "contents": [{"role": "user", "parts": [{"text": ASKED[1]["content"]}]}],
    }
).decode()
GEMINI_RESPONSE = orjson.dumps(
    {"content": {"role": "model", "parts": [{"text": ANSWER}]}, "finish_reason": "STOP"}
).decode()
USAGE = '{"prompt_tokens": 120, "completion_tokens": 30, "prompt_tokens_details": %s}'
USAGE %= '{"cached_tokens": 8}'

CALLS: dict[str, dict[str, object]] = {
    "langfuse": {
        "langfuse.observation.type": "generation",
        "langfuse.observation.model.name": "gpt-4o-mini",
        "langfuse.observation.input": REQUEST,
        "langfuse.observation.output": orjson.dumps(
            {"role": "assistant", "content": ANSWER}
        ).decode(),
        "langfuse.observation.usage_details": USAGE,
        "gen_ai.response.finish_reasons": ("stop",),
    },
    "mlflow": {
        "mlflow.spanType": '"CHAT_MODEL"',
        "mlflow.llm.model": '"gpt-4o-mini"',
        "mlflow.spanInputs": REQUEST,
        "mlflow.spanOutputs": RESPONSE,
        "mlflow.chat.tokenUsage": USAGE,
    },
    "langsmith": {
        "langsmith.span.kind": "llm",
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.prompt": REQUEST,
        "gen_ai.completion": GENERATIONS,
        "gen_ai.usage.input_tokens": 120,
        "gen_ai.usage.output_tokens": 30,
        "langsmith.metadata.usage_metadata": '{"input_token_details": {"cache_read": 8}}',
    },
    "adk": {
        "gen_ai.request.model": "gpt-4o-mini",
        "gcp.vertex.agent.llm_request": GEMINI_REQUEST,
        "gcp.vertex.agent.llm_response": GEMINI_RESPONSE,
        "gen_ai.usage.input_tokens": 120,
        "gen_ai.usage.output_tokens": 30,
        "gen_ai.usage.cache_read.input_tokens": 8,
    },
    "logfire": {
        "request_data": REQUEST,
        "response_data": orjson.dumps(
            {"message": {"role": "assistant", "content": ANSWER}}
        ).decode(),
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.response.model": "gpt-4o-mini",
        "gen_ai.response.finish_reasons": '["stop"]',
        "gen_ai.usage.input_tokens": 120,
        "gen_ai.usage.output_tokens": 30,
        "gen_ai.usage.cache_read.input_tokens": 8,
    },
    "logfire 2": {
        "logfire.msg_template": "Chat Completion with {request_data[model]!r}",
        "request_data": REQUEST,
        "response_data": orjson.dumps(
            {"message": {"role": "assistant", "content": ANSWER}, "usage": orjson.loads(USAGE)}
        ).decode(),
        "gen_ai.response.finish_reasons": ("stop",),
    },
    "vercel": {
        "ai.operationId": "ai.generateText.doGenerate",
        "ai.model.id": "gpt-4o-mini",
        "ai.prompt.messages": orjson.dumps(ASKED).decode(),
        "ai.prompt.tools": ('{"type": "function", "name": "get_weather"}',),
        "ai.response.text": ANSWER,
        "ai.response.finishReason": "stop",
        "ai.usage.promptTokens": 120,
        "ai.usage.completionTokens": 30,
        "ai.usage.cachedInputTokens": 8,
        "gen_ai.request.temperature": 0.2,
    },
}


@pytest.mark.parametrize("sdk", CALLS)
def test_a_call_of_a_model_is_told_alike_by_every_sdk(sdk: str) -> None:
    span = mapped(CALLS[sdk])
    assert span.schema_name == "otel:llm"
    inputs, outputs = part(span, "inputs"), part(span, "outputs")
    assert inputs["model"] == "gpt-4o-mini"
    assert inputs["messages"][-1] == ASKED[1]
    assert inputs.get("system") == ASKED[0]["content"] or inputs["messages"][0] == ASKED[0]
    assert inputs["tools"] == ["get_weather"]
    assert inputs["parameters"] == {"temperature": 0.2}
    assert outputs["messages"] == [{"role": "assistant", "content": ANSWER}]
    assert outputs["stop_reason"] == "stop"
    assert span.payload["token_usage"] == {
        "prompt_tokens": 120,
        "completion_tokens": 30,
        "total_tokens": 150,
        "cached_tokens": 8,
    }


@pytest.mark.parametrize("sdk", CALLS)
def test_content_of_every_sdk_is_hidden_when_it_is_not_captured(sdk: str) -> None:
    view = with_attributes(one_view(), CALLS[sdk])
    hidden = agent_span(view, Capture(inputs=False, outputs=False))
    assert "Paris" not in orjson.dumps(hidden.payload).decode()


@pytest.mark.parametrize(
    "attributes",
    [
        {
            "langfuse.observation.type": "tool",
            "langfuse.observation.input": '{"args": [], "kwargs": {"city": "Paris"}}',
            "langfuse.observation.output": "sunny",
        },
        {
            "mlflow.spanType": '"TOOL"',
            "mlflow.spanInputs": '{"city": "Paris"}',
            "mlflow.spanOutputs": '"sunny"',
        },
        {
            "langsmith.span.kind": "tool",
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.prompt": '{"city":"Paris"}',
            "gen_ai.completion": '{"output":{"content":"sunny","type":"tool"}}',
        },
        {
            "gen_ai.operation.name": "execute_tool",
            "gcp.vertex.agent.llm_request": "{}",
            "gcp.vertex.agent.tool_call_args": '{"city": "Paris"}',
            "gcp.vertex.agent.tool_response": "sunny",
        },
        {
            "ai.operationId": "ai.toolCall",
            "ai.toolCall.name": "get_weather",
            "ai.toolCall.args": '{"city":"Paris"}',
            "ai.toolCall.result": '"sunny"',
        },
    ],
)
def test_a_tool_is_told_alike_by_every_sdk(attributes: dict[str, object]) -> None:
    span = mapped(attributes, name="get_weather")
    assert span.schema_name == "otel:tool"
    assert span.payload["name"] == "get_weather"
    assert part(span, "inputs") == {"city": "Paris"}
    assert part(span, "outputs") == {"output": "sunny"}


@pytest.mark.parametrize(
    ("attributes", "span_type"),
    [
        ({"langfuse.observation.type": "agent"}, "agent"),
        ({"langfuse.observation.type": "event"}, "span"),
        ({"mlflow.spanType": '"RETRIEVER"'}, "retriever"),
        ({"mlflow.spanType": '"PARSER"'}, "span"),
        ({"langsmith.span.kind": "chain", "gen_ai.operation.name": "chain"}, "chain"),
        ({"langsmith.span.kind": "retriever", "gen_ai.operation.name": "embeddings"}, "retriever"),
        ({"ai.operationId": "ai.generateText"}, "chain"),
        ({"ai.operationId": "ai.embed.doEmbed"}, "embedding"),
        ({"gen_ai.operation.name": "invoke_agent", "traceloop.span.kind": "task"}, "chain"),
        ({"gen_ai.operation.name": "invoke_agent", "crewai.crew.id": "1"}, "chain"),
        ({"gen_ai.operation.name": "invoke_agent", "traceloop.span.kind": "agent"}, "agent"),
    ],
)
def test_every_sdks_own_word_for_a_step_has_its_type(
    attributes: dict[str, object], span_type: str
) -> None:
    assert mapped(attributes).schema_name == f"otel:{span_type}"


def test_of_langsmiths_chains_the_one_named_like_the_agent_is_the_agent() -> None:
    named = {"langsmith.span.kind": "chain", "langsmith.metadata.lc_agent_name": "weather_agent"}
    agent = mapped(named | {"langsmith.trace.name": "weather_agent"})
    step = mapped(named | {"langsmith.trace.name": "model"})
    assert (agent.schema_name, step.schema_name) == ("otel:agent", "otel:chain")


@pytest.mark.parametrize(
    ("name", "attributes", "shown"),
    [
        ("Crew_6ee5-11.kickoff", {"crew_id": "6ee5-11"}, "Crew.kickoff"),
        ("Is it sunny?.task", {"crewai.task.description": "Is it sunny?"}, "task"),
        (
            "Chat with {request_data[model]!r}",
            {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o"},
            "chat gpt-4o",
        ),
    ],
)
def test_a_name_holds_no_id_no_user_text_and_no_template(
    name: str, attributes: dict[str, object], shown: str
) -> None:
    span = mapped(attributes, name=name)
    assert span.payload["name"] == shown
    assert part(span, "metadata")["otel.name"] == name


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("weather_agent.run", "weather_agent"),
        ("agent_run [weather_agent]", "weather_agent"),
        ("invoke_agent weather_agent", "weather_agent"),
        ("invoke_agent", "invoke_agent"),
        ("weather_agent", "weather_agent"),
        (".run", ".run"),
    ],
)
def test_an_agent_without_a_name_of_its_own_has_that_of_its_span(name: str, shown: str) -> None:
    span = mapped({"openinference.span.kind": "AGENT"}, name=name)
    assert span.payload["name"] == shown
    assert mapped({"openinference.span.kind": "CHAIN"}, name=name).payload["name"] == name


@pytest.mark.parametrize(
    "name",
    [
        "get_weather",
        "execute_tool get_weather",
        "get_weather.tool",
        "get_weather.__call__",
        "tools/call get_weather",
        "MCP send tools/call get_weather",
    ],
)
def test_a_tool_without_a_name_of_its_own_has_that_of_its_span(name: str) -> None:
    span = mapped({"mcp.method.name": "tools/call"}, name=name)
    assert (span.schema_name, span.payload["name"]) == ("otel:tool", "get_weather")


def test_a_call_of_another_method_of_mcp_is_no_tool() -> None:
    assert mapped({"mcp.method.name": "tools/list"}).schema_name == "otel:span"


def test_a_task_that_names_its_tool_and_arguments_is_the_tool() -> None:
    result = {"raw_input": {"kwargs": {}}, "raw_output": "sunny", "is_error": False}
    answer = {"tool_name": "get_weather", "tool_id": "call_1", "tool_output": result}
    span = mapped(
        {
            "traceloop.span.kind": "task",
            "tool.name": "get_weather",
            "tool.arguments": '{"city": "Paris"}',
            "traceloop.entity.output": orjson.dumps(answer).decode(),
        },
        name="BaseWorkflowAgent.task",
    )
    assert (span.schema_name, span.payload["name"]) == ("otel:tool", "get_weather")
    assert part(span, "inputs") == {"city": "Paris"}
    assert part(span, "outputs") == {"output": "sunny"}


def test_an_answer_of_a_function_beside_its_message_is_one_of_the_tool() -> None:
    path = "llm.input_messages.0."
    answer = '{"name": "get_weather", "content": "sunny", "call_id": "call_1", "is_error": false}'
    span = mapped(
        {
            "openinference.span.kind": "LLM",
            f"{path}message.role": "function",
            f"{path}function.0": answer,
        }
    )
    told = {"role": "tool", "content": "sunny", "tool_call_id": "call_1"}
    assert part(span, "inputs")["messages"] == [told]
    assert f"{path}function.0" not in part(span, "metadata")


@pytest.mark.parametrize(
    ("mime_type", "shown"), [("application/json", "sunny"), ("text/plain", '"sunny"')]
)
def test_a_text_in_json_has_no_quotes(mime_type: str, shown: str) -> None:
    attributes = {"output.value": '"sunny"', "output.mime_type": mime_type}
    for kind in ("TOOL", "CHAIN"):
        span = mapped({"openinference.span.kind": kind, **attributes})
        assert part(span, "outputs") == {"output": shown}


def test_a_setting_that_was_not_given_is_not_shown() -> None:
    settings = {"gen_ai.request.temperature": 0.2, "gen_ai.request.max_tokens": None}
    span = mapped({"gen_ai.operation.name": "chat", **settings})
    assert part(span, "inputs")["parameters"] == {"temperature": 0.2}


def test_tokens_are_found_in_the_whole_response_at_last() -> None:
    meta = {"usage": {"prompt_tokens": 12, "total_tokens": 12}}
    response = orjson.dumps({"embedding": "<3-dimensional vector>", "meta": meta}).decode()
    span = mapped({"openinference.span.kind": "EMBEDDING", "output.value": response})
    assert span.payload["token_usage"] == {
        "prompt_tokens": 12,
        "completion_tokens": 0,
        "total_tokens": 12,
    }
    told = {"openinference.span.kind": "EMBEDDING", "llm.token_count.prompt": 7}
    span = mapped({**told, "output.value": response})
    assert span.payload["token_usage"] == {
        "prompt_tokens": 7,
        "completion_tokens": 0,
        "total_tokens": 7,
    }


HANDED = "triage → weather_agent"


def by_logfire(fields: Attributes) -> dict[str, object]:
    return {"logfire.msg_template": "Step: {name}", "logfire.msg": "Step: 'x'", **fields}


@pytest.mark.parametrize(
    ("fields", "span_type", "name"),
    [
        ({"name": "weather_agent", "handoffs": "[]", "tools": "[]"}, "agent", "weather_agent"),
        (
            {"name": "get_weather", "input": "{}", "output": "x", "mcp_data": "null"},
            "tool",
            "get_weather",
        ),
        ({"from_agent": "triage", "to_agent": "weather_agent"}, "handoff", HANDED),
        ({"name": "polite", "triggered": False}, "guardrail", "Step: 'x'"),
        ({"sdk_span_type": "turn", "agent_name": "weather_agent"}, "chain", "Step: 'x'"),
        ({"agent_trace_id": "trace_1", "name": "Agent workflow"}, "chain", "Step: 'x'"),
        ({"name": "a user's own"}, "span", "Step: {name}"),
    ],
)
def test_steps_of_the_agents_sdk_are_known_by_their_fields(
    fields: dict[str, object], span_type: str, name: str
) -> None:
    span = mapped(by_logfire(fields), name="Step: {name}")
    assert (span.schema_name, span.payload["name"]) == (f"otel:{span_type}", name)
    own_words = ("agent_trace_id", "sdk_span_type")
    fields = {key: value for key, value in fields.items() if key not in own_words}
    assert mapped(fields).schema_name == "otel:span"


AGENTS_SDK_CALLS: dict[str, dict[str, object]] = {
    "responses": {
        "raw_input": orjson.dumps(ASKED[1:]).decode(),
        "response": orjson.dumps(
            {
                "instructions": ASKED[0]["content"],
                "output": [
                    {"type": "reasoning", "id": "rs_1", "summary": []},
                    {
                        "type": "message",
                        "role": "assistant",
                        "content": [{"type": "output_text", "text": ANSWER}],
                    },
                ],
            }
        ).decode(),
    },
    "chat": {
        "input": orjson.dumps(ASKED).decode(),
        "output": orjson.dumps([{"role": "assistant", "content": ANSWER}]).decode(),
        "request_data": orjson.dumps(
            {"model": "gpt-4o-mini", "messages": [*ASKED, {"role": "assistant"}]}
        ).decode(),
    },
}


@pytest.mark.parametrize("api", AGENTS_SDK_CALLS)
def test_calls_of_models_by_the_agents_sdk_tell_question_and_answer(api: str) -> None:
    attributes = by_logfire(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": "gpt-4o-mini",
            "gen_ai.usage.input_tokens": 120,
            "gen_ai.usage.output_tokens": 30,
            "usage": '{"requests": 1, "output_tokens_details": {"reasoning_tokens": 16}}',
            **AGENTS_SDK_CALLS[api],
        }
    )
    span = mapped(attributes)
    inputs, outputs = part(span, "inputs"), part(span, "outputs")
    assert [*inputs["messages"], outputs["messages"][-1]] == [
        *([] if inputs.get("system") == ASKED[0]["content"] else [ASKED[0]]),
        ASKED[1],
        {"role": "assistant", "content": ANSWER},
    ]
    usage = span.payload["token_usage"]
    assert isinstance(usage, dict)
    assert usage["reasoning_tokens"] == 16
    hidden = agent_span(with_attributes(one_view(), attributes), Capture(False, False))
    assert "Paris" not in orjson.dumps(hidden.payload).decode()


def test_a_call_whole_in_one_value_may_be_one_of_openais_responses() -> None:
    request = {"model": "gpt-4o-mini", "instructions": "Be brief.", "input": ASKED[1:]}
    answer = {"type": "message", "role": "assistant", "content": ANSWER}
    span = mapped(
        {
            "langfuse.observation.type": "generation",
            "langfuse.observation.input": orjson.dumps(request).decode(),
            "langfuse.observation.output": orjson.dumps({"output": [answer]}).decode(),
        }
    )
    assert part(span, "inputs")["messages"] == ASKED[1:]
    assert part(span, "inputs")["system"] == "Be brief."
    assert part(span, "outputs")["messages"] == [{"role": "assistant", "content": ANSWER}]


@pytest.mark.parametrize(
    "attributes",
    [
        {"error": '{"message": "no such city", "data": {}}'},
        {"error.message": "no such city"},
    ],
)
def test_an_error_is_told_by_an_attribute_at_last(attributes: dict[str, object]) -> None:
    view = with_attributes(one_view(), attributes)
    failed = dataclasses.replace(view, status="error", status_message="", events=[])
    error = agent_span(failed, Capture()).payload["error"]
    assert isinstance(error, dict)
    assert error["message"] == "no such city"


def test_geminis_thoughts_are_part_of_what_it_completed() -> None:
    usage = {
        "prompt_token_count": 120,
        "candidates_token_count": 26,
        "thoughts_token_count": 4,
        "cached_content_token_count": 8,
        "total_token_count": 150,
    }
    response = orjson.dumps({"content": {"parts": []}, "usage_metadata": usage}).decode()
    span = mapped(
        {
            "gcp.vertex.agent.llm_request": GEMINI_REQUEST,
            "gcp.vertex.agent.llm_response": response,
        }
    )
    assert span.payload["token_usage"] == {
        "prompt_tokens": 120,
        "completion_tokens": 30,
        "total_tokens": 150,
        "cached_tokens": 8,
        "reasoning_tokens": 4,
    }


def test_a_users_text_in_a_name_is_hidden_with_the_inputs() -> None:
    text: dict[str, object] = {"crewai.task.description": "Is it sunny?"}
    view = with_attributes(one_view("Is it sunny?.task"), text)
    hidden = agent_span(view, Capture(inputs=False))
    assert "sunny" not in orjson.dumps(hidden.payload).decode()


@pytest.mark.parametrize(
    "attributes",
    [
        {"traceloop.entity.output": "[0.5, 0.5, 0.5]"},
        {"output.value": '{"data": [{"embedding": [0.5, 0.5, 0.5]}]}'},
        {"ai.operationId": "ai.embed", "ai.embedding": "[0.5, 0.5, 0.5]"},
        {"ai.operationId": "ai.embedMany", "ai.embeddings": ("[0.5, 0.5, 0.5]",)},
        {"embeddings": "[[0.5, 0.5, 0.5]]"},
    ],
)
def test_vectors_are_measured_and_not_sent(attributes: dict[str, object]) -> None:
    span = mapped({"gen_ai.operation.name": "embeddings", **attributes})
    assert part(span, "outputs") == {"count": 1, "dimensions": 3}
    assert "0.5" not in orjson.dumps(span.payload).decode()


@pytest.mark.parametrize(
    "attributes",
    [{"embeddings": "[[0.5, 0.5, 0"}, {"output.value": '{"data": [{"embedding": [0.5, 0'}],
)
def test_vectors_that_are_cut_off_are_not_sent_either(attributes: dict[str, object]) -> None:
    span = mapped({"gen_ai.operation.name": "embeddings", **attributes})
    assert part(span, "outputs") == {}
    assert "0.5" not in orjson.dumps(span.payload).decode()


@pytest.mark.parametrize(
    "name", ["pydantic_ai__native_default__embeddings", "openai__traceloop_openai__embeddings"]
)
def test_an_embedding_shows_its_texts_whatever_they_are_called(name: str) -> None:
    [span] = of_run(name, "embedding")
    assert part(span, "inputs")["input"] == ["hello", "world"]
    assert part(span, "outputs")["count"] == 2
    left = part(span, "metadata").keys()
    assert left.isdisjoint({"inputs", "embeddings", "gen_ai.input.messages"})


def test_messages_to_be_embedded_that_hold_more_than_text_stay_as_they_are() -> None:
    asked = orjson.dumps([{"role": "user", "parts": [{"type": "uri", "uri": "x:y"}]}]).decode()
    span = mapped({"gen_ai.operation.name": "embeddings", "gen_ai.input.messages": asked})
    assert part(span, "metadata")["gen_ai.input.messages"] == asked


def test_a_message_of_nothing_but_a_tools_answer_is_the_tools() -> None:
    answer = {
        "type": "tool_call_response",
        "id": "call_1",
        "name": "get_weather",
        "result": "sunny",
    }
    text = {"type": "text", "content": "Well?"}
    span = chat([{"role": "user", "parts": [answer]}, {"role": "user", "parts": [answer, text]}])
    told = {
        "role": "tool",
        "content": "sunny",
        "tool_call_id": "call_1",
        "name": "get_weather",
    }
    asked = {"role": "user", "content": "Well?"}
    assert part(span, "inputs")["messages"] == [told, told, asked]


@pytest.mark.parametrize(
    "attributes",
    [
        {"gen_ai.request.temperature": None, "gen_ai.request.top_p": 0.0},
        {"llm.invocation_parameters": '{"temperature": null, "top_p": 0.0}'},
        {
            "langfuse.observation.type": "generation",
            "langfuse.observation.model.parameters": '{"temperature": null, "top_p": 0.0}',
        },
        {
            "mlflow.spanInputs": (
                '{"messages": [{"role": "user"}], "temperature": null, "top_p": 0.0}'
            )
        },
    ],
)
def test_a_setting_that_is_null_is_no_parameter(attributes: dict[str, object]) -> None:
    span = mapped({"gen_ai.operation.name": "chat", **attributes})
    assert part(span, "inputs")["parameters"] == {"top_p": 0.0}


AI: Any = {"type": "ai", "data": {"content": "Sunny.", "type": "ai", "id": "run-1"}}
CALLING: Any = {
    "type": "ai",
    "data": {
        "content": "",
        "type": "ai",
        "tool_calls": [{"name": "get_weather", "args": {"city": "Paris"}, "id": "call_1"}],
    },
}


def command(message: object, **others: object) -> dict[str, object]:
    return {"graph": None, "update": {"messages": [message]}, "resume": None, "goto": [], **others}


@pytest.mark.parametrize(
    ("message", "output"),
    [
        (AI, "Sunny."),
        (CALLING, [{"role": "assistant", "content": "", "tool_calls": [CALL]}]),
    ],
)
@pytest.mark.parametrize("key", ["output.value", "traceloop.entity.output"])
def test_a_node_of_langgraph_shows_what_it_added_to_the_messages(
    key: str, message: object, output: object
) -> None:
    commands = orjson.dumps([command(message)]).decode()
    span = mapped({"openinference.span.kind": "CHAIN", key: commands})
    assert part(span, "outputs") == {"output": output}
    assert part(span, "metadata")[key] == commands


@pytest.mark.parametrize(
    "commands",
    [
        [command(AI, goto=["tools"])],
        [{"graph": None, "update": {"messages": [AI], "other": 1}}],
        [command(AI), "and more"],
        [{"update": {"messages": [AI]}}],
    ],
)
def test_a_node_that_did_more_than_add_messages_shows_all_of_it(commands: list[object]) -> None:
    given = {"openinference.span.kind": "CHAIN", "output.value": orjson.dumps(commands).decode()}
    assert part(mapped(given), "outputs") == {"output": commands}


def test_what_openllmetry_says_under_two_names_is_sent_once() -> None:
    commands = orjson.dumps([command(AI)]).decode()
    twins = {"traceloop.entity.output": commands, "gen_ai.task.output": commands}
    span = mapped({"traceloop.span.kind": "task", **twins})
    assert part(span, "metadata")["traceloop.entity.output"] == commands
    assert "gen_ai.task.output" not in part(span, "metadata")


def test_a_crew_of_several_tasks_was_asked_all_of_them() -> None:
    tasks = orjson.dumps([{"description": "Look."}, {"description": "Tell."}]).decode()
    crew = mapped({"traceloop.span.kind": "workflow", "crewai.crew.tasks": tasks})
    assert part(crew, "inputs") == {"input": ["Look.", "Tell."]}


def test_a_call_that_is_told_only_among_the_blocks_is_a_call() -> None:
    path = "llm.output_messages.0.message.contents."
    span = mapped(
        {
            "openinference.span.kind": "LLM",
            f"{path}0.message_content.type": "text",
            f"{path}0.message_content.text": "Let me look.",
            f"{path}1.message_content.type": "tool_use",
            f"{path}1.tool_call.id": "call_1",
            f"{path}1.tool_call.function.name": "get_weather",
            f"{path}1.tool_call.function.arguments": '{"city": "Paris"}',
        }
    )
    said = {"role": None, "content": "Let me look.", "tool_calls": [CALL]}
    assert part(span, "outputs")["messages"] == [said]


def test_a_text_beside_its_blocks_is_told_once() -> None:
    path = "llm.input_messages."
    span = mapped(
        {
            "openinference.span.kind": "LLM",
            f"{path}0.message.content": "hello",
            f"{path}0.message.contents.0.message_content.text": "hello",
            f"{path}1.message.content": "hello",
            f"{path}1.message.contents.0.message_content.text": "and more",
        }
    )
    texts = [message["content"] for message in part(span, "inputs")["messages"]]
    assert texts == ["hello", "hello\nand more"]


def test_what_an_agent_said_before_its_answer_stays_in_metadata() -> None:
    said = [{"role": "assistant", "content": text} for text in ("Let me look.", ANSWER)]
    for answered in (said, said[1:]):
        messages = orjson.dumps(answered).decode()
        span = mapped({"gen_ai.operation.name": "invoke_agent", "gen_ai.output.messages": messages})
        assert part(span, "outputs") == {"output": ANSWER}
        assert ("gen_ai.output.messages" in part(span, "metadata")) == (len(answered) > 1)


def test_stop_reasons_of_further_answers_stay_in_metadata() -> None:
    span = mapped(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.response.finish_reasons": ("stop", "length"),
        }
    )
    assert part(span, "outputs")["stop_reason"] == "stop"
    assert part(span, "metadata")["gen_ai.response.finish_reasons"] == ("stop", "length")


def test_of_several_answers_the_first_one_tells_why_the_model_stopped() -> None:
    reasons = ("length", "stop")
    said = [{"role": "assistant", "content": ANSWER, "finish_reason": told} for told in reasons]
    messages = orjson.dumps(said).decode()
    span = mapped({"gen_ai.operation.name": "chat", "gen_ai.output.messages": messages})
    assert part(span, "outputs")["stop_reason"] == "length"
    assert part(span, "metadata")["gen_ai.output.messages"] == messages


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ('"stop"', "stop"),
        ("COMPLETE", "stop"),
        ("eos_token", "stop"),
        ("FINISH_REASON_STOP", "stop"),
        ("max_output_tokens", "length"),
        ("model_length", "length"),
        ("toolUse", "tool_calls"),
        ("FinishReason.TOOL_CALLS", "tool_calls"),
        ("content_filtered", "content_filter"),
        ("RECITATION", "content_filter"),
        ("PROHIBITED_CONTENT", "content_filter"),
        ("refusal", "content_filter"),
        ("MALFORMED_FUNCTION_CALL", "MALFORMED_FUNCTION_CALL"),
    ],
)
@pytest.mark.parametrize("key", ["gen_ai.response.finish_reasons", "llm.finish_reason"])
def test_every_providers_reason_to_stop_has_its_usual_name(key: str, told: str, shown: str) -> None:
    value = (told,) if key.endswith("reasons") and told[0] != '"' else told
    span = mapped({"gen_ai.operation.name": "chat", key: value})
    assert part(span, "outputs")["stop_reason"] == shown


@pytest.mark.parametrize(
    "key", ["crew_tasks", "crewai.agent.backstory", "smolagents.task", "tool.arguments", "message"]
)
def test_a_users_words_in_a_frameworks_own_attribute_are_hidden_too(key: str) -> None:
    view = with_attributes(one_view(), {key: "SECRET"})
    hidden = agent_span(view, Capture(inputs=False))
    assert "SECRET" not in orjson.dumps(hidden.payload).decode()


@pytest.mark.parametrize(
    "document",
    [
        {"page_content": "It is sunny.", "id": None, "metadata": {"source": "w"}, "score": 0},
        {
            "lc": 1,
            "type": "constructor",
            "id": ["langchain", "schema", "Document"],
            "kwargs": {"page_content": "It is sunny.", "metadata": {"source": "w"}, "score": 0},
        },
    ],
)
@pytest.mark.parametrize("kind", ["RETRIEVER", "RERANKER"])
@pytest.mark.parametrize("holder", [{"documents": None}, None])
def test_a_search_whole_in_one_value_tells_query_and_documents(
    document: object, kind: str, holder: dict[str, object] | None
) -> None:
    found = [document] if holder is None else {"documents": [document]}
    span = mapped(
        {
            "openinference.span.kind": kind,
            "input.value": '{"query": "Paris"}',
            "output.value": orjson.dumps(found).decode(),
        }
    )
    assert part(span, "inputs") == {"query": "Paris"}
    told = {"content": "It is sunny.", "metadata": {"source": "w"}, "score": 0}
    assert part(span, "outputs") == {"documents": [told]}
    assert not part(span, "metadata").keys() & {"input.value", "output.value"}


def test_what_a_search_was_given_or_gave_beside_that_is_kept() -> None:
    given, got = {"query": "Paris", "top_k": 3}, {"documents": ["sunny"], "took_ms": 12}
    span = mapped(
        {
            "openinference.span.kind": "RETRIEVER",
            "input.value": orjson.dumps(given).decode(),
            "output.value": orjson.dumps(got).decode(),
        }
    )
    assert part(span, "inputs") == {"query": "Paris"}
    assert part(span, "metadata")["input.value"] == {"top_k": 3}
    assert part(span, "outputs") == {"documents": ["sunny"]}
    assert part(span, "metadata")["output.value"] == orjson.dumps(got).decode()


def test_the_quotes_of_a_search_for_a_phrase_stay() -> None:
    span = mapped({"openinference.span.kind": "RETRIEVER", "input.value": '"sunny days"'})
    assert part(span, "inputs") == {"query": '"sunny days"'}


def test_a_reordering_tells_its_model_and_what_it_reordered() -> None:
    span = mapped(
        {
            "openinference.span.kind": "RERANKER",
            "reranker.model_name": "rerank-3",
            "reranker.query": "Paris",
            "reranker.top_k": 1,
            "reranker.input_documents.0.document.content": "rainy",
            "reranker.input_documents.1.document.content": "sunny",
            "reranker.output_documents.0.document.content": "sunny",
            "reranker.output_documents.0.document.score": 0.9,
            "reranker.output_documents.0.document.source": "w",
        },
        name="reorder",
    )
    assert span.payload["name"] == "reorder"
    assert span.payload["token_usage"] is None
    documents = [{"content": "rainy"}, {"content": "sunny"}]
    assert part(span, "inputs") == {"model": "rerank-3", "query": "Paris", "documents": documents}
    told = {"content": "sunny", "score": 0.9, "source": "w"}
    assert part(span, "outputs") == {"documents": [told]}
    assert [key for key in part(span, "metadata") if key.startswith("rer")] == ["reranker.top_k"]


SAID_TO = [
    *("gen_ai.tool.args", "tool_call.function.arguments", "traceloop.prompt.template_variables.x"),
    *("haystack.component.input", "mcp.request.argument", "crewai.task.expected_output"),
]
SAID = [
    *("llm.choices.0.completion.text", "llm.completions.0.content", "llm.function_call"),
    *("gen_ai.content.reasoning", "tool_call.function.arguments", "haystack.component.output"),
    "mcp.response.value",
]
HIDES_INPUTS, HIDES_OUTPUTS = Capture(inputs=False), Capture(outputs=False)


@pytest.mark.parametrize(
    ("key", "capture"),
    [(key, HIDES_INPUTS) for key in SAID_TO] + [(key, HIDES_OUTPUTS) for key in SAID],
)
@pytest.mark.parametrize("kind", ["LLM", "TOOL", "CHAIN"])
def test_content_under_any_known_name_is_hidden_when_it_is_not_captured(
    kind: str, key: str, capture: Capture
) -> None:
    attributes: Attributes = {"openinference.span.kind": kind, key: "SECRET"}
    span = agent_span(with_attributes(one_view(), dict(attributes)), capture)
    assert "SECRET" not in orjson.dumps(span.payload).decode()
    assert "SECRET" in orjson.dumps(mapped(attributes).payload).decode()


@pytest.mark.parametrize(
    ("name", "capture"),
    [
        ("gen_ai.system.instruction", HIDES_INPUTS),
        ("gen_ai.input.messages", HIDES_INPUTS),
        ("gen_ai.output.messages", HIDES_OUTPUTS),
    ],
)
def test_content_of_an_event_that_nobody_shows_is_hidden_too(name: str, capture: Capture) -> None:
    event = Event(name, 1, {"gen_ai.event.content": "SECRET"})
    view = dataclasses.replace(one_view(), events=(event,))
    assert "SECRET" not in orjson.dumps(agent_span(view, capture).payload).decode()
    assert "SECRET" in orjson.dumps(agent_span(view, Capture()).payload).decode()


def test_an_older_call_by_openllmetry_without_usage_is_a_call_all_the_same() -> None:
    left = {"gen_ai.completion.0.citations": "page 3"}
    span = mapped(
        {
            "llm.request.type": "completion",
            "gen_ai.request.model": "claude-3-5-sonnet",
            "gen_ai.prompt.0.role": "user",
            "gen_ai.prompt.0.content": "hello",
            "gen_ai.completion.0.role": "assistant",
            "gen_ai.completion.0.content": ANSWER,
            "gen_ai.completion.0.finish_reason": "end_turn",
            **left,
        }
    )
    assert span.schema_name == "otel:llm"
    assert part(span, "inputs")["messages"] == [{"role": "user", "content": "hello"}]
    told = {"messages": [{"role": "assistant", "content": ANSWER}], "stop_reason": "stop"}
    assert part(span, "outputs") == told
    assert part(span, "metadata").items() >= left.items()


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        ('{"id": "msg_1", "content": [], "stop_reason": "end_turn"}', "stop"),
        ('{"choices": [{"finish_reason": "length"}]}', "length"),
        ('{"finish_reason": "function_calls", "content": []}', "tool_calls"),
        ("plain text", None),
    ],
)
def test_a_stop_reason_is_found_in_the_whole_response_at_last(
    response: str, reason: str | None
) -> None:
    span = mapped({"openinference.span.kind": "LLM", "output.value": response})
    assert part(span, "outputs").get("stop_reason") == reason


def of_run(name: str, span_type: str) -> list[AgentSpan]:
    spans = [agent_span(view, Capture()) for view in recorded(name).views]
    found = [span for span in spans if span.schema_name == f"otel:{span_type}"]
    return sorted(found, key=lambda span: span.started_at)


@pytest.mark.parametrize(
    ("name", "prompt", "completion"),
    [
        ("anthropic__openinference_anthropic__messages_tool_ok", 256, 60),
        ("anthropic__openinference_anthropic__messages_stream", 256, 60),
        ("anthropic__traceloop_anthropic__messages_tool_ok", 256, 60),
        ("google_adk__native_v1__tool_ok", 240, 60),
        ("langfuse__native__tool_ok", 360, 90),
    ],
)
def test_a_recorded_run_counts_what_the_provider_reported(
    name: str, prompt: int, completion: int
) -> None:
    usages = [payload["token_usage"] for payload in payloads(run_through(recorded(name).views))]
    told = [usage for usage in usages if isinstance(usage, dict)]
    assert sum(usage["prompt_tokens"] for usage in told) == prompt
    assert sum(usage["completion_tokens"] for usage in told) == completion


@pytest.mark.parametrize(
    "name",
    [
        "anthropic__openinference_anthropic__messages_tool_ok",
        "anthropic__openinference_anthropic__messages_stream",
        "anthropic__traceloop_anthropic__messages_tool_ok",
        "google_adk__native_v1__tool_ok",
        "langfuse__native__tool_ok",
    ],
)
def test_a_recorded_run_tells_question_tool_and_answer(name: str) -> None:
    told = [span for span in of_run(name, "llm") if "messages" in part(span, "outputs")]
    first, second = told[:2]
    inputs, outputs = part(first, "inputs"), part(first, "outputs")
    assert ASKED[1] in inputs["messages"]
    system = str(inputs.get("system") or inputs["messages"][0]["content"])
    assert system.startswith("You are a weather assistant.")
    assert inputs["tools"] == ["get_weather"]
    [call] = outputs["tool_calls"]
    assert (call["name"], call["arguments"]) == ("get_weather", {"city": "Paris"})
    assert outputs["messages"][0]["content"] in ("Let me look.", None)
    answered = part(second, "inputs")["messages"][-1]
    assert answered["content"] in ("sunny, 21C", {"result": "sunny, 21C"})
    assert part(second, "outputs")["messages"] == [{"role": "assistant", "content": ANSWER}]


@pytest.mark.parametrize(
    "name",
    [
        "google_adk__native_v1__tool_ok",
        "langfuse__native__tool_ok",
        "crewai__traceloop_crewai__tool_ok",
    ],
)
def test_a_recorded_run_has_one_agent_span_with_the_agents_name(name: str) -> None:
    [agent] = of_run(name, "agent")
    assert agent.payload["name"] == "weather_agent"


@pytest.mark.parametrize("name", ["google_adk__native_v1__tool_ok", "langfuse__native__tool_ok"])
def test_a_recorded_tool_has_plain_arguments(name: str) -> None:
    [tool] = of_run(name, "tool")
    assert tool.payload["name"] == "get_weather"
    assert part(tool, "inputs") == {"city": "Paris"}
    assert part(tool, "outputs")["output"] in ("sunny, 21C", {"result": "sunny, 21C"})


def test_a_recorded_crew_is_a_chain_around_tasks_and_agents() -> None:
    crew, task = of_run("crewai__traceloop_crewai__tool_ok", "chain")
    assert part(crew, "inputs") == {"input": ASKED[1]["content"]}
    assert part(crew, "outputs") == {"output": ANSWER}
    assert task.payload["name"] == "task"
    assert part(task, "inputs") == {"input": ASKED[1]["content"]}
    assert part(task, "outputs") == {"output": ANSWER}
