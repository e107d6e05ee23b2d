"""The spans that are measured: runs of an agent that asks a model, uses a tool and asks again, in
the words of three dialects, with texts that make a span as large as wanted.

Imported by the measured process, also where only a peer is installed: standard library only.
"""

import json
import random
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

Value = str | bool | int | float | Sequence[str]
Attributes = Mapping[str, Value]
Json = dict[str, object]

SIZES: Final = {"1 KB": 1_300, "10 KB": 10_000, "100 KB": 100_000}
"""Bytes of JSON that the attributes of a span take, on average over a run."""

_MODEL: Final = "gpt-4o-mini"
_CALL: Final = "call_1"
_TOOL_SCHEMA: Final = json.dumps(
    {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
)


@dataclass(frozen=True)
class Sample:
    """A span to be made."""

    name: str
    attributes: Attributes


Run = Sequence[Sample]
"""The root first, then its children in their order."""

SPANS_A_RUN: Final = 4


def runs(dialect: str, size: str, spans: int, seed: int = 1) -> list[Run]:
    """So many spans, in whole runs; no two hold the same text."""
    build = DIALECTS[dialect]
    wanted = SIZES[size]
    empty, probe = (_json_size(build("x" * length)) for length in (0, 1000))
    length = max(0, round((wanted - empty) * 1000 / (probe - empty)))
    prose = _prose(length, seed)
    return [build(f"{number} {prose}"[:length]) for number in range(spans // SPANS_A_RUN)]


def _json_size(run: Run) -> float:
    return sum(len(json.dumps(dict(sample.attributes))) for sample in run) / len(run)


def _prose(length: int, seed: int) -> str:
    """Words with a few quotes and line ends, which JSON has to escape."""
    chance = random.Random(seed)
    text = ""
    while len(text) < length:
        word = "".join(chance.choices(string.ascii_lowercase, k=chance.randint(2, 9)))
        text += f'"{word}"\n' if chance.random() < 0.03 else f"{word} "
    return text


# -- dialects -----------------------------------------------------------------------------


def _genai(text: str) -> Run:
    third = len(text) // 3
    question = _parts("user", text[:third])
    asks: Json = {
        "role": "assistant",
        "finish_reason": "tool_calls",
        "parts": [
            {"type": "tool_call", "id": _CALL, "name": "weather", "arguments": {"city": "Bath"}}
        ],
    }
    result: Json = {
        "role": "tool",
        "parts": [{"type": "tool_call_response", "id": _CALL, "response": text[third : 2 * third]}],
    }
    final = _parts("assistant", text[2 * third :]) | {"finish_reason": "stop"}
    agent = {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.provider.name": "openai",
        "gen_ai.agent.name": "weather agent",
        "gen_ai.agent.id": "agent_1",
        "gen_ai.conversation.id": "conversation_1",
        "gen_ai.input.messages": json.dumps([question]),
        "gen_ai.output.messages": json.dumps([final]),
    }
    tool = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "weather",
        "gen_ai.tool.type": "function",
        "gen_ai.tool.call.id": _CALL,
        "gen_ai.tool.call.arguments": json.dumps({"city": "Bath", "why": text[:third]}),
        "gen_ai.tool.call.result": text[third:],
    }
    return (
        Sample("invoke_agent weather agent", agent),
        Sample(f"chat {_MODEL}", _genai_chat([question], asks, "tool_calls")),
        Sample("execute_tool weather", tool),
        Sample(f"chat {_MODEL}", _genai_chat([question, asks, result], final, "stop")),
    )


def _parts(role: str, text: str) -> Json:
    return {"role": role, "parts": [{"type": "text", "content": text}]}


def _genai_chat(asked: Sequence[Json], answer: Json, reason: str) -> Attributes:
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": _MODEL,
        "gen_ai.request.temperature": 0.2,
        "gen_ai.request.max_tokens": 100,
        "gen_ai.response.model": f"{_MODEL}-2024-07-18",
        "gen_ai.response.id": "chatcmpl-1",
        "gen_ai.response.finish_reasons": (reason,),
        "gen_ai.usage.input_tokens": 120,
        "gen_ai.usage.output_tokens": 30,
        "gen_ai.input.messages": json.dumps(list(asked)),
        "gen_ai.output.messages": json.dumps([answer]),
        "server.address": "api.example.com",
        "server.port": 443,
    }


def _openinference(text: str) -> Run:
    third = len(text) // 3
    question, result, final = text[:third], text[third : 2 * third], text[2 * third :]
    asked: list[Attributes] = [
        {"message.role": "user", "message.content": question},
        {
            "message.role": "assistant",
            "message.tool_calls.0.tool_call.id": _CALL,
            "message.tool_calls.0.tool_call.function.name": "weather",
            "message.tool_calls.0.tool_call.function.arguments": '{"city": "Bath"}',
        },
        {"message.role": "tool", "message.tool_call_id": _CALL, "message.content": result},
    ]
    answer = {"message.role": "assistant", "message.content": final}
    agent = {
        "openinference.span.kind": "AGENT",
        "input.value": json.dumps({"messages": [question]}),
        "input.mime_type": "application/json",
        "output.value": final,
        "session.id": "session_1",
        "agent.name": "weather agent",
    }
    tool = {
        "openinference.span.kind": "TOOL",
        "tool.name": "weather",
        "tool.description": "The weather in a city",
        "input.value": json.dumps({"city": "Bath", "why": question}),
        "input.mime_type": "application/json",
        "output.value": text[third:],
    }
    return (
        Sample("weather agent", agent),
        Sample("ChatCompletion", _openinference_chat(asked[:1], asked[1])),
        Sample("weather", tool),
        Sample("ChatCompletion", _openinference_chat(asked, answer)),
    )


def _openinference_chat(asked: Sequence[Attributes], answer: Attributes) -> Attributes:
    plain = [dict(message) for message in asked]
    attributes: dict[str, Value] = {
        "openinference.span.kind": "LLM",
        "llm.system": "openai",
        "llm.model_name": _MODEL,
        "llm.invocation_parameters": json.dumps({"temperature": 0.2, "max_tokens": 100}),
        "llm.tools.0.tool.json_schema": _TOOL_SCHEMA,
        "llm.token_count.prompt": 120,
        "llm.token_count.completion": 30,
        "llm.token_count.total": 150,
        "input.value": json.dumps({"model": _MODEL, "messages": plain}),
        "input.mime_type": "application/json",
        "output.value": json.dumps({"choices": [dict(answer)]}),
        "output.mime_type": "application/json",
    }
    for number, message in enumerate(asked):
        attributes |= {f"llm.input_messages.{number}.{k}": v for k, v in message.items()}
    return attributes | {f"llm.output_messages.0.{k}": v for k, v in answer.items()}


def _openllmetry(text: str) -> Run:
    third = len(text) // 3
    question, result, final = text[:third], text[third : 2 * third], text[2 * third :]
    workflow = {"traceloop.workflow.name": "weather", "traceloop.entity.path": "weather"}
    agent = workflow | {
        "traceloop.span.kind": "agent",
        "traceloop.entity.name": "weather agent",
        "traceloop.entity.input": json.dumps({"args": [question], "kwargs": {}}),
        "traceloop.entity.output": json.dumps(final),
    }
    tool = workflow | {
        "traceloop.span.kind": "tool",
        "traceloop.entity.name": "weather",
        "traceloop.entity.input": json.dumps({"args": [], "kwargs": {"city": question}}),
        "traceloop.entity.output": json.dumps(text[third:]),
    }
    calls: Attributes = {
        "role": "assistant",
        "finish_reason": "tool_calls",
        "tool_calls.0.id": _CALL,
        "tool_calls.0.name": "weather",
        "tool_calls.0.arguments": '{"city": "Bath"}',
    }
    asked: list[Attributes] = [
        {"role": "user", "content": question},
        calls,
        {"role": "tool", "tool_call_id": _CALL, "content": result},
    ]
    answer = {"role": "assistant", "content": final, "finish_reason": "stop"}
    return (
        Sample("weather.agent", agent),
        Sample("openai.chat", workflow | _openllmetry_chat(asked[:1], calls)),
        Sample("weather.tool", tool),
        Sample("openai.chat", workflow | _openllmetry_chat(asked, answer)),
    )


def _openllmetry_chat(asked: Sequence[Attributes], answer: Attributes) -> dict[str, Value]:
    attributes: dict[str, Value] = {
        "llm.request.type": "chat",
        "gen_ai.system": "openai",
        "gen_ai.request.model": _MODEL,
        "gen_ai.request.temperature": 0.2,
        "gen_ai.request.max_tokens": 100,
        "gen_ai.response.model": f"{_MODEL}-2024-07-18",
        "gen_ai.response.id": "chatcmpl-1",
        "gen_ai.usage.input_tokens": 120,
        "gen_ai.usage.output_tokens": 30,
        "llm.usage.total_tokens": 150,
        "llm.is_streaming": False,
        "llm.request.functions.0.name": "weather",
        "llm.request.functions.0.parameters": _TOOL_SCHEMA,
    }
    for number, message in enumerate(asked):
        attributes |= {f"gen_ai.prompt.{number}.{k}": v for k, v in message.items()}
    return attributes | {f"gen_ai.completion.0.{k}": v for k, v in answer.items()}


DIALECTS: Final[Mapping[str, Callable[[str], Run]]] = {
    "GenAI": _genai,
    "OpenInference": _openinference,
    "OpenLLMetry": _openllmetry,
}
