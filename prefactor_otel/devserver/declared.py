"""What a run declares at registration: its span types and the schemas of its quality records."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from prefactor_otel.devserver.form import Form, Json
from prefactor_otel.devserver.template import fault_in

_ACTIONS: Final = (
    *("create_data", "read_data", "update_data", "destroy_data"),
    *("financial_transactions", "external_communication"),
)
_GRANTS: Final = ("unknown", "allowed", "disallowed")
_PRESENCE: Final = ("unknown", "included", "excluded")
_CLASSES: Final = ("unknown", "public", "internal", "confidential", "restricted", "secret")


@dataclass(frozen=True, slots=True)
class SpanType:
    """One declared span type."""

    title: str
    template: str | None
    params_schema: Any
    result_schema: Any


def span_types(definition: Json) -> dict[str, SpanType]:
    """The types by name. The list wins: beside it the flat maps are ignored (API contract)."""
    listed = definition.get("span_type_schemas")
    if listed:
        return {
            each["name"]: SpanType(
                each.get("title") or each["name"],
                each.get("template"),
                each["params_schema"],
                each.get("result_schema"),
            )
            for each in listed
        }
    results = definition.get("span_result_schemas") or {}
    flat = definition.get("span_schemas") or {}
    return {name: SpanType(name, None, flat[name], results.get(name)) for name in flat}


def qualities(definition: Json) -> list[Json]:
    """The declared qualities, each with its name, title and schema."""
    return [
        {"name": each["name"], "title": each.get("title") or each["name"], "schema": each["schema"]}
        for each in definition.get("quality_schemas") or ()
    ]


def quality_templates(definition: Json) -> dict[str, str | None]:
    """The declared quality schemas: name to template."""
    return {each["name"]: each.get("template") for each in definition.get("quality_schemas") or ()}


def check_definition(form: Form, name: str) -> Json | None:
    """An ``agent_schema_version`` that can be used, else faults in the form; None if absent."""
    definition = form.mapping(name)
    if definition is None:
        return None
    inner = Form(definition, f"{name}.")
    inner.text("external_identifier")
    for flat in ("span_schemas", "span_result_schemas"):
        for key, schema in (inner.mapping(flat) or {}).items():
            if not isinstance(schema, dict):
                inner.refuse(f"{flat}.{key}", "must be an object")
    _check_list(inner, "span_type_schemas", "params_schema")
    _check_list(inner, "quality_schemas", "schema")
    inner.mapping("quality_schema")
    form.absorb(inner)
    return definition


def _check_list(form: Form, name: str, schema: str) -> None:
    seen: set[str] = set()
    for index, each in enumerate(form.sequence(name) or ()):
        if not isinstance(each, dict):
            form.refuse(f"{name}.{index}", "must be an object")
            continue
        member = Form(each, f"{name}.{index}.")
        own_name = member.text("name", required=True)
        if own_name in seen:
            member.refuse("name", "is declared twice")
        seen.add(own_name or "")
        member.mapping(schema, required=True)
        member.mapping("result_schema")
        for text in ("title", "description"):
            member.text(text)
        for name_of_template in ("template", "result_template"):
            template = member.text(name_of_template)
            fault = fault_in(template) if template is not None else None
            if fault is not None:
                member.refuse(name_of_template, fault)
        _check_data_risk(member)
        form.absorb(member)


def _check_data_risk(form: Form) -> None:
    """Three parts, each of closed words; an absent word is ``unknown`` (API contract)."""
    risk = form.mapping("data_risk")
    if risk is None:
        return
    inner = Form(risk, "data_risk.")
    _check_words(inner, "action_profile", dict.fromkeys(_ACTIONS, _GRANTS))
    for part in ("params_data_categories", "result_data_categories"):
        words = dict.fromkeys(inner.mapping(part) or (), _PRESENCE)
        _check_words(inner, part, words | {"classification": _CLASSES})
    form.absorb(inner)


def _check_words(form: Form, part: str, words: Mapping[str, tuple[str, ...]]) -> None:
    given = form.mapping(part, required=True)
    if given is None:
        return
    inner = Form(given, f"{part}.")
    for word, allowed in words.items():
        inner.choice(word, allowed)
    form.absorb(inner)


def check_version(form: Form, name: str) -> Json | None:
    """An ``agent_version`` that can be used, else faults in the form; None if absent."""
    version = form.mapping(name)
    if version is None:
        return None
    inner = Form(version, f"{name}.")
    for text in ("name", "external_identifier", "description"):
        inner.text(text)
    runtime = inner.mapping("runtime_environment")
    if runtime is not None:
        innermost = Form(runtime, "runtime_environment.")
        for text in ("os", "runtime"):
            innermost.text(text)
        for texts in ("agent_sdk", "prefactor_sdk"):
            innermost.texts(texts)
        inner.absorb(innermost)
    form.absorb(inner)
    return version
