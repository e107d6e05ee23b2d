"""The span types that a run declares when it is registered: JSON schemas of our own payloads.

The API renders a type's template (Liquid) over the payload into the span's one-line summary.
Schemas allow more fields than they name: a framework's extras must not be flagged.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Final, NamedTuple

import orjson

from prefactor_otel.mapping import SpanType
from prefactor_otel.span_types.data_risk import Risk, risk_of
from prefactor_otel.span_types.declared import DEFAULT, JsonSchema, Parts, SpanTypes, optional


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


_ANYTHING: Final[JsonSchema] = {}
_TEXT: Final[JsonSchema] = {"type": ["string", "null"]}
_COUNT: Final[JsonSchema] = {"type": "integer", "minimum": 0}
_CALLS: Final[JsonSchema] = {
    "type": "array",
    "items": _object(id=_TEXT, name=_TEXT, arguments=_ANYTHING),
}
_MESSAGES: Final[JsonSchema] = {
    "type": "array",
    "items": {
        "type": ["object", "string"],
        "properties": {
            "role": _TEXT,
            "content": _ANYTHING,
            "tool_calls": _CALLS,
            "tool_call_id": _TEXT,
            "name": _TEXT,
        },
        "additionalProperties": True,
    },
}
_TOKEN_USAGE: Final[JsonSchema] = _object(
    prompt_tokens=_COUNT,
    completion_tokens=_COUNT,
    total_tokens=_COUNT,
    cached_tokens=_COUNT,
    cache_write_tokens=_COUNT,
    reasoning_tokens=_COUNT,
) | {"type": ["object", "null"]}
_FAILURE: Final = {"error_type": _TEXT, "message": _TEXT, "stacktrace": _TEXT}
_ERROR: Final[JsonSchema] = _object(**_FAILURE) | {"type": ["object", "null"]}

_LINE: Final = "replace: '\n', ' ' | strip_newlines | truncate: 80"
"""A text as part of a line. The newline stands there as it is: Liquid knows no escapes."""


def _part(before: str, value: str) -> str:
    """A value and what stands before it, or nothing where there is none."""
    assigned = "{% assign value = " + value + " %}"
    return assigned + "{% if value and value != '' %}" + before + _SHOWN + "{% endif %}"


def _result(value: str) -> str:
    """The result, or in its place the type of the error that the span ended with."""
    shown = "{% else %}" + _part(" → ", value) + "{% endif %}"
    return "{% if error %} → {{ error.error_type }}" + shown


_SHOWN: Final = "{{ value | " + _LINE + " }}"
_MODEL: Final = "{{ inputs.model | default: name }}"
_ASKED: Final = _part(": ", "inputs.messages.last.content | default: inputs.input")
_OUTPUT: Final = _result("outputs.output")
_QUERY: Final = _part(": ", "inputs.query")
_FOUND: Final = _result("outputs.documents.size")
_ANSWERED: Final = (
    "{% if outputs.tool_calls %} → {{ outputs.tool_calls | map: 'name' | join: ', ' }}{% else %}"
    + _result("outputs.messages.last.content | default: outputs.content")
    + "{% endif %}"
)
_ARGUMENTS: Final = (
    "{% for argument in inputs %}{{ argument[0] }}={{ argument[1] | "
    + _LINE
    + " }}{% unless forloop.last %}, {% endunless %}{% endfor %}"
)
_ERROR_ALONE: Final = "{% if error %} → {{ error.error_type }}{% endif %}"
_TASK: Final = _object(messages=_MESSAGES, input=_ANYTHING, system=_ANYTHING)
_ANSWER: Final = _object(output=_ANYTHING)

DECLARED: Final[dict[SpanType, Declared]] = {
    SpanType.AGENT: Declared(
        "Agent",
        "One invocation of an agent: what it was asked and what it answered.",
        "{{ name }}" + _ASKED + _OUTPUT,
        _TASK,
        _ANSWER,
    ),
    SpanType.LLM: Declared(
        "LLM call",
        "One call of a language model, with its messages, parameters and token usage.",
        _MODEL + _ASKED + _ANSWERED,
        _object(
            model=_TEXT,
            messages=_MESSAGES,
            input=_ANYTHING,
            system=_ANYTHING,
            tools={"type": ["array", "string"]},
            parameters={"type": "object"},
        ),
        _object(messages=_MESSAGES, content=_ANYTHING, tool_calls=_CALLS, stop_reason=_ANYTHING),
    ),
    SpanType.TOOL: Declared(
        "Tool call",
        "One execution of a tool: its arguments by name, or under input, and its result.",
        "{{ name }}(" + _ARGUMENTS + ")" + _OUTPUT,
        _object(input=_ANYTHING),
        _ANSWER,
    ),
    SpanType.CHAIN: Declared(
        "Chain",
        "A step of a workflow that groups other steps.",
        "{{ name }}" + _ERROR_ALONE,
        _TASK,
        _ANSWER,
    ),
    SpanType.RETRIEVER: Declared(
        "Retrieval",
        "One search of a knowledge source: the query and the documents found.",
        "{{ name }}" + _QUERY + _FOUND,
        _object(query=_ANYTHING),
        _object(documents=_ANYTHING),
    ),
    SpanType.EMBEDDING: Declared(
        "Embedding",
        "One computation of embeddings; the vectors themselves are not recorded.",
        _MODEL + _result("outputs.count"),
        _object(model=_TEXT, input=_ANYTHING),
        _object(count=_COUNT, dimensions=_COUNT, output=_ANYTHING),
    ),
    SpanType.RERANKER: Declared(
        "Reranking",
        "One reordering of documents by their relevance to a query.",
        "{{ name }}" + _QUERY + _FOUND,
        _object(model=_TEXT, query=_ANYTHING, documents=_ANYTHING),
        _object(documents=_ANYTHING),
    ),
    SpanType.GUARDRAIL: Declared(
        "Guardrail",
        "A check of what goes into or comes out of a model.",
        "{{ name }}" + _OUTPUT,
        _TASK,
        _ANSWER,
    ),
    SpanType.EVALUATOR: Declared(
        "Evaluation",
        "One judgement of an answer.",
        "{{ name }}" + _OUTPUT,
        _TASK,
        _ANSWER,
    ),
    SpanType.HANDOFF: Declared(
        "Handoff",
        "One agent passes the task to another.",
        "{{ name }}" + _ERROR_ALONE,
        _TASK,
        _ANSWER,
    ),
    SpanType.SPAN: Declared(
        "Span",
        "Any other OpenTelemetry span: HTTP, database, own code.",
        "{{ name }}" + _ERROR_ALONE,
        _TASK,
        _ANSWER,
    ),
    SpanType.APPROVAL: Declared(
        "Approval",
        "A person decides whether the agent goes on: what they were asked, the answer, and who.",
        "{{ name }}(" + _ARGUMENTS + ")" + _OUTPUT,
        _object(),
        _object(output=_ANYTHING, by=_TEXT),
    ),
}


OWN: Final = Declared(
    "",  # its name
    "A step of a type that the application declares.",
    "{{ name }}" + _ERROR_ALONE,
    _object(),
    _object(),
)
"""What a type of the application's has of which nothing else is said."""


