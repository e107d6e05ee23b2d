"""The vocabularies that are read, each a module of data: which attributes fill which slot
(``RULES``), and which say of what type a span is (``TYPES``)."""

from collections.abc import Sequence
from typing import Final, Protocol

from prefactor_otel.mapping.dialects import (
    agent_framework,
    anthropic,
    braintrust,
    crewai,
    events,
    genai,
    google_adk,
    haystack,
    langfuse,
    langsmith,
    livekit,
    logfire,
    mlflow,
    openinference,
    openllmetry,
    own,
    pipecat,
    pydantic_ai,
    sentry,
    spring_ai,
    strands,
    values,
    vercel,
    words,
)
from prefactor_otel.mapping.rules import Rule
from prefactor_otel.mapping.types import ByEnding, TypeRule


class Dialect(Protocol):
    """One vocabulary."""

    @property
    def __name__(self) -> str: ...
    @property
    def TYPES(self) -> Sequence[TypeRule | ByEnding]: ...
    @property
    def RULES(self) -> Sequence[Rule]: ...


DIALECTS: Final[tuple[Dialect, ...]] = (
    own,
    genai,
    openinference,
    events,
    openllmetry,
    pydantic_ai,
    logfire,
    langfuse,
    mlflow,
    langsmith,
    google_adk,
    crewai,
    vercel,
    anthropic,
    agent_framework,
    haystack,
    livekit,
    pipecat,
    sentry,
    spring_ai,
    strands,
    braintrust,
    values,
    words,
)
"""In the order of trust: the first that has something to say fills a slot. A new vocabulary is a
file of its own and a line here."""
