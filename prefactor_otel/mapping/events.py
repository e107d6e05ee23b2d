"""Reader of content in span events (GenAI conventions before attributes held it; Strands)."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from prefactor_otel.mapping.content import EVENTS, Content, parsed
from prefactor_otel.mapping.kind import SpanType
from prefactor_otel.mapping.messages import (
    from_event,
    messages,
    text_of,
    tool_arguments,
)
from prefactor_otel.span import Event, SpanView

VOCABULARY: Final = (EVENTS,)
ROLES: Final = {
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
}
SYSTEM: Final = "gen_ai.system.message"
TOOL_MESSAGE: Final = "gen_ai.tool.message"
CHOICE: Final = "gen_ai.choice"
WHOLE: Final = "gen_ai.event.content"
DETAILS: Final = "gen_ai.client.inference.operation.details"
"""Holds what could be attributes of the span, under their names."""
PROMPT, COMPLETION = "gen_ai.content.prompt", "gen_ai.content.completion"


def read(content: Content, span_type: SpanType) -> None:
    """Fill slots from the events' attributes."""
    if not any(event.name.startswith("gen_ai.") for event in content.events):
        return
    if span_type is SpanType.TOOL:
        _read_tool(content)
        return
    _read_messages(content)
    _read_answers(content)
    _read_plain(content)


def with_details(view: SpanView) -> SpanView:
    """The span with what its event of details holds among its attributes; those win."""
    details = [event for event in view.events if event.name == DETAILS]
    if not details:
        return view
    attributes = dict(view.attributes)
    told = [
        e for e in details if all(attributes.setdefault(k, v) == v for k, v in e.attributes.items())
    ]
    return replace(
        view, attributes=attributes, events=tuple(e for e in view.events if e not in told)
    )


def _read_messages(content: Content) -> None:
    asked: list[object] = []
    numbers: list[int] = []
    for number, event in enumerate(content.events):
        if event.name == SYSTEM:
            content.fill("system", text_of(_told(event).get("content")), events=[number])
        elif event.name in ROLES:
            told = _told(event)
            if event.name == TOOL_MESSAGE and "id" in told:
                told = {"tool_call_id" if key == "id" else key: told[key] for key in told}
            asked.append(from_event(ROLES[event.name], told.get("content"), told))
            numbers.append(number)
    content.fill("asked", asked or None, events=numbers)


def _read_answers(content: Content) -> None:
    answered: list[object] = []
    numbers: list[int] = []
    for number, event in enumerate(content.events):
        if event.name != CHOICE:
            continue
        told = _told(event)
        body = told.get("message", told.get("content"))
        said = {"tool_calls": told["tool_calls"]} if "tool_calls" in told else {}
        answered.append(from_event("assistant", body, said))
        content.fill("stop_reason", told.get("finish_reason"))
        if told.keys() <= _OF_CHOICE:
            numbers.append(number)
    content.fill("answered", answered or None, events=numbers)


_OF_CHOICE: Final = frozenset(
    {"message", "content", "finish_reason", "index", "tool_calls", "role", "gen_ai.system"}
)


def _told(event: Event) -> Mapping[str, object]:
    """What an event says; Azure's clients write all of it into one attribute."""
    whole = parsed(event.attributes.get(WHOLE))
    if not isinstance(whole, dict):
        return event.attributes
    return {key: value for key, value in event.attributes.items() if key != WHOLE} | whole


def _read_plain(content: Content) -> None:
    for number, event in enumerate(content.events):
        if event.name == PROMPT:
            asked = event.attributes.get("gen_ai.prompt")
            content.fill("asked", messages(asked), events=[number])
            content.fill("input", asked, events=[number])
        elif event.name == COMPLETION:
            answered = event.attributes.get("gen_ai.completion")
            content.fill("answered", messages(answered), events=[number])
            content.fill("output", answered, events=[number])


def _read_tool(content: Content) -> None:
    for number, event in enumerate(content.events):
        if event.name == TOOL_MESSAGE:
            asked = tool_arguments(event.attributes.get("content"))
            content.fill("arguments", asked, events=[number])
        elif event.name == CHOICE:
            answered = text_of(parsed(event.attributes.get("message")))
            content.fill("result", _without_wrapper(answered), events=[number])


def _without_wrapper(value: object) -> object:
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict):
        return value[0].get("json", value)
    return value