def schema_version(
    quality_schemas: Sequence[JsonSchema] = (),
    *,
    types: SpanTypes = DEFAULT,
    sensitive: bool = False,
    data_risk: Mapping[str, Risk] | None = None,
) -> dict[str, object]:
    """The ``agent_schema_version`` of a registration; ``sensitive`` where texts and numbers may
    stand in wrappers, ``data_risk`` by span type on top of the defaults. Its external identifier
    is derived from the content, so that equal declarations are one version on the platform."""
    if types == DEFAULT:
        found = _default_types(sensitive=sensitive)
    else:
        found = [_schema_of(each, sensitive=sensitive) for each in _types(types)]
    declared: dict[str, object] = {
        "span_type_schemas": [
            schema | {"data_risk": risk_of(one.kind, data_risk or {}, *one.risks)}
            for one, schema in zip(_types(types), found, strict=True)
        ]
    }
    if quality_schemas:
        declared["quality_schemas"] = list(quality_schemas)
    digest = hashlib.sha256(orjson.dumps(declared, option=orjson.OPT_SORT_KEYS)).hexdigest()[:12]
    return {"external_identifier": f"otel-{digest}", **declared}


class _Type(NamedTuple):
    """A type of a run: its name, what it is (empty: the application's own), and what is said."""

    name: str
    kind: str
    declared: Declared
    said: Parts
    risks: tuple[Risk, ...]


def _types(types: SpanTypes) -> Iterator[_Type]:
    """Our own types as they are refined, the application's, then those of its tools."""
    for kind, declared in DECLARED.items():
        said = types.refined.get(kind, {})
        yield _type(types.name(kind.value), kind.value, declared, said)
    for name, said in types.own.items():
        yield _type(types.name(name), "", replace(OWN, title=name), said)
    of_all = types.refined.get(SpanType.TOOL, {})
    for name, said in types.tools.items():
        declared = replace(DECLARED[SpanType.TOOL], title=name)
        one = _type(types.tool(name), SpanType.TOOL.value, declared, _of_tool(of_all, said))
        yield one._replace(risks=(*_risks(of_all), *_risks(said)))


