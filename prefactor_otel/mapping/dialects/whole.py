"""A step's whole input and output, each in one attribute: rules that many vocabularies share."""

from typing import Final

from prefactor_otel.mapping.rules import INPUT, OUTPUT, Names, Rule, types
from prefactor_otel.mapping.shapes.requests import (
    asked_alone,
    documents,
    last_answer,
    query,
    request,
    response,
)
from prefactor_otel.mapping.shapes.texts import decoded
from prefactor_otel.mapping.shapes.used_tools import tool_arguments, tool_result
from prefactor_otel.mapping.types import AGENT, CHAIN, LLM, RERANKER, RETRIEVER, TOOL

AnyNames = tuple[str, ...] | Names
_SEARCHES: Final = types(RETRIEVER, RERANKER)


def result(value: object) -> object:
    """A tool's result, out of what it is wrapped in."""
    return tool_result(decoded(value))


def calls(given: AnyNames, got: AnyNames) -> tuple[Rule, ...]:
    """A model's whole request and its whole response."""
    return (
        Rule("asked", given, request, INPUT, types(LLM)),
        Rule("answered", got, response, OUTPUT, types(LLM)),
    )


def steps(given: AnyNames, got: AnyNames) -> tuple[Rule, ...]:
    """What any step was given, and what it gave back."""
    return (
        *calls(given, got),
        Rule("arguments", given, tool_arguments, INPUT, types(TOOL)),
        Rule("result", got, result, OUTPUT, types(TOOL)),
        Rule("query", given, lambda value: query(decoded(value)), INPUT, _SEARCHES),
        Rule("documents", got, documents, OUTPUT, _SEARCHES),
        Rule("asked", given, asked_alone, INPUT, types(AGENT, CHAIN)),
        Rule("answer", got, last_answer, OUTPUT, types(AGENT), partly=True),
        Rule("input", given, tool_arguments, INPUT),
        Rule("output", got, decoded, OUTPUT),
    )
