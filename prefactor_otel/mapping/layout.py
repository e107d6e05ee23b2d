"""Which slots are shown where, by span type."""

from collections.abc import Callable, Container, Mapping
from typing import Final, NamedTuple

from prefactor_otel.mapping.names import Models
from prefactor_otel.mapping.rules import Part, Reader, Seen, Slot, Told
from prefactor_otel.mapping.shapes.messages import last_content, question, tool_calls
from prefactor_otel.mapping.shapes.reasons import usual_reason
from prefactor_otel.mapping.shapes.vectors import measured
from prefactor_otel.mapping.types import (
    AGENT,
    APPROVAL,
    EMBEDDING,
    GUARDRAIL,
    HANDOFF,
    LLM,
    RERANKER,
    RETRIEVER,
    TOOL,
    SpanType,
)

INPUTS: Final = 0
OUTPUTS: Final = 1
SINGLE: Final = 2
LABELS: Final = 3
"""The parts of what is told of a span: its inputs and outputs, single values, and labels for its
metadata."""


class Place(NamedTuple):
    """One field of a part, or fields of which only one is there: the first slot that anything
    fills, in this order."""

    part: int
    fields: Mapping[Slot, str]


def _inputs(fields: Mapping[Slot, str]) -> Place:
    return Place(INPUTS, fields)


def _outputs(fields: Mapping[Slot, str]) -> Place:
    return Place(OUTPUTS, fields)


def _single(slot: Slot) -> Place:
    return Place(SINGLE, {slot: slot})


def _slots(*slots: Slot) -> tuple[Slot, ...]:
    return slots


_CALL: Final = (_single("requested"), _single("answering"))
_ASKED: Final[Mapping[Slot, str]] = {"asked": "messages", "input": "input"}
_SEARCH: Final = (
    _inputs({"query": "query"}),
    _inputs({"candidates": "documents"}),
    _outputs({"documents": "documents", "output": "documents"}),
)
_ANYTHING: Final = (
    _inputs({"system": "system"}),
    _inputs({"arguments": "arguments", **_ASKED}),
    _outputs({"answer": "output", "answered": "output", "output": "output"}),
)
_PLACES: Final[Mapping[SpanType, tuple[Place, ...]]] = {
    LLM: (
        *_CALL,
        _inputs(_ASKED),
        _inputs({"system": "system"}),
        _inputs({"tools": "tools"}),
        _inputs({"parameters": "parameters"}),
        _outputs({"answered": "messages", "output": "content"}),
        _outputs({"stop_reason": "stop_reason", "stopped": "stop_reason"}),
        _single("failed"),
    ),
    TOOL: (
        _single("failed"),
        _inputs({"arguments": "arguments"}),
        _outputs({"result": "output"}),
    ),
    AGENT: _ANYTHING,
    HANDOFF: (
        _inputs({"from_agent": "from_agent"}),
        _inputs({"to_agent": "to_agent"}),
        *_ANYTHING,
    ),
    APPROVAL: (*_ANYTHING, _outputs({"decided_by": "by"})),
    GUARDRAIL: (*_ANYTHING, _outputs({"triggered": "triggered"})),
    RETRIEVER: _SEARCH,
    RERANKER: (*_CALL, *_SEARCH),
    EMBEDDING: (
        *_CALL,
        _inputs({"texts": "input", "input": "input"}),
        _outputs({"dimensions": "dimensions"}),
        _outputs({"output": "output"}),
    ),
}
PROVIDER: Final[Slot] = "provider"
"""A label beside the attribute that tells it, which all know by its own name; of the others the
label is the one name."""
_LABELS: Final = (
    *(Place(LABELS, {slot: slot}) for slot in _slots(PROVIDER, "session_id", "user_id", "tags")),
    *(Place(LABELS, {slot: slot}) for slot in _slots("prompt_name", "prompt_version", "prompt_id")),
    Place(LABELS, {"first_token": "time_to_first_token"}),
    Place(LABELS, {"cost": "cost"}),
)


def places_of(span_type: SpanType) -> tuple[Place, ...]:
    """The places that spans of this type show, in their order."""
    own = _PLACES.get(span_type, _ANYTHING)
    return (_single("name"), *own, _single("response_id"), *_LABELS)


Fields = dict[str, object]
PROMPT: Final = {"prompt_name": "name", "prompt_version": "version", "prompt_id": "id"}


Shown = Callable[[Models, Fields, Fields, Fields], tuple[Fields, Fields]]
"""Makes of the models, the inputs and the outputs the fields as they are sent: with the model
first, and with what follows from others; of what it sees, the labels may get more."""


def _as_told(
    models: Models, inputs: Fields, outputs: Fields, labels: Fields
) -> tuple[Fields, Fields]:
    return _after_model(models, inputs), outputs


