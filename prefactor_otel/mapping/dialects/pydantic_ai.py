"""pydantic-ai's own attributes, under its prefix and the bare names of its older versions: what its
agent spans were asked, and which texts became vectors."""

from typing import Final

from prefactor_otel.mapping.rules import BOTH, INPUT, OUTPUT, Rule, types
from prefactor_otel.mapping.shapes.messages import messages, question
from prefactor_otel.mapping.shapes.texts import parsed
from prefactor_otel.mapping.shapes.used_tools import tool_arguments, tool_result
from prefactor_otel.mapping.types import AGENT, EMBEDDING, TOOL

TYPES: Final = ()


def _question(value: object) -> object:
    """What was asked, with the conversation before it."""
    return question(messages(value) or [])


RULES: Final = (
    Rule(
        "asked",
        ("pydantic_ai.all_messages", "all_messages_events"),
        _question,
        BOTH,
        types(AGENT),
        partly=True,
    ),
    Rule("answer", ("final_result",), parsed, OUTPUT, types(AGENT)),
    Rule("arguments", ("tool_arguments",), tool_arguments, INPUT, types(TOOL)),
    Rule("result", ("tool_response",), tool_result, OUTPUT, types(TOOL)),
    Rule("texts", ("inputs",), parsed, INPUT, types(EMBEDDING)),
    Rule("output", ("embeddings",), parsed, OUTPUT, types(EMBEDDING)),
)
