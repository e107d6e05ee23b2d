"""Pipecat: a turn of a conversation by voice, in words without any prefix."""

from typing import Final

from prefactor_otel.mapping.dialects.genai import OPERATION_NAME
from prefactor_otel.mapping.rules import INPUT, OUTPUT, Rule, types
from prefactor_otel.mapping.shapes.tools import declared
from prefactor_otel.mapping.types import CHAIN, EVIDENCE, LLM, STEP, TOOL, ByNames, BySpanName

TYPES: Final = (
    BySpanName(STEP, "turn.", {"turn": CHAIN}),
    BySpanName(STEP, "conversation.", {"conversation": CHAIN}),
    ByNames(EVIDENCE + 1, ("tool.function_name",), TOOL),
)
RULES: Final = (
    Rule("tools", ("tools",), declared, INPUT, types(LLM)),
    Rule("output", ("transcript",), side=OUTPUT, when=(OPERATION_NAME, "stt")),
    Rule("input", ("text",), side=INPUT, when=(OPERATION_NAME, "tts")),
)
