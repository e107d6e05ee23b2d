"""Which collected content is shown where, by span type."""

import re
from typing import Final

from prefactor_otel.mapping.content import Content, Slot
from prefactor_otel.mapping.kind import SpanType
from prefactor_otel.mapping.messages import last_content, tool_calls
from prefactor_otel.mapping.scalars import Scalars

Fields = dict[str, object]

_ASKED: Final[dict[Slot, str]] = {
    "asked": "messages",
    "system": "system",
    "tools": "tools",
    "parameters": "parameters",
}
_TASK: Final[dict[Slot, str]] = {"system": "system", "asked": "messages"}
_GIVEN: Final[dict[Slot, str]] = {"input": "input"}
_TEXTS: Final[dict[Slot, str]] = {"texts": "input", "input": "input"}
_SEARCHED: Final[dict[Slot, str]] = {"query": "query", "candidates": "documents"}
_INPUTS: Final = {
    SpanType.LLM: _ASKED,
    SpanType.EMBEDDING: _TEXTS,
    SpanType.RETRIEVER: _SEARCHED,
    SpanType.RERANKER: _SEARCHED,
}
"""What of the slots is shown by spans of these types; others have a task."""
_ANSWERED: Final[dict[Slot, str]] = {"answered": "messages"}
_SAID: Final[dict[Slot, str]] = {"output": "content"}
_RESULT: Final[dict[Slot, str]] = {"result": "output"}


def inputs_of(content: Content, span_type: SpanType, scalars: Scalars) -> Fields:
    """The payload's inputs."""
    if span_type is SpanType.TOOL:
        return _arguments(content)
    fields: Fields = {}
    if scalars.model is not None:
        fields["model"] = scalars.model
    if content.slots:
        asked = _INPUTS.get(span_type, _TASK)
        content.show_all(fields, asked)
        if "messages" not in fields and "asked" in asked:
            content.show_all(fields, _GIVEN)
    return fields


def outputs_of(content: Content, span_type: SpanType, scalars: Scalars) -> Fields:
    """The payload's outputs."""
    fields: Fields = {}
    if span_type is SpanType.LLM:
        content.show_all(fields, _ANSWERED)
        if "messages" not in fields:
            content.show_all(fields, _SAID)
        calls = tool_calls(fields.get("messages"))
        if calls:
            fields["tool_calls"] = calls
        if scalars.stop_reason is not None:
            fields["stop_reason"] = scalars.stop_reason
    elif span_type is SpanType.TOOL:
        content.show_all(fields, _RESULT)
    elif span_type is SpanType.EMBEDDING:
        texts = content.show("texts")
        if isinstance(texts, list):
            fields["count"] = len(texts)
        content.show_all(fields, {"dimensions": "dimensions"})
        if content.has("output"):
            fields |= _measured(content.show("output"))
    elif span_type in (SpanType.RETRIEVER, SpanType.RERANKER):
        content.show_all(fields, {"documents": "documents"})
        if not fields:
            content.show_all(fields, {"output": "documents"})
    else:
        _show_answer(fields, content)
    return fields


def _measured(output: object) -> Fields:
    """How many vectors of how many dimensions, never the vectors; what is none, as it is."""
    vectors = output.get("data") if isinstance(output, dict) else output
    if isinstance(output, str) and _CUT_OFF.match(output):
        return {}
    if not isinstance(vectors, list) or not vectors:
        return {"output": output}
    if isinstance(vectors[0], dict):
        vectors = [entry.get("embedding") for entry in vectors if isinstance(entry, dict)]
    if all(isinstance(vector, list) for vector in vectors):
        return {"count": len(vectors), "dimensions": len(vectors[0])}
    if all(isinstance(number, (int, float)) for number in vectors):
        return {"count": 1, "dimensions": len(vectors)}
    return {"output": output}


_CUT_OFF: Final = re.compile(r"[\[{].*?\[\s*-?\d", re.DOTALL)
"""The beginning of vectors in JSON that ends somewhere, so that nobody can count them."""


def _arguments(content: Content) -> Fields:
    if "arguments" not in content.slots:
        return {}
    arguments = content.show("arguments")
    if isinstance(arguments, dict):
        return dict(arguments)
    return {"input": arguments}


def _show_answer(fields: Fields, content: Content) -> None:
    if "answer" in content.slots:
        fields["output"] = content.show("answer")
    elif "answered" in content.slots:
        answered = content.slots["answered"]
        said = last_content(answered) or None  # a call of a tool often comes with an empty text
        if said is None or _says_no_more(answered):
            content.show("answered")
        fields["output"] = said if said is not None else answered
    else:
        content.show_all(fields, {"output": "output"})


def _says_no_more(answered: object) -> bool:
    """Whether the last message is the only one, and its content all that it holds."""
    if not isinstance(answered, list) or len(answered) != 1:
        return False
    return isinstance(answered[0], dict) and answered[0].keys().isdisjoint(_BESIDE)


_BESIDE: Final = ("tool_calls", "reasoning", "reasoning_details")
"""What a message may hold beside what it says."""
