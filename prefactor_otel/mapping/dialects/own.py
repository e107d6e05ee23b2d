"""What a span says in this package's own words: of which type it is, and what was given to it."""

from typing import Final

from prefactor_otel.mapping.rules import INPUT, OUTPUT, Rule, types
from prefactor_otel.mapping.shapes.texts import decoded, text
from prefactor_otel.mapping.types import APPROVAL, ROLE, TYPE_KEY, ByValue, SpanType

INPUTS: Final = "prefactor.inputs"
ANSWER: Final = "prefactor.answer"
DECIDED_BY: Final = "prefactor.decided_by"

TYPES: Final = (ByValue(ROLE - 0.1, TYPE_KEY, {each.value: each for each in SpanType}, ()),)


def _by_name(value: object) -> object:
    told = decoded(value)
    return told if isinstance(told, dict) else None


RULES: Final = (
    Rule("arguments", (INPUTS,), _by_name, INPUT),
    Rule("answer", (ANSWER,), text, OUTPUT, types(APPROVAL)),
    Rule("decided_by", (DECIDED_BY,), text, OUTPUT, types(APPROVAL)),
)
