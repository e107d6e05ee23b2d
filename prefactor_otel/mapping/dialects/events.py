"""Content in span events (GenAI conventions before attributes held it; Strands)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from prefactor_otel.mapping.rules import BOTH, EVENTS, Rule, Seen, types
from prefactor_otel.mapping.shapes.messages import from_event, messages, text_of, tool_arguments
from prefactor_otel.mapping.shapes.texts import parsed
from prefactor_otel.mapping.types import TOOL, SpanType
from prefactor_otel.span import Event, SpanView

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

TYPES: Final = ()

Events = Sequence[Event]


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


def _system(events: Events) -> object:
    for number, event in enumerate(events):
        if event.name == SYSTEM:
            return Seen(text_of(_told(event).get("content")), [number])
    return None


def _asked(events: Events) -> object:
    asked: list[object] = []
    numbers: list[int] = []
    for number, event in enumerate(events):
        if event.name in ROLES:
            told = _told(event)
            if event.name == TOOL_MESSAGE and "id" in told:
                told = {"tool_call_id" if key == "id" else key: told[key] for key in told}
            asked.append(from_event(ROLES[event.name], told.get("content"), told))
            numbers.append(number)
    return Seen(asked, numbers) if asked else None


def _answered(events: Events) -> object:
    answered: list[object] = []
    numbers: list[int] = []
    for number, event in enumerate(events):
        if event.name != CHOICE:
            continue
        told = _told(event)
        body = told.get("message", told.get("content"))
        said = {"tool_calls": told["tool_calls"]} if "tool_calls" in told else {}
        answered.append(from_event("assistant", body, said))
        if told.keys() <= _OF_CHOICE:
            numbers.append(number)
    return Seen(answered, numbers) if answered else None


_OF_CHOICE: Final = frozenset(
    {"message", "content", "finish_reason", "index", "tool_calls", "role", "gen_ai.system"}
)


def _stopped(events: Events) -> object:
    reasons = [_told(event).get("finish_reason") for event in events if event.name == CHOICE]
    return next((reason for reason in reasons if reason is not None), None)


def _told(event: Event) -> Mapping[str, object]:
    """What an event says; Azure's clients write all of it into one attribute."""
    whole = parsed(event.attributes.get(WHOLE))
    if not isinstance(whole, dict):
        return event.attributes
    return {key: value for key, value in event.attributes.items() if key != WHOLE} | whole


def _plain(events: Events, name: str, key: str) -> Seen | None:
    for number, event in enumerate(events):
        if event.name == name and event.attributes.get(key) is not None:
            return Seen(event.attributes[key], [number])
    return None


def _plain_messages(events: Events, name: str, key: str) -> Seen | None:
    seen = _plain(events, name, key)
    told = messages(seen.value) if seen is not None else None
    return seen._replace(value=told) if seen is not None and told is not None else None


def _arguments(events: Events) -> object:
    for number, event in enumerate(events):
        if event.name == TOOL_MESSAGE:
            asked = tool_arguments(event.attributes.get("content"))
            return Seen(asked, [number]) if asked is not None else None
    return None


def _result(events: Events) -> object:
    for number, event in enumerate(events):
        if event.name == CHOICE:
            answered = _without_wrapper(text_of(parsed(event.attributes.get("message"))))
            return Seen(answered, [number]) if answered is not None else None
    return None


def _without_wrapper(value: object) -> object:
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict):
        return value[0].get("json", value)
    return value


_STEPS: Final = frozenset(SpanType) - types(TOOL)
_ALL: Final = (EVENTS,)

RULES: Final = (
    Rule("system", _ALL, _system, BOTH, _STEPS),
    Rule("asked", _ALL, _asked, BOTH, _STEPS),
    Rule("answered", _ALL, _answered, BOTH, _STEPS),
    Rule("stopped", _ALL, _stopped, BOTH, _STEPS),
    Rule("asked", _ALL, lambda told: _plain_messages(told, PROMPT, "gen_ai.prompt"), BOTH, _STEPS),
    Rule("input", _ALL, lambda told: _plain(told, PROMPT, "gen_ai.prompt"), BOTH, _STEPS),
    Rule(
        "answered",
        _ALL,
        lambda told: _plain_messages(told, COMPLETION, "gen_ai.completion"),
        BOTH,
        _STEPS,
    ),
    Rule("output", _ALL, lambda told: _plain(told, COMPLETION, "gen_ai.completion"), BOTH, _STEPS),
    Rule("arguments", _ALL, _arguments, BOTH, types(TOOL)),
    Rule("result", _ALL, _result, BOTH, types(TOOL)),
)
