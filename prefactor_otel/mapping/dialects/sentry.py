"""Sentry's words for agents, which ByteDance's veADK and others use as well."""

from collections.abc import Mapping
from typing import Final

from prefactor_otel.mapping.dialects.genai import asked
from prefactor_otel.mapping.rules import INPUT, OUTPUT, Rule, Together
from prefactor_otel.mapping.shapes.messages import answer_of

TYPES: Final = ()
_TEXT, _CALLS = "gen_ai.response.text", "gen_ai.response.tool_calls"


def _answer(told: Mapping[str, object]) -> object:
    return answer_of(told.get(_TEXT), told.get(_CALLS))


RULES: Final = (
    Rule("asked", ("gen_ai.request.messages",), asked, INPUT),
    Rule("answered", Together(_TEXT, _CALLS), _answer, OUTPUT),
)
