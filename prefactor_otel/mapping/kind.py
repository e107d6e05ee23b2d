"""Which type of agent span an OpenTelemetry span is."""

from enum import StrEnum
from typing import Final

from prefactor_otel.semconv.genai import GenAI
from prefactor_otel.span import Attributes

SCHEMA_PREFIX: Final = "otel"


class SpanType(StrEnum):
    """The span types declared at registration, without their prefix."""

    AGENT = "agent"
    LLM = "llm"
    TOOL = "tool"
    CHAIN = "chain"
    RETRIEVER = "retriever"
    EMBEDDING = "embedding"
    HANDOFF = "handoff"
    GUARDRAIL = "guardrail"
    SPAN = "span"

    @property
    def schema_name(self) -> str:
        """The name under which the API knows the type."""
        return f"{SCHEMA_PREFIX}:{self.value}"


_BY_OPERATION: Final = {
    "chat": SpanType.LLM,
    "text_completion": SpanType.LLM,
    "generate_content": SpanType.LLM,
    "embeddings": SpanType.EMBEDDING,
    "execute_tool": SpanType.TOOL,
    "invoke_agent": SpanType.AGENT,
    "retrieval": SpanType.RETRIEVER,
    "vector_db_retrieve": SpanType.RETRIEVER,
    "invoke_workflow": SpanType.CHAIN,
    "invoke_graph": SpanType.CHAIN,
    "execute_task": SpanType.CHAIN,
    "execute_event_loop_cycle": SpanType.CHAIN,
    "handoff": SpanType.HANDOFF,
    "agent_handoff": SpanType.HANDOFF,
}


def span_type(attributes: Attributes) -> SpanType:
    """The type, from ``gen_ai.operation.name`` (GenAI semantic conventions); an unknown or
    missing operation is a plain span."""
    operation = attributes.get(GenAI.OPERATION_NAME)
    if not isinstance(operation, str):
        return SpanType.SPAN
    known = _BY_OPERATION.get(operation)
    if known is None and "guardrail" in operation:
        return SpanType.GUARDRAIL
    return known or SpanType.SPAN
