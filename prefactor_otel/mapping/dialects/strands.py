"""Strands, in both of its languages: its cycles, which carry no operation in some of its versions,
and its milliseconds."""

from typing import Final

from prefactor_otel.mapping.dialects.genai import PROVIDER_NAME, SYSTEM_NAME
from prefactor_otel.mapping.rules import Rule
from prefactor_otel.mapping.shapes.texts import milliseconds
from prefactor_otel.mapping.types import CHAIN, STEP, ByNames

TYPES: Final = tuple(
    ByNames(STEP + 0.1, (name,), CHAIN) for name in ("event_loop.cycle_id", "agent_loop.cycle_id")
)
RULES: Final = tuple(
    Rule(
        "first_token",
        ("gen_ai.server.time_to_first_token",),  # others count seconds in it
        milliseconds,
        when=(name, "strands-agents"),
    )
    for name in (SYSTEM_NAME, PROVIDER_NAME)
)
