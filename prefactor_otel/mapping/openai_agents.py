"""Reader of the OpenAI Agents SDK's own words, as Logfire writes them: a step's fields without any
prefix."""

from typing import Final

from prefactor_otel.mapping.content import Content, decoded, parsed
from prefactor_otel.mapping.kind import SpanType
from prefactor_otel.mapping.messages import tool_arguments
from prefactor_otel.mapping.whole import read_call
from prefactor_otel.semconv.logfire import TEMPLATE

VOCABULARY: Final = (TEMPLATE,)
CALLS: Final = (("raw_input", "response"), ("input", "output"))
"""A call of a model through OpenAI's Responses, and through any other of its APIs."""


def read(content: Content, span_type: SpanType) -> None:
    """Fill slots from a tool's or a model's call."""
    if span_type is SpanType.TOOL:
        content.offer("arguments", ["input"], tool_arguments)
        content.offer("result", ["output"], _result)
    elif span_type is SpanType.LLM:
        for given, got in CALLS:
            if given in content.attributes:
                read_call(content, given, got)
        response = parsed(content.attributes.get("response"))
        if isinstance(response, dict):
            content.fill("system", response.get("instructions"))


def _result(value: object) -> object:
    return decoded(value) if value != "null" else None
