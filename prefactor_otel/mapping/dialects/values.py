"""Whole inputs and outputs of OpenInference: the last resort for model calls, the first for
chains."""

from typing import Final

from prefactor_otel.mapping.dialects.whole import result
from prefactor_otel.mapping.rules import INPUT, OUTPUT, Part, Rule, types
from prefactor_otel.mapping.shapes.requests import (
    asked_alone,
    documents,
    last_answer,
    messages_of_updates,
    model_in,
    query,
    request,
    response,
    stopped,
)
from prefactor_otel.mapping.shapes.texts import decoded, parsed
from prefactor_otel.mapping.shapes.used_tools import literal, tool_arguments, tool_result
from prefactor_otel.mapping.types import AGENT, CHAIN, EMBEDDING, LLM, RERANKER, RETRIEVER, TOOL
from prefactor_otel.mapping.usage import usage_in

GIVEN, GOT = ("input.value",), ("output.value",)
IN, OUT = ("input.mime_type",), ("output.mime_type",)
IN_JSON, OUT_JSON = (IN[0], "application/json"), (OUT[0], "application/json")

TYPES: Final = ()


def _literal(value: object) -> object:
    """A tool's arguments; older versions write them as Python does."""
    return tool_arguments(literal(value) if isinstance(value, str) else value)


def _vectors(value: object) -> object:
    """The response of a model for embeddings: what it says beside the vectors stays."""
    value = parsed(value)
    if not isinstance(value, dict) or not isinstance(value.get("data"), list):
        return None
    rest = {name: other for name, other in value.items() if other and name not in _OF_VECTORS}
    return Part(value, rest)


def _response_id(value: object) -> str | None:
    """The id in a whole response, where it comes first, as OpenAI's and Anthropic's does."""
    if not isinstance(value, str) or not value.startswith('{"id":'):
        return None
    quoted = value[:_LONGEST_ID].split('"', 4)  # {, id, :, the id, the rest
    return quoted[3] if len(quoted) == 5 and quoted[2].strip() == ":" else None


_LONGEST_ID: Final = 200
_OF_VECTORS: Final = ("data", "object")
_SEARCHES: Final = types(RETRIEVER, RERANKER)

RULES: Final = (
    Rule("requested", GIVEN, model_in, INPUT, partly=True),
    Rule("response_id", GOT, _response_id, OUTPUT, types(LLM, EMBEDDING), partly=True),
    Rule("usage_at_last", GOT, usage_in, OUTPUT, partly=True),
    Rule("asked", GIVEN, request, INPUT, types(LLM), beside=IN),
    Rule("answered", GOT, response, OUTPUT, types(LLM), beside=OUT),
    Rule("stopped", GOT, stopped, OUTPUT, types(LLM), partly=True),
    Rule("asked", GIVEN, asked_alone, INPUT, types(AGENT, CHAIN), beside=IN),
    Rule("answered", GOT, messages_of_updates, OUTPUT, types(CHAIN), partly=True),
    Rule("answer", GOT, last_answer, OUTPUT, types(AGENT), partly=True),
    Rule("arguments", GIVEN, tool_arguments, INPUT, types(TOOL), when=IN_JSON, beside=IN),
    Rule("arguments", GIVEN, _literal, INPUT, types(TOOL), beside=IN),
    Rule("result", GOT, result, OUTPUT, types(TOOL), when=OUT_JSON, beside=OUT),
    Rule("result", GOT, tool_result, OUTPUT, types(TOOL), beside=OUT),
    Rule("query", GIVEN, query, INPUT, _SEARCHES, beside=IN),
    Rule("documents", GOT, documents, OUTPUT, _SEARCHES, beside=OUT),
    Rule("input", GIVEN, parsed, INPUT, beside=IN),
    Rule("output", GOT, _vectors, OUTPUT, types(EMBEDDING), beside=OUT),
    Rule("output", GOT, decoded, OUTPUT, when=OUT_JSON, beside=OUT),
    Rule("output", GOT, parsed, OUTPUT, beside=OUT),
)
