"""Reader of pydantic-ai's own attributes, which hold what its agent spans were asked and
which texts became vectors."""

from typing import Final

from prefactor_otel.mapping.content import Content, parsed
from prefactor_otel.mapping.kind import SpanType
from prefactor_otel.mapping.messages import messages, tool_arguments, tool_result

ALL_MESSAGES: Final = ("pydantic_ai.all_messages", "all_messages_events")
VOCABULARY: Final = (
    *ALL_MESSAGES,
    *("final_result", "tool_arguments", "tool_response", "inputs", "embeddings"),
)


def read(content: Content, span_type: SpanType) -> None:
    """Fill slots from ``pydantic_ai.*`` and the unprefixed names of its older versions."""
    if span_type is SpanType.AGENT:
        content.offer("asked", ALL_MESSAGES, _question, partly=True)
        content.offer("answer", ["final_result"], parsed)
    if span_type is SpanType.TOOL:
        content.offer("arguments", ["tool_arguments"], tool_arguments)
        content.offer("result", ["tool_response"], tool_result)
    if span_type is SpanType.EMBEDDING:
        content.offer("texts", ["inputs"], parsed)
        content.offer("output", ["embeddings"], parsed)


def _question(value: object) -> object:
    """What stood at the beginning of the conversation, before the first answer."""
    asked: list[object] = []
    for entry in messages(value) or []:
        if isinstance(entry, dict) and entry.get("role") == "assistant":
            break
        asked.append(entry)
    return asked or None
