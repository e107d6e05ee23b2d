"""Reader of whole inputs and outputs: the last resort for model calls, the first for chains."""

from typing import Final

from prefactor_otel.mapping.content import Content, Part, decoded, parsed
from prefactor_otel.mapping.kind import SpanType
from prefactor_otel.mapping.messages import literal, tool_arguments, tool_result
from prefactor_otel.mapping.whole import (
    asked_alone,
    fill_documents,
    last_answer,
    messages_of_updates,
    query,
    read_call,
)

INPUT, OUTPUT = "input.value", "output.value"
VOCABULARY: Final = (INPUT, OUTPUT)
MIME_TYPES: Final = {INPUT: "input.mime_type", OUTPUT: "output.mime_type"}


def read(content: Content, span_type: SpanType) -> None:
    """Fill slots from ``input.value`` and ``output.value`` (OpenInference)."""
    # Where the messages are known, why the model stopped is all that is left to be read here;
    # and that is read where single values are.
    if span_type is SpanType.LLM:
        if not ("asked" in content.slots and "answered" in content.slots):
            read_call(content, INPUT, OUTPUT)
    elif span_type is SpanType.CHAIN:
        content.offer("asked", [INPUT], asked_alone, get=content.parsed)
        content.offer("answered", [OUTPUT], messages_of_updates, partly=True, get=content.parsed)
    elif span_type is SpanType.AGENT:
        content.offer("asked", [INPUT], asked_alone, get=content.parsed)
        content.offer("answer", [OUTPUT], last_answer, partly=True, get=content.parsed)
    elif span_type is SpanType.TOOL:
        content.offer("arguments", [INPUT], lambda value: _arguments(content, value))
        content.offer("result", [OUTPUT], tool_result, get=lambda _: _output(content))
    elif span_type is SpanType.EMBEDDING:
        content.offer("output", [OUTPUT], _vectors)
    elif span_type is SpanType.RETRIEVER or span_type is SpanType.RERANKER:
        content.offer("query", [INPUT], query)
        fill_documents(content, OUTPUT)
    if "asked" not in content.slots:
        content.fill("input", content.parsed(INPUT), (INPUT,))
    if not content.has("answered", "answer", "documents"):
        content.fill("output", _output(content), (OUTPUT,))
    for value, mime_type in MIME_TYPES.items():
        content.belongs(mime_type, to=value)


def _arguments(content: Content, value: object) -> object:
    """A tool's arguments; older versions write them as Python does."""
    if content.attributes.get(MIME_TYPES[INPUT]) == "application/json":
        return tool_arguments(decoded(value))
    return tool_arguments(literal(value) if isinstance(value, str) else value)


def _vectors(value: object) -> object:
    """The response of a model for embeddings: what it says beside the vectors stays."""
    value = parsed(value)
    if not isinstance(value, dict) or not isinstance(value.get("data"), list):
        return None
    rest = {name: other for name, other in value.items() if other and name not in _OF_VECTORS}
    return Part(value, rest)


_OF_VECTORS: Final = ("data", "object")


def _output(content: Content) -> object:
    """The output as its type says: in JSON a text has quotes of its own."""
    is_json = content.attributes.get(MIME_TYPES[OUTPUT]) == "application/json"
    return content.decoded(OUTPUT) if is_json else content.parsed(OUTPUT)
