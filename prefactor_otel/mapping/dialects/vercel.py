"""The Vercel AI SDK."""

from collections.abc import Mapping
from typing import Final

from prefactor_otel.mapping.rules import INPUT, OUTPUT, Rule, Together, types
from prefactor_otel.mapping.shapes.messages import message
from prefactor_otel.mapping.shapes.requests import messages_in
from prefactor_otel.mapping.shapes.texts import decoded, parsed, text
from prefactor_otel.mapping.shapes.tools import declared
from prefactor_otel.mapping.types import (
    CHAIN,
    EMBEDDING,
    LLM,
    RERANKER,
    STEP,
    TOOL,
    ByValue,
    SpanType,
)

TYPES: Final = (
    ByValue(
        STEP,
        "ai.operationId",
        {
            "dogenerate": LLM,
            "dostream": LLM,
            "toolcall": TOOL,
            "embed": EMBEDDING,
            "embedmany": EMBEDDING,
            "doembed": EMBEDDING,
            "dorerank": RERANKER,
        },
        (),
        CHAIN,
    ),
)


def _texts(value: object) -> list[object]:
    return (
        [decoded(text) for text in value] if isinstance(value, (list, tuple)) else [decoded(value)]
    )


def _vectors(value: object) -> object:
    return [parsed(text) for text in value] if isinstance(value, (list, tuple)) else parsed(value)


_TEXT, _OBJECT, _CALLS = "ai.response.text", "ai.response.object", "ai.response.toolCalls"


def _answer(told: Mapping[str, object]) -> object:
    said = told.get(_TEXT) or told.get(_OBJECT)
    calls = parsed(told.get(_CALLS))
    if not said and not isinstance(calls, list):
        return None
    return [message({"role": "assistant", "content": said, "tool_calls": calls})]


_STEPS: Final = frozenset(SpanType) - types(TOOL, EMBEDDING)

RULES: Final = (
    Rule("arguments", ("ai.toolCall.args", "ai.toolCall.input"), decoded, INPUT, types(TOOL)),
    Rule("result", ("ai.toolCall.result", "ai.toolCall.output"), decoded, OUTPUT, types(TOOL)),
    Rule("texts", ("ai.values", "ai.value"), _texts, INPUT, types(EMBEDDING)),
    Rule("output", ("ai.embeddings", "ai.embedding"), _vectors, OUTPUT, types(EMBEDDING)),
    Rule("tools", ("ai.prompt.tools",), declared, INPUT, _STEPS),
    Rule("asked", ("ai.prompt.messages", "ai.prompt"), messages_in, INPUT, _STEPS),
    Rule("input", ("ai.prompt",), decoded, INPUT, _STEPS),
    Rule("answered", Together(_TEXT, _OBJECT, _CALLS), _answer, OUTPUT, _STEPS),
    Rule("requested", ("ai.model.id",), text),
    Rule("answering", ("ai.response.model",), text),
    Rule("name", ("ai.toolCall.name",), text, of=types(TOOL)),
)
