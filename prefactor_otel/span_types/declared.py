"""The application's own span types: what the options say of them, and which span is of which."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypedDict, cast

import orjson

from prefactor_otel.mapping import TYPE_KEY, AgentSpan, SpanType
from prefactor_otel.mapping.types import SCHEMA_PREFIX
from prefactor_otel.span_types.data_risk import Risk, checked_risk
from prefactor_otel.spans.view import SpanView

JsonSchema = dict[str, object]


class Parts(TypedDict, total=False):
    """What is said of one type; what is not said is as it is without."""

    title: str
    description: str
    template: str
    inputs: JsonSchema
    outputs: JsonSchema
    params_schema: JsonSchema
    result_schema: JsonSchema
    data_risk: Risk


TypeOptions = Mapping[str, Mapping[str, object] | None]
"""Span types by name, as an option takes them."""

TEXTS: Final = ("title", "description", "template")
SCHEMAS: Final = ("inputs", "outputs", "params_schema", "result_schema")
_PARTS: Final = (*TEXTS, *SCHEMAS, "data_risk")
_NAME: Final = re.compile(r"[A-Za-z0-9_.-]+")
_PLAIN: Final = "letters, digits, dots, dashes and underscores"
_BUILT_IN: Final = frozenset(each.value for each in SpanType)


@dataclass(frozen=True, slots=True)
class SpanTypes:
    """The types that a run declares. ``refined`` holds those of this package of which something is
    said, ``own`` the application's, ``tools`` those of single tools; by name, without prefix."""

    prefix: str = SCHEMA_PREFIX
    refined: Mapping[str, Parts] = field(default_factory=dict)
    own: Mapping[str, Parts] = field(default_factory=dict)
    tools: Mapping[str, Parts] = field(default_factory=dict)
    renames: bool = field(init=False, repr=False, compare=False)
    """Whether any span is told under another name: known once, because every span asks."""

    def __post_init__(self) -> None:
        renames = bool(self.own or self.tools) or self.prefix != SCHEMA_PREFIX
        object.__setattr__(self, "renames", renames)

    def name(self, span_type: str) -> str:
        """The name under which the API knows a type."""
        return f"{self.prefix}:{span_type}"

    def tool(self, name: str) -> str:
        """The same of a tool's type."""
        return self.name(f"{SpanType.TOOL.value}:{name}")

    def named(self, span: AgentSpan, view: SpanView) -> AgentSpan:
        """The span under the name of its type: of its own, where ``prefactor.span_type`` names
        one; of its tool, where that has one; else of what the span is."""
        asked = view.attributes.get(TYPE_KEY) if self.own else None
        if isinstance(asked, str) and asked in self.own:
            return span._replace(schema_name=self.name(asked))
        tool = span.payload["name"] if self.tools and span.kind is SpanType.TOOL else None
        if isinstance(tool, str) and tool in self.tools:
            return span._replace(schema_name=self.tool(tool))
        if self.prefix == SCHEMA_PREFIX:
            return span
        return span._replace(schema_name=self.name(span.kind.value))

    def kind_of(self, schema_name: str) -> SpanType | None:
        """What a span of a type of this name is; None for a type of the application's own."""
        kind = schema_name.removeprefix(f"{self.prefix}:").partition(":")[0]
        return SpanType(kind) if kind in _BUILT_IN else None


DEFAULT: Final = SpanTypes()


def span_types(
    prefix: str,
    types: Mapping[str, Parts] | None,
    tools: Mapping[str, Parts] | None,
    *,
    with_inputs: bool = True,
) -> SpanTypes:
    """The types that the three options make. Where inputs are not sent, none can be required."""

    def those(given: Mapping[str, Parts]) -> dict[str, Parts]:
        if with_inputs:
            return dict(given)
        return {name: _demanding_no_inputs(parts) for name, parts in given.items()}

    given = those(types or {})
    return SpanTypes(
        prefix,
        {name: parts for name, parts in given.items() if name in _BUILT_IN},
        {name: parts for name, parts in given.items() if name not in _BUILT_IN},
        those(tools or {}),
    )


def _demanding_no_inputs(parts: Parts) -> Parts:
    return {**parts, "inputs": optional(parts["inputs"])} if "inputs" in parts else parts


def optional(schema: JsonSchema) -> JsonSchema:
    """The schema without what it requires."""
    return {word: value for word, value in schema.items() if word != "required"}


def usable_prefix(given: object) -> str:
    """What stands before the colon in the names of types. Raises ``ValueError``."""
    if isinstance(given, str) and _NAME.fullmatch(given):
        return given
    raise ValueError(f"must be of {_PLAIN}, without the colon that follows it")


