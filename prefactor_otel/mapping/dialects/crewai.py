"""CrewAI, as OpenLLMetry and its own telemetry write of it."""

from typing import Final

from prefactor_otel.mapping.dialects.whole import steps
from prefactor_otel.mapping.rules import INPUT, Rule
from prefactor_otel.mapping.shapes.texts import parsed
from prefactor_otel.mapping.types import CHAIN, STEP, ByNames

TYPES: Final = (ByNames(STEP, ("crewai.crew.id",), CHAIN),)


def _descriptions(value: object) -> object:
    """What a crew was asked: the description of its task, or of each where they are several."""
    tasks = parsed(value)
    if not isinstance(tasks, list):
        return None
    told = [task.get("description") for task in tasks if isinstance(task, dict)]
    return told[0] if len(told) == 1 else told or None


DESCRIPTION: Final = "crewai.task.description"
OWN_TEXT: Final = ("crew_id", DESCRIPTION)
"""Ids and user texts that its instrumentations write into names of spans."""

RULES: Final = (
    *steps((DESCRIPTION,), ("crewai.crew.result",)),
    Rule("input", ("crewai.crew.tasks",), _descriptions, INPUT, partly=True),
)
