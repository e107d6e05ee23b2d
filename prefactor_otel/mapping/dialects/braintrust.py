"""Braintrust: what a span is, which model it asked and what that took, inside of JSON."""

from collections.abc import Callable
from typing import Final

from prefactor_otel.mapping.rules import Rule
from prefactor_otel.mapping.shapes.requests import model_in
from prefactor_otel.mapping.shapes.texts import parsed
from prefactor_otel.mapping.types import CHAIN, EVALUATOR, LLM, STEP, TOOL, ByCheck
from prefactor_otel.mapping.usage import counts_in

_ATTRIBUTES: Final = ("braintrust.span_attributes",)


def _is(*kinds: str) -> Callable[[object], bool]:
    def check(attributes: object) -> bool:
        told = parsed(attributes)
        return isinstance(told, dict) and told.get("type") in kinds

    return check


def _counts(metrics: object) -> object:
    return counts_in(parsed(metrics)) or None


TYPES: Final = (
    ByCheck(STEP, _ATTRIBUTES, _is("llm"), LLM),
    ByCheck(STEP, _ATTRIBUTES, _is("tool", "function"), TOOL),
    ByCheck(STEP, _ATTRIBUTES, _is("task", "eval"), CHAIN),
    ByCheck(STEP, _ATTRIBUTES, _is("score"), EVALUATOR),
)
RULES: Final = (
    Rule("requested", ("braintrust.metadata",), model_in, partly=True),
    Rule("usage", ("braintrust.metrics",), _counts, partly=True),
)
