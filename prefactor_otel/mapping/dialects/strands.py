"""Strands' cycles, which carry no operation in some of its versions."""

from typing import Final

from prefactor_otel.mapping.rules import Rule
from prefactor_otel.mapping.types import CHAIN, STEP, ByNames

TYPES: Final = (ByNames(STEP + 0.1, ("event_loop.cycle_id",), CHAIN),)
RULES: Final[tuple[Rule, ...]] = ()
