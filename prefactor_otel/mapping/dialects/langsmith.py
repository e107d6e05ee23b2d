"""LangSmith's exporter to OpenTelemetry."""

from typing import Final

from prefactor_otel.mapping.dialects.events import COMPLETION_TEXT, PROMPT_TEXT
from prefactor_otel.mapping.dialects.whole import steps
from prefactor_otel.mapping.types import AGENT, KIND, ByCheck, ByValue

KIND_NAME: Final = "langsmith.span.kind"


def _is_same(trace: object, agent: object, kind: object) -> bool:
    return trace is not None and trace == agent


TYPES: Final = (
    ByCheck(
        KIND,
        ("langsmith.trace.name", "langsmith.metadata.lc_agent_name", KIND_NAME),
        _is_same,
        AGENT,
    ),
    ByValue(KIND, KIND_NAME),
)
RULES: Final = (*steps((PROMPT_TEXT,), (COMPLETION_TEXT,)),)