def _of_call(
    models: Models, inputs: Fields, outputs: Fields, labels: Fields
) -> tuple[Fields, Fields]:
    calls = tool_calls(outputs["messages"]) if "messages" in outputs else None
    if calls:
        outputs["tool_calls"] = calls
        told = [call.get("name") for call in calls if isinstance(call, dict)]
        names = [name for name in told if isinstance(name, str)]  # no object: it may be content
        labels["called_tools"] = {"count": len(calls), "names": names}
    if "stop_reason" in outputs:
        outputs["stop_reason"] = usual_reason(outputs.pop("stop_reason"))
    return _after_model(models, inputs), outputs


def _by_name(
    models: Models, inputs: Fields, outputs: Fields, labels: Fields
) -> tuple[Fields, Fields]:
    """What was given by name stands among the inputs by its names."""
    if "arguments" not in inputs:
        return inputs, outputs
    given = inputs.pop("arguments")
    named = dict(given) if isinstance(given, dict) else {"input": given}
    return _after_model(models, inputs | named), outputs


def _of_tool(
    models: Models, inputs: Fields, outputs: Fields, labels: Fields
) -> tuple[Fields, Fields]:
    if not inputs:
        return inputs, outputs
    given = inputs["arguments"]
    return dict(given) if isinstance(given, dict) else {"input": given}, outputs


def _of_embedding(
    models: Models, inputs: Fields, outputs: Fields, labels: Fields
) -> tuple[Fields, Fields]:
    texts = inputs.get("input")
    fields: Fields = {"count": len(texts)} if isinstance(texts, list) else {}
    if "dimensions" in outputs:
        fields["dimensions"] = outputs["dimensions"]
    if "output" in outputs:
        fields |= measured(outputs["output"])
    return _after_model(models, inputs), fields


def _after_model(models: Models, inputs: Fields) -> Fields:
    model = models[0] or models[1]
    return inputs if model is None else {"model": model, **inputs}


_SHOWN: Final[Mapping[SpanType, Shown]] = {
    LLM: _of_call,
    TOOL: _of_tool,
    EMBEDDING: _of_embedding,
}


def shown_of(span_type: SpanType, fields: Container[str]) -> Shown:
    """How spans of this type show what they tell, among which may be these fields."""
    shown = _SHOWN.get(span_type, _as_told if "arguments" not in fields else _by_name)
    return _after_prompt(shown) if any(name in fields for name in PROMPT) else shown


def _after_prompt(shown: Shown) -> Shown:
    """The same, where labels tell of a prompt: that is put into one."""

    def gathered(
        models: Models, inputs: Fields, outputs: Fields, labels: Fields
    ) -> tuple[Fields, Fields]:
        told = {PROMPT[name]: labels.pop(name) for name in PROMPT if name in labels}
        if told:
            labels["prompt"] = told
        return shown(models, inputs, outputs, labels)

    return gathered


def shown_by(span_type: SpanType, slot: Slot, read: Reader) -> Reader:
    """How a slot is read for spans of this type: of an agent's or a step's answer only what the
    last message says is shown, and of an agent's question nothing after the user's last."""
    if slot == "asked" and span_type is AGENT:
        return lambda value: _question(read(value))
    if slot != "answered" or span_type is LLM:
        return read
    return lambda value: _last(read(value))


def _question(told: object) -> object:
    """What was asked; an attribute that holds more than that stays in the metadata."""
    if isinstance(told, Seen):
        asked = _question(told.value)
        if not isinstance(asked, Told):
            return told
        cut = asked.slots["asked"]
        one_each = isinstance(told.value, list) and len(told.numbers) == len(told.value)
        return Seen(cut, told.numbers[: len(cut)] if one_each and isinstance(cut, list) else ())
    if isinstance(told, Told):
        cut = _question(told.slots.get("asked"))
        return Told({**told.slots, **cut.slots}, whole=False) if isinstance(cut, Told) else told
    messages = told.shown if isinstance(told, Part) else told
    asked = question(messages) if isinstance(messages, list) else None
    return Told({"asked": asked}, whole=False) if asked and asked != messages else told


def _last(told: object) -> object:
    """What the last message says; an attribute that holds more than that stays in the metadata."""
    if isinstance(told, Seen):
        last = _last(told.value)
        if isinstance(last, Told):
            return Seen(last.slots["answered"], ())
        return Seen(last, told.numbers)
    if isinstance(told, Told):
        told = told.slots.get("answered")
    said = last_content(told) or None  # a call of a tool often comes with an empty text
    if said is None or _says_no_more(told):
        return told if said is None else said
    return Told({"answered": said}, whole=False)


def _says_no_more(answered: object) -> bool:
    """Whether the last message is the only one, and its content all that it holds."""
    if not isinstance(answered, list) or len(answered) != 1:
        return False
    return isinstance(answered[0], dict) and answered[0].keys().isdisjoint(_BESIDE)


_BESIDE: Final = ("tool_calls", "reasoning", "reasoning_details")
"""What a message may hold beside what it says."""
