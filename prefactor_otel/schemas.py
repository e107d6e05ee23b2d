"""The span types that a run declares when it is registered: JSON schemas of our own payloads.

The API renders a type's template (Liquid) over the payload into the span's one-line summary.
Schemas allow more fields than they name: a framework's extras must not be flagged.
"""

import hashlib
from dataclasses import dataclass
from typing import Final

import orjson

from prefactor_otel.mapping import SpanType

JsonSchema = dict[str, object]


@dataclass(frozen=True, slots=True)
class Declared:
    """What distinguishes one span type: texts, and the shape of its inputs and outputs."""

    title: str
    description: str
    template: str
    inputs: JsonSchema
    outputs: JsonSchema


def _object(**properties: JsonSchema) -> JsonSchema:
    return {"type": "object", "properties": properties, "additionalProperties": True}


_TEXT: Final[JsonSchema] = {"type": ["string", "null"]}
_INTEGER: Final[JsonSchema] = {"type": "integer", "minimum": 0}
_ANYTHING: Final[JsonSchema] = {}
_LIST: Final[JsonSchema] = {"type": ["array", "string", "object", "null"]}

_TOKEN_USAGE: Final[JsonSchema] = {
    "type": ["object", "null"],
    "properties": {
        "prompt_tokens": _INTEGER,
        "completion_tokens": _INTEGER,
        "total_tokens": _INTEGER,
        "cached_tokens": _INTEGER,
        "cache_write_tokens": _INTEGER,
        "reasoning_tokens": _INTEGER,
    },
    "additionalProperties": True,
}
_ERROR: Final[JsonSchema] = {
    "type": ["object", "null"],
    "properties": {"error_type": _TEXT, "message": _TEXT, "stacktrace": _TEXT},
    "additionalProperties": True,
}
_MESSAGES: Final = _object(messages=_LIST, input=_ANYTHING)

DECLARED: Final[dict[SpanType, Declared]] = {
    SpanType.AGENT: Declared(
        "Agent",
        "One invocation of an agent: what it was asked and what it answered.",
        "{{ name }}",
        _MESSAGES,
        _object(output=_ANYTHING),
    ),
    SpanType.LLM: Declared(
        "LLM call",
        "One call of a language model, with its messages, parameters and token usage.",
        "{{ inputs.model }}: {{ token_usage.prompt_tokens }} → "
        "{{ token_usage.completion_tokens }} tokens",
        _object(
            model=_TEXT,
            messages=_LIST,
            system=_ANYTHING,
            tools=_LIST,
            parameters={"type": "object"},
        ),
        _object(messages=_LIST, content=_ANYTHING, tool_calls=_LIST, stop_reason=_TEXT),
    ),
    SpanType.TOOL: Declared(
        "Tool call",
        "One execution of a tool: its arguments and its result.",
        "{{ name }} → {{ outputs.output }}",
        _object(input=_ANYTHING),
        _object(output=_ANYTHING),
    ),
    SpanType.CHAIN: Declared(
        "Chain",
        "A step of a workflow that groups other steps.",
        "{{ name }}",
        _MESSAGES,
        _object(output=_ANYTHING),
    ),
    SpanType.RETRIEVER: Declared(
        "Retrieval",
        "One search of a knowledge source.",
        "{{ inputs.query }}",
        _object(query=_ANYTHING),
        _object(documents=_LIST),
    ),
    SpanType.EMBEDDING: Declared(
        "Embedding",
        "One computation of embeddings; the vectors themselves are not recorded.",
        "{{ inputs.model }}: {{ token_usage.total_tokens }} tokens",
        _object(model=_TEXT, input=_ANYTHING),
        _object(count=_INTEGER, dimensions=_INTEGER),
    ),
    SpanType.RERANKER: Declared(
        "Reranking",
        "One reordering of documents by their relevance.",
        "{{ inputs.query }}",
        _object(query=_ANYTHING),
        _object(documents=_LIST),
    ),
    SpanType.EVALUATOR: Declared(
        "Evaluation",
        "One judgement of an answer.",
        "{{ name }}",
        _object(),
        _object(),
    ),
    SpanType.HANDOFF: Declared(
        "Handoff",
        "One agent passes the task to another.",
        "{{ name }}",
        _object(),
        _object(),
    ),
    SpanType.GUARDRAIL: Declared(
        "Guardrail",
        "A check of what goes into or comes out of a model.",
        "{{ name }}",
        _object(),
        _object(),
    ),
    SpanType.SPAN: Declared(
        "Span",
        "Any other OpenTelemetry span: HTTP, database, own code.",
        "{{ name }}",
        _object(),
        _object(),
    ),
}


def schema_version() -> dict[str, object]:
    """The ``agent_schema_version`` of a registration. Its external identifier is derived from
    the content, so that equal declarations are one version on the platform."""
    types = [_type_schema(span_type, declared) for span_type, declared in DECLARED.items()]
    digest = hashlib.sha256(orjson.dumps(types, option=orjson.OPT_SORT_KEYS)).hexdigest()[:12]
    return {"external_identifier": f"otel-{digest}", "span_type_schemas": types}


def _type_schema(span_type: SpanType, declared: Declared) -> dict[str, object]:
    return {
        "name": span_type.schema_name,
        "title": declared.title,
        "description": declared.description,
        "template": declared.template,
        "params_schema": {
            "type": "object",
            "properties": {
                "span_id": {"type": "string", "pattern": "^[0-9a-f]{16}$"},
                "trace_id": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
                "parent_span_id": {"type": "string", "pattern": "^[0-9a-f]{16}$"},
                "name": {"type": "string"},
                "status": {"enum": ["active", "complete", "failed", "cancelled"]},
                "inputs": declared.inputs,
                "outputs": declared.outputs,
                "token_usage": _TOKEN_USAGE,
                "error": _ERROR,
                "metadata": {"type": "object"},
            },
            "required": ["span_id", "trace_id", "name", "status"],
            "additionalProperties": True,
        },
        "result_schema": declared.outputs,
    }
