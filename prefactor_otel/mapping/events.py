"""Reader of content in span events (GenAI conventions before attributes held it; Strands)."""

from collections.abc import Callable
from typing import Final

from prefactor_otel.mapping.content import EVENTS, Content, Slot, parsed
from prefactor_otel.mapping.kind import SpanType
from prefactor_otel.mapping.messages import (
    finish_reason,
    from_event,
    messages,
    text_of,
    tool_arguments,
)
from prefactor_otel.semconv.genai import GenAI

VOCABULARY: Final = (EVENTS,)
ROLES: Final = {
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
}
SYSTEM: Final = "gen_ai.system.message"
CHOICE: Final = "gen_ai.choice"
DETAILS: Final = "gen_ai.client.inference.operation.details"
PROMPT, COMPLETION = "gen_ai.content.prompt", "gen_ai.content.completion"


def read(content: Content, span_type: SpanType) -> None:
    """Fill slots from the events' attributes."""
    if not any(event.name.startswith("gen_ai.") for event in content.events):
        return
    if span_type is SpanType.TOOL:
        _read_tool(content)
        return
    _read_details(content)
    _read_messages(content)
    _read_answers(content)
    _read_plain(content)


def _read_details(content: Content) -> None:
    found: dict[Slot, tuple[object, list[int]]] = {}
    for number, event in enumerate(content.events):
        if event.name != DETAILS:
            continue
        for slot, (key, convert) in _IN_DETAILS.items():
            if key in event.attributes:
                found[slot] = (convert(event.attributes[key]), [number])
    for slot, (value, numbers) in found.items():
        content.fill(slot, value, events=numbers)


def _read_messages(content: Content) -> None:
    asked: list[object] = []
    numbers: list[int] = []
    for number, event in enumerate(content.events):
        body = event.attributes.get("content")
        if event.name == SYSTEM:
            content.fill("system", text_of(body), events=[number])
        elif event.name in ROLES:
            asked.append(from_event(ROLES[event.name], body, event.attributes))
            numbers.append(number)
    content.fill("asked", asked or None, events=numbers)


def _read_answers(content: Content) -> None:
    answered: list[object] = []
    numbers: list[int] = []
    for number, event in enumerate(content.events):
        if event.name != CHOICE:
            continue
        body = event.attributes.get("message", event.attributes.get("content"))
        answered.append(from_event("assistant", body, {}))
        content.fill("stop_reason", event.attributes.get("finish_reason"))
        if set(event.attributes) <= {"message", "content", "finish_reason", "index"}:
            numbers.append(number)
    content.fill("answered", answered or None, events=numbers)


def _read_plain(content: Content) -> None:
    for number, event in enumerate(content.events):
        if event.name == PROMPT:
            asked = messages(event.attributes.get("gen_ai.prompt"))
            content.fill("asked", asked, events=[number])
        elif event.name == COMPLETION:
            answered = messages(event.attributes.get("gen_ai.completion"))
            content.fill("answered", answered, events=[number])


def _read_tool(content: Content) -> None:
    for number, event in enumerate(content.events):
        if event.name == "gen_ai.tool.message":
            asked = tool_arguments(event.attributes.get("content"))
            content.fill("arguments", asked, events=[number])
        elif event.name == CHOICE:
            answered = text_of(parsed(event.attributes.get("message")))
            content.fill("result", _without_wrapper(answered), events=[number])


def _without_wrapper(value: object) -> object:
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict):
        return value[0].get("json", value)
    return value


_IN_DETAILS: Final[dict[Slot, tuple[str, Callable[[object], object]]]] = {
    "system": (GenAI.SYSTEM_INSTRUCTIONS, text_of),
    "asked": (GenAI.INPUT_MESSAGES, messages),
    "answered": (GenAI.OUTPUT_MESSAGES, messages),
    "stop_reason": (GenAI.OUTPUT_MESSAGES, finish_reason),
}
