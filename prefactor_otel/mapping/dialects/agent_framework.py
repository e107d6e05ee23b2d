"""Microsoft's Agent Framework: its workflows, which carry neither operation nor kind."""

from typing import Final

from prefactor_otel.mapping.rules import Rule, types
from prefactor_otel.mapping.shapes.texts import text
from prefactor_otel.mapping.types import CHAIN, STEP, ByNames, BySpanName

TYPES: Final = (
    BySpanName(STEP, "workflow.", {"workflow.run": CHAIN}),
    ByNames(STEP, ("executor.id", "executor.type"), CHAIN),
)
RULES: Final = (Rule("name", ("executor.id", "workflow.name"), text, of=types(CHAIN)),)
