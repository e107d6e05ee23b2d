"""Langfuse's SDK."""

from typing import Final

from prefactor_otel.mapping.dialects.whole import steps
from prefactor_otel.mapping.rules import Rule, types
from prefactor_otel.mapping.shapes.texts import model_name, settings
from prefactor_otel.mapping.types import LLM, STEP, ByValue

TYPES: Final = (ByValue(STEP, "langfuse.observation.type"),)
RULES: Final = (
    *steps(("langfuse.observation.input",), ("langfuse.observation.output",)),
    Rule("parameters", ("langfuse.observation.model.parameters",), settings, of=types(LLM)),
    Rule("answering", ("langfuse.observation.model.name",), model_name),
)
