"""Anthropic's tracing of itself, where it has a word of its own."""

from typing import Final

from prefactor_otel.mapping.dialects.whole import result
from prefactor_otel.mapping.rules import OUTPUT, Rule, types
from prefactor_otel.mapping.types import TOOL

TYPES: Final = ()
RULES: Final = (Rule("result", ("anthropic.tool_result.content",), result, OUTPUT, types(TOOL)),)
