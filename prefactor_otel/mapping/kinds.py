"""What a span is, asked before it is told."""

from typing import Final

from prefactor_otel.mapping.shape import known_of
from prefactor_otel.mapping.types import AGENT, CHAIN, NOTHING, TYPE_KEY, Below, SpanType
from prefactor_otel.spans.view import Attributes

_WRITES_LATE: Final = "openinference.instrumentation."
"""How the scopes begin of instrumentations that set every attribute at the end of a span."""


def span_type(
    attributes: Attributes, name: str = "", *, serves: bool = False, below: Below = NOTHING
) -> SpanType:
    """The type of the span of this name, by the first rule that knows; a span that no vocabulary
    knows is a plain one. ``serves`` says that it is the root of what a server did."""
    return known_of(attributes, name).type_of(attributes, name, serves, below)


def says_what_it_is(attributes: Attributes) -> bool:
    """Whether a vocabulary of AI names the span's kind, be it one that is no type here."""
    return known_of(attributes).shape.has_opinion or TYPE_KEY in attributes


def says_nothing(attributes: Attributes) -> bool:
    """Whether an agent tells neither its name nor what it was asked and answered: with agents
    under it, it is the frame around them."""
    return known_of(attributes).shape.says_nothing


def speaks_late(attributes: Attributes, scope: str) -> bool:
    """Whether an open span is to say what it is, and has not yet: OpenInference's instrumentation
    of LangChain sets every attribute at the span's end. (Of an ended span the scope tells nothing.)
    """
    return scope.startswith(_WRITES_LATE) and not known_of(attributes).shape.has_opinion


def expected_type(name: str) -> SpanType:
    """The type that such a span will have, as that instrumentation decides it for steps."""
    return AGENT if "agent" in name.lower() else CHAIN
