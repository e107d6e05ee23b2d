"""Reader of whole inputs and outputs: the last resort for model calls, the first for chains."""

from typing import Final

from prefactor_otel.mapping.content import Content, parsed
from prefactor_otel.mapping.kind import SpanType
from prefactor_otel.mapping.messages import last_content, messages, tool_arguments, tool_result

INPUT, OUTPUT = "input.value", "output.value"
MIME_TYPES: Final = {INPUT: "input.mime_type", OUTPUT: "output.mime_type"}


def read(content: Content, span_type: SpanType) -> None:
    """Fill slots from ``input.value`` and ``output.value`` (OpenInference)."""
    if span_type is SpanType.LLM:
        content.offer("asked", [INPUT], _messages_in)
        content.offer("answered", [OUTPUT], _messages_in)
    if span_type is SpanType.AGENT:
        content.offer("asked", [INPUT], _messages_alone)
        content.offer("answer", [OUTPUT], _last_answer, partly=True)
    if span_type is SpanType.TOOL:
        content.offer("arguments", [INPUT], tool_arguments)
        content.offer("result", [OUTPUT], tool_result)
    if span_type in (SpanType.RETRIEVER, SpanType.RERANKER):
        content.offer("query", [INPUT], parsed)
    if not content.has("asked"):
        content.offer("input", [INPUT], parsed)
    if not content.has("answered", "answer", "documents"):
        content.offer("output", [OUTPUT], parsed)
    for value, mime_type in MIME_TYPES.items():
        content.belongs(mime_type, to=value)


def _messages_in(value: object) -> object:
    value = parsed(value)
    if isinstance(value, dict) and isinstance(value.get("messages"), list):
        return messages(value["messages"])
    return None


def _messages_alone(value: object) -> object:
    value = parsed(value)
    return _messages_in(value) if isinstance(value, dict) and len(value) == 1 else None


def _last_answer(value: object) -> object:
    """What the last message of a graph's state says."""
    return last_content(_messages_in(value)) or None