def _type(name: str, kind: str, declared: Declared, said: Parts) -> _Type:
    refined = Declared(
        said.get("title", declared.title),
        said.get("description", declared.description),
        said.get("template", declared.template),
        said.get("inputs", declared.inputs),
        said.get("outputs", declared.outputs),
    )
    return _Type(name, kind, refined, said, _risks(said))


def _risks(said: Parts) -> tuple[Risk, ...]:
    return (said["data_risk"],) if "data_risk" in said else ()


def _of_tool(of_all: Parts, said: Parts) -> Parts:
    """What is said of a tool, on top of what is of all tools; a whole schema of all does not hold
    where something is said of what it describes, nor does their title."""
    kept = of_all.copy()
    kept.pop("title", None)
    if "inputs" in said or "outputs" in said:
        kept.pop("params_schema", None)
        kept.pop("result_schema", None)
    return {**kept, **said}


@cache  # the same for every run of the process; nobody changes it
def _default_types(*, sensitive: bool) -> list[JsonSchema]:
    return [_schema_of(each, sensitive=sensitive) for each in _types(DEFAULT)]


def _schema_of(one: _Type, *, sensitive: bool) -> JsonSchema:
    found = _type_schema(one.name, one.declared, one.said)
    return _with_wrappers(found) if sensitive else found


def _type_schema(schema_name: str, declared: Declared, said: Parts) -> JsonSchema:
    outputs = optional(declared.outputs)  # an open span and a failed one have none
    params: JsonSchema = _object(
        span_id={"type": "string", "pattern": "^[0-9a-f]{16}$"},
        trace_id={"type": "string", "pattern": "^[0-9a-f]{32}$"},
        parent_span_id={"type": "string", "pattern": "^[0-9a-f]{16}$"},
        name={"type": "string"},
        status={"enum": ["active", "complete", "failed", "cancelled"]},
        inputs=declared.inputs,
        outputs=outputs,
        token_usage=_TOKEN_USAGE,
        error=_ERROR,
        metadata={"type": "object"},
    )
    params["required"] = ["span_id", "trace_id", "name", "status", "inputs", "outputs"]
    result = {**outputs, "properties": _result_of(declared), "additionalProperties": True}
    return {
        "name": schema_name,
        "title": declared.title,
        "description": declared.description,
        "template": declared.template,
        "params_schema": said.get("params_schema", params),
        "result_schema": said.get("result_schema", result),
    }


def _with_wrappers(declared: dict[str, object]) -> dict[str, object]:
    """The type with objects allowed in place of texts and numbers, where a wrapper may stand."""
    return declared | {
        "params_schema": _wrappable_in(declared["params_schema"], {"inputs", "outputs", "error"}),
        "result_schema": _wrappable_in(declared["result_schema"], None),
    }


def _wrappable_in(schema: object, places: set[str] | None) -> object:
    assert isinstance(schema, dict)
    if "properties" not in schema:
        return schema
    properties = {
        name: inner
        if name == "token_usage" or (places is not None and name not in places)
        else _wrappable(inner)
        for name, inner in schema["properties"].items()
    }
    return schema | {"properties": properties}


_BY_NAME: Final = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
"""What holds schemas by names that may be words of schemas themselves."""
_DATA: Final = ("default", "examples")


def _wrappable(schema: object) -> object:
    if isinstance(schema, list):
        return [_wrappable(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "enum" in schema or "const" in schema:
        return {"anyOf": [schema, {"type": "object"}]}
    made = {word: _wrappable_at(word, inner) for word, inner in schema.items()}
    kinds = schema.get("type")
    # Under words that we do not know anything may stand.
    named = [k for k in (kinds if isinstance(kinds, list) else [kinds]) if isinstance(k, str)]
    if not {"string", "number", "integer"}.isdisjoint(named) and "object" not in named:
        made["type"] = [*named, "object"]
    return made


def _wrappable_at(word: str, inner: object) -> object:
    if word in _DATA:
        return inner
    if word in _BY_NAME and isinstance(inner, dict):
        return {name: _wrappable(schema) for name, schema in inner.items()}
    return _wrappable(inner)


def _result_of(declared: Declared) -> JsonSchema:
    """What a result holds: the outputs, or the error in their place; of a span created before
    its end also what its inputs and metadata have gained since, and the tokens."""
    outputs = declared.outputs.get("properties")
    if not isinstance(outputs, dict):
        outputs = {}
    inputs = optional(declared.inputs)
    late = {"inputs": inputs, "metadata": {"type": "object"}, "token_usage": _TOKEN_USAGE}
    return {**_FAILURE, **outputs, **late}
