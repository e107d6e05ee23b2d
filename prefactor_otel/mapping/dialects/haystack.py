"""Haystack's own tracing: what a component is says its class; what a model took is inside of its
output."""

from typing import Final

from prefactor_otel.mapping.rules import OUTPUT, Rule, types
from prefactor_otel.mapping.shapes.requests import answering_model, stopped
from prefactor_otel.mapping.shapes.texts import text
from prefactor_otel.mapping.types import (
    AGENT,
    CHAIN,
    KIND_WORDS,
    LLM,
    STEP,
    TOOL,
    BySpanName,
    ByValue,
)
from prefactor_otel.mapping.usage import usage_in

TYPES: Final = (
    BySpanName(
        STEP,
        "haystack.",
        {
            "haystack.pipeline.run": CHAIN,
            "haystack.agent.run": AGENT,
            "haystack.agent.step": CHAIN,
            "haystack.agent.step.llm": LLM,
            "haystack.agent.step.tool": TOOL,
        },
    ),
    ByValue(
        STEP + 0.1,
        "haystack.component.type",
        words=(*KIND_WORDS, (frozenset({"builder"}), CHAIN)),
        is_class=True,
    ),
)

_OUTPUT: Final = ("haystack.component.output", "haystack.agent.step.llm.output")

RULES: Final = (
    Rule("name", ("haystack.component.name",), text),
    Rule("answering", _OUTPUT, answering_model, OUTPUT, partly=True),
    Rule("stopped", _OUTPUT, stopped, OUTPUT, types(LLM), partly=True),
    Rule("usage_at_last", _OUTPUT, usage_in, OUTPUT, partly=True),
)
