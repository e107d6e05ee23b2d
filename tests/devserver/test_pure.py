"""The parts that know nothing of HTTP."""

from typing import Any

import pytest

from prefactor_otel.devserver.mismatch import mismatches
from prefactor_otel.devserver.template import fault_in, render

PAYLOAD = {
    "name": "chat",
    "inputs": {"model": "m", "n": 3, "ok": True, "list": ["a", {"b": 1}], "none": None},
    "secret": {"$sensitive": "string", "value": "hunter2", "labels": []},
}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("plain", "plain"),
        ("{{ name }}: {{inputs.model}}", "chat: m"),
        ("{{- name -}}", "chat"),
        ("{{ inputs.n }} {{ inputs.ok }}", "3 true"),
        ("{{ inputs.list[0] }} {{ inputs.list[1].b }} {{ inputs.list[7] }}", "a 1 "),
        ("{{ inputs.none }}{{ absent }}{{ name.deeper }}", ""),
        ('{{ name | upcase }} {{ absent | default: "x" }}', "CHAT x"),
        ("{% if absent %}{{ name }}{% else %}no{% endif %}", "no"),
        ("{% for each in inputs.list %}.{% endfor %}", ".."),
        ("{% for i in (1..20000) %}{% endfor %}", "[LoopIterationLimitError]"),
        ("{% if name %}{{ name }}{% endif %}", "chat"),
        ("{{ secret }}", "[sensitive]"),
    ],
)
def test_templates(template: str, text: str) -> None:
    assert render(template, PAYLOAD) == text


@pytest.mark.parametrize("template", ["{{ inputs", "{% if name %}", "{{ name | no_such_filter }}"])
def test_what_is_no_template_is_named(template: str) -> None:
    assert str(fault_in(template)).startswith("is not a Liquid template: ")
    assert fault_in("{{ name }}") is None


@pytest.mark.parametrize(
    ("schema", "value", "found"),
    [
        ({}, {"x": 1}, []),
        ({"type": "object"}, [], ["p: is not of type object"]),
        ({"type": ["string", "null"]}, None, []),
        ({"type": ["string", "null"]}, 1, ["p: is not of type ['string', 'null']"]),
        ({"type": "integer"}, True, ["p: is not of type integer"]),
        ({"type": "number"}, 1.5, []),
        ({"required": ["a"]}, {}, ["p.a: is missing"]),
        ({"properties": {"a": {"type": "string"}}}, {"a": 1}, ["p.a: is not of type string"]),
        ({"additionalProperties": False}, {"a": 1}, ["p.a: is not declared"]),
        ({"items": {"type": "string"}}, ["a", 1], ["p.1: is not of type string"]),
        ({"enum": ["a"]}, "b", ["p: is none of ['a']"]),
        ({"const": 1}, 2, ["p: is not 1"]),
        ({"type": 5, "properties": 5, "required": 5, "enum": 5, "items": 5}, {"a": 1}, []),
        ({"type": ["what"]}, 1, []),
        (True, 1, []),
        (None, 1, []),
    ],
)
def test_mismatches(schema: Any, value: Any, found: list[str]) -> None:
    assert list(mismatches(schema, value, "p")) == found
