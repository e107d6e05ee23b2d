"""Reader of the OpenTelemetry GenAI conventions: structured attributes (trusted most)."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from prefactor_otel.mapping.content import Content, Slot, decoded, parsed, plain_text, settings
from prefactor_otel.mapping.kind import SpanType
from prefactor_otel.mapping.messages import (
    finish_reasons,
    messages,
    text_of,
    texts_of,
    tool_arguments,
    tool_result,
)
from prefactor_otel.semconv.genai import REQUEST_PARAMETERS, GenAI

VOCABULARY: Final = (
    *("gen_ai.system_instructions", "gen_ai.input.", "gen_ai.output.", "gen_ai.request."),
    *("gen_ai.tool.", "gen_ai.agent.tools", "gen_ai.retrieval.", "gen_ai.embeddings."),
)

Offer = tuple[Slot, tuple[str, ...], Callable[[object], object] | None]
"""A slot, the attributes that fill it, and what makes its value of theirs."""


def read(content: Content, span_type: SpanType) -> None:
    """Fill slots from ``gen_ai.*`` attributes."""
    offers, has_answer, declarations, given = content.names[_told, span_type]
    for slot, keys, convert in offers:
        content.offer(slot, keys, convert)
    if has_answer:
        _read_answer(content)
    for key in declarations:
        fill_tools(content, key)
    if given:
        named = {REQUEST_PARAMETERS[key]: content.attributes[key] for key in given}
        content.fill("parameters", settings(named), given)


class Told(NamedTuple):
    """What spans of the same names and type can fill."""

    offers: Sequence[Offer]
    has_answer: bool
    declarations: Sequence[str]
    parameters: Sequence[str]


def _told(keys: tuple[str, ...], span_type: SpanType) -> Told:
    offers = (*_OF_ANY, *_OF_TYPE.get(span_type, ()))
    return Told(
        offers=[offer for offer in offers if not set(offer[1]).isdisjoint(keys)],
        has_answer=GenAI.OUTPUT_MESSAGES in keys,
        declarations=[key for key in (GenAI.TOOL_DEFINITIONS, GenAI.AGENT_TOOLS) if key in keys],
        parameters=[key for key in REQUEST_PARAMETERS if key in keys],
    )


def _read_answer(content: Content) -> None:
    answered = parsed(content.attributes[GenAI.OUTPUT_MESSAGES])
    reasons = finish_reasons(answered)
    shown = (GenAI.OUTPUT_MESSAGES,) if len(reasons) < 2 else ()
    content.fill("answered", messages(answered), shown)
    if reasons:
        content.fill("stop_reason", reasons[0])
    if isinstance(answered, str):
        content.fill("output", plain_text(answered), (GenAI.OUTPUT_MESSAGES,))


def fill_tools(content: Content, key: str) -> None:
    """Show the names of declared tools; a declaration that tells more stays where it is."""
    declared = content.attributes.get(key)
    if isinstance(declared, str) and len(declared) <= REMEMBERED:
        names, is_whole = _tools_in(declared)
    else:
        names, is_whole = tool_names(declared), only_names(declared)
    content.fill("tools", names, [key] if is_whole else [])


REMEMBERED: Final = 65_536
"""Characters of the longest declaration that is kept for the next span."""


@lru_cache(maxsize=16)  # an agent declares the same tools with every call of a model
def _tools_in(declared: str) -> tuple[object, bool]:
    """The names of tools, and whether they are all that is declared; nobody changes them."""
    return tool_names(declared), only_names(declared)


def tool_names(value: object) -> object:
    """The names of declared tools, whatever shape their definitions have."""
    value = parsed(value)
    if not isinstance(value, (list, tuple)):
        return value
    return [_tool_name(tool) for entry in value for tool in _declared(entry)]


def only_names(value: object) -> bool:
    """Whether names are all that these definitions of tools hold."""
    value = parsed(value)
    if not isinstance(value, (list, tuple)):
        return True
    return all(isinstance(tool, str) for entry in value for tool in _declared(entry))


def _declared(entry: object) -> list[object]:
    """The tools of one entry: Gemini declares several in one."""
    entry = parsed(entry)
    inner = entry.get("function_declarations") if isinstance(entry, dict) else None
    return inner if isinstance(inner, list) else [entry]


def _tool_name(tool: object) -> object:
    if not isinstance(tool, dict):
        return tool
    for holder in ("function", "toolSpec"):
        inner = tool.get(holder)
        if isinstance(inner, dict):
            return inner.get("name", tool)
    return tool.get("name", tool)


_OF_ANY: Final[tuple[Offer, ...]] = (
    ("system", (GenAI.SYSTEM_INSTRUCTIONS,), text_of),
    ("asked", (GenAI.INPUT_MESSAGES,), messages),
    ("input", (GenAI.INPUT_MESSAGES,), plain_text),
)
_OF_TYPE: Final[dict[SpanType, tuple[Offer, ...]]] = {
    SpanType.TOOL: (
        ("arguments", (GenAI.TOOL_ARGUMENTS,), lambda value: tool_arguments(decoded(value))),
        ("result", (GenAI.TOOL_RESULT,), lambda value: tool_result(decoded(value))),
    ),
    SpanType.RETRIEVER: (
        ("query", (GenAI.RETRIEVAL_QUERY,), None),
        ("documents", (GenAI.RETRIEVAL_DOCUMENTS,), parsed),
    ),
    SpanType.EMBEDDING: (
        ("texts", (GenAI.INPUT_MESSAGES,), texts_of),
        ("dimensions", (GenAI.EMBEDDING_DIMENSIONS,), None),
    ),
}
