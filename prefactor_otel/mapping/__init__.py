"""From an OpenTelemetry span to the agent span that the API records: pure functions.

What vocabularies say is data (``dialects``), in rules (``rules``, ``types``) that are compiled once
for each shape of span (``shape``, ``plan``). What a span tells is read by its plan (``telling``),
and ``mapper`` puts the parts together.
"""

from prefactor_otel.mapping.capture import Capture
from prefactor_otel.mapping.dialects.words import SESSION_KEYS
from prefactor_otel.mapping.judging import Judgement, judgements_in, judgements_of
from prefactor_otel.mapping.kinds import (
    expected_type,
    says_nothing,
    says_what_it_is,
    span_type,
    speaks_late,
)
from prefactor_otel.mapping.mapper import AgentSpan, agent_span, bare_span
from prefactor_otel.mapping.moments import timestamp
from prefactor_otel.mapping.shape import agent_name, session_of
from prefactor_otel.mapping.types import NOTHING, TOTALS, TYPE_KEY, Below, SpanType

__all__ = [
    "NOTHING",
    "SESSION_KEYS",
    "TOTALS",
    "TYPE_KEY",
    "AgentSpan",
    "Below",
    "Capture",
    "Judgement",
    "SpanType",
    "agent_name",
    "agent_span",
    "bare_span",
    "expected_type",
    "judgements_in",
    "judgements_of",
    "says_nothing",
    "says_what_it_is",
    "session_of",
    "span_type",
    "speaks_late",
    "timestamp",
]