def usable_types(given: object) -> dict[str, Parts]:
    """The option ``span_types``, in a variable as JSON. Raises ``ValueError``."""
    found = _by_name(given)
    for name in found:
        if not _NAME.fullmatch(name):
            raise ValueError(
                f"{name!r} must be of {_PLAIN}: the prefix is not part of the name "
                "(span_type_prefix sets it), and types of single tools go into tool_span_types"
            )
    return found


def usable_tools(given: object) -> dict[str, Parts]:
    """The option ``tool_span_types``: the same by the names of tools, which are part of the names
    of their types as they are. Raises ``ValueError``."""
    found = _by_name(given)
    for name in found:
        if not name or not name.isprintable() or name != name.strip():
            raise ValueError(
                f"{name!r} must be a tool's name, of printable characters and without "
                "space at its ends, because it becomes part of the name of a type"
            )
    return found


def _by_name(given: object) -> dict[str, Parts]:
    """Copied, so that nobody changes it afterwards."""
    try:
        text = given if isinstance(given, str) else orjson.dumps(given, default=_object)
        found = orjson.loads(text)
    except (ValueError, TypeError):
        raise ValueError("must be an object of plain JSON") from None
    if not isinstance(found, dict):
        raise ValueError("must be an object: the name of a type, and what is said of it")
    return {name: _said(name, said) for name, said in found.items()}


def _object(value: object) -> dict[object, object]:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError


def _said(name: str, said: object) -> Parts:
    if said is None:
        return Parts()
    if not isinstance(said, dict):
        raise ValueError(f"must hold an object for {name!r}, with any of {', '.join(_PARTS)}")
    for part, value in said.items():
        place = f"{part} of {name!r}"
        if part in TEXTS:
            _check_text(place, value)
        elif part in SCHEMAS:
            _check_object(place, value)
        elif part == "data_risk":
            checked_risk(f"{name}.data_risk", value)
        else:
            raise ValueError(f"{part!r} of {name!r} must be one of {', '.join(_PARTS)}")
    if "template" in said:
        _check_template(f"template of {name!r}", said["template"])
    return cast("Parts", said)


def _check_text(place: str, value: object) -> None:
    if not isinstance(value, str):
        raise ValueError(f"{place} must be a text")


_TAG: Final = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)


def _check_template(place: str, template: str) -> None:
    """Only the API can read Liquid, and refuses what it cannot read; that a tag is never closed
    is seen without."""
    rest = _TAG.sub("", template)
    if ("{{" in rest or "{%" in rest) and "raw" not in template:
        raise ValueError(f"{place} must close each {{{{ with }}}} and each {{% with %}}")


_KINDS: Final = ("object", "array", "string", "number", "integer", "boolean", "null")
_WORDS: Final = frozenset(
    {
        *("type", "properties", "required", "additionalProperties", "patternProperties"),
        *("propertyNames", "minProperties", "maxProperties", "unevaluatedProperties"),
        *("dependentRequired", "dependentSchemas", "enum", "const", "allOf", "anyOf", "oneOf"),
        *("not", "if", "then", "else", "$ref", "$defs", "definitions", "$schema", "$id"),
        *("$comment", "title", "description", "default", "examples"),
    }
)
_EXAMPLE: Final = '{"type": "object", "properties": {"to": {"type": "string"}}}'


def _check_object(place: str, schema: object) -> None:
    """Whether this can be the JSON schema of an object, as far as it is in common words."""
    if not isinstance(schema, dict) or (schema and _WORDS.isdisjoint(schema)):
        raise ValueError(f"{place} must be a JSON schema, such as {_EXAMPLE}")
    _check_schema(place, schema)
    kinds = schema.get("type", "object")
    if "object" not in (kinds if isinstance(kinds, list) else [kinds]):
        raise ValueError(f"{place} must be the schema of an object, such as {_EXAMPLE}")


def _check_schema(place: str, schema: object) -> None:
    if isinstance(schema, bool):
        return
    if not isinstance(schema, dict):
        raise ValueError(f"{place} must hold a JSON schema (an object) for each property")
    kinds = schema.get("type", [])
    for kind in kinds if isinstance(kinds, list) else [kinds]:
        if kind not in _KINDS:
            raise ValueError(f"type in {place} must be among {', '.join(_KINDS)}, not {kind!r}")
    required = schema.get("required", [])
    if not isinstance(required, list) or not all(isinstance(each, str) for each in required):
        raise ValueError(f"required in {place} must be a list of names")
    properties = schema.get("properties", {})
    if not isinstance(properties, dict):
        raise ValueError(f"properties in {place} must be an object, such as in {_EXAMPLE}")
    items = schema.get("items", True)
    for inner in (*properties.values(), *(items if isinstance(items, list) else [items])):
        _check_schema(place, inner)
