"""The Vercel AI SDK."""

from collections.abc import Mapping
from typing import Final

from prefactor_otel.mapping.rules import INPUT, OUTPUT, Rule, Together, Told, Under, types
from prefactor_otel.mapping.shapes.blocks import text_of
from prefactor_otel.mapping.shapes.messages import answer_of
from prefactor_otel.mapping.shapes.requests import messages_in
from prefactor_otel.mapping.shapes.texts import decoded, model_name, parsed, settings, text
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
from prefactor_otel.mapping.usage import counts_in

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
_OLD_TEXT, _OLD_OBJECT, _OLD_CALLS = "ai.result.text", "ai.result.object", "ai.result.toolCalls"


def _answer(told: Mapping[str, object]) -> object:
    said = told.get(_TEXT) or parsed(told.get(_OBJECT))
    said = said or told.get(_OLD_TEXT) or parsed(told.get(_OLD_OBJECT))
    return answer_of(said, told.get(_CALLS) or told.get(_OLD_CALLS))


def _asked(prompt: object) -> object:
    """The messages of a call, and what stands beside them for the system."""
    given = parsed(prompt)
    asked = messages_in(given)
    if asked is None or not isinstance(given, dict) or not given.get("system"):
        return asked
    return Told({"asked": asked, "system": text_of(given["system"])})


def _details(metadata: object) -> object:
    """The counts among what a provider says beside its answer."""
    return counts_in(parsed(metadata)) or None


_STEPS: Final = frozenset(SpanType) - types(TOOL, EMBEDDING)

RULES: Final = (
    Rule("arguments", ("ai.toolCall.args", "ai.toolCall.input"), decoded, INPUT, types(TOOL)),
    Rule("result", ("ai.toolCall.result", "ai.toolCall.output"), decoded, OUTPUT, types(TOOL)),
    Rule("texts", ("ai.values", "ai.value"), _texts, INPUT, types(EMBEDDING)),
    Rule("output", ("ai.embeddings", "ai.embedding"), _vectors, OUTPUT, types(EMBEDDING)),
    Rule("tools", ("ai.prompt.tools",), declared, INPUT, _STEPS),
    Rule("asked", ("ai.prompt.messages",), messages_in, INPUT, _STEPS),
    Rule("asked", ("ai.prompt",), _asked, INPUT, _STEPS),
    Rule("input", ("ai.prompt",), decoded, INPUT, _STEPS),
    Rule(
        "answered",
        Together(_TEXT, _OBJECT, _CALLS, _OLD_TEXT, _OLD_OBJECT, _OLD_CALLS),
        _answer,
        OUTPUT,
        _STEPS,
    ),
    Rule("parameters", Under("ai.settings."), settings, of=types(LLM)),
    Rule("usage", ("ai.response.providerMetadata",), _details, OUTPUT, partly=True),
    Rule("requested", ("ai.model.id",), model_name),
    Rule("answering", ("ai.response.model",), model_name),
    Rule("name", ("ai.toolCall.name",), text, of=types(TOOL)),
)
