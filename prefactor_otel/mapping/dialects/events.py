"""Content in span events (GenAI conventions before attributes held it; Strands)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from prefactor_otel.mapping.dialects.genai import INPUT_MESSAGES, OUTPUT_MESSAGES, SYSTEM_NAME
from prefactor_otel.mapping.errors import ERROR_TYPE
from prefactor_otel.mapping.rules import BOTH, EVENTS, Reader, Rule, Seen, types
from prefactor_otel.mapping.shapes.blocks import text_of
from prefactor_otel.mapping.shapes.messages import from_event, messages
from prefactor_otel.mapping.shapes.texts import parsed
from prefactor_otel.mapping.shapes.used_tools import tool_arguments
from prefactor_otel.mapping.types import TOOL, SpanType
from prefactor_otel.spans.view import Attributes, Event, SpanView

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
EVALUATION: Final = "gen_ai.evaluation.result"
RECORDED: Final = frozenset({*ROLES, SYSTEM, CHOICE, DETAILS, EVALUATION})
"""Those that instrumentations write as log records, too."""
PROMPT_TEXT, COMPLETION_TEXT = "gen_ai.prompt", "gen_ai.completion"
PROMPT: Final = ("gen_ai.content.prompt", PROMPT_TEXT)
COMPLETION: Final = ("gen_ai.content.completion", COMPLETION_TEXT)

TYPES: Final = ()

Events = Sequence[Event]


def with_details(view: SpanView) -> SpanView:
    """The span with what its events of details hold among its attributes; those win. A later event
    of a step that holds what a tool answered tells the step's output."""
    details = [event for event in view.events if event.name == DETAILS]
    if not details:
        return view
    attributes = dict(view.attributes)
    told = {id(event) for event in details if _is_told(attributes, event.attributes)}
    rest = tuple(event for event in view.events if id(event) not in told)
    return replace(view, attributes=attributes, events=rest)


def _is_told(attributes: dict[str, object], details: Attributes) -> bool:
    """Add what an event of details holds; whether that is all among the attributes then."""
    named = {
        OUTPUT_MESSAGES if name == INPUT_MESSAGES and _answers(attributes, value) else name: value
        for name, value in details.items()
    }
    told = [_same(attributes.setdefault(name, value), value) for name, value in named.items()]
    return all(told)


def _same(one: object, other: object) -> bool:
    """Whether two say the same: on the span as JSON, in a record as what that stands for, where
    members that are null may be missing."""
    return one == other or _said_by(one) == _said_by(other)


def _said_by(value: object) -> object:
    value = parsed(value)
    if isinstance(value, Mapping):
        if value.keys() == {"$bytes"}:  # which JSON has as text
            return value["$bytes"]
        return {key: _said_by(each) for key, each in value.items() if each is not None}
    return [_said_by(each) for each in value] if isinstance(value, (list, tuple)) else value


def _answers(attributes: Attributes, given: object) -> bool:
    """Whether messages that come after the question are nothing but answers of tools."""
    if OUTPUT_MESSAGES in attributes or _same(attributes.get(INPUT_MESSAGES, given), given):
        return False
    told = messages(given) or []
    return bool(told) and all(isinstance(m, dict) and m.get("role") == "tool" for m in told)


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
            if told.get("content") is not None or "tool_calls" in told:
                asked += from_event(ROLES[event.name], told.get("content"), told)
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
        if said or not _is_empty(body):
            answered += from_event("assistant", body, said)
        if told.keys() <= _OF_CHOICE:
            numbers.append(number)
    return Seen(answered, numbers) if answered else None


def _is_empty(body: object) -> bool:
    """Whether a message has nothing but its role: without content captured there are such."""
    return body is None or (isinstance(body, Mapping) and body.keys() <= {"role"})


_OF_CHOICE: Final = frozenset(
    {"message", "content", "finish_reason", "index", "tool_calls", "role", SYSTEM_NAME}
)


def _stopped(events: Events) -> object:
    reasons = [_told(event).get("finish_reason") for event in events if event.name == CHOICE]
    return next((reason for reason in reasons if reason is not None), None)


def _judged(events: Events) -> object:
    found = [
        {
            field: event.attributes[name]
            for name, field in _OF_EVALUATION
            if name in event.attributes
        }
        for event in events
        if event.name == EVALUATION
    ]
    return found or None


_OF_EVALUATION: Final = (
    ("gen_ai.evaluation.name", "name"),
    ("gen_ai.evaluation.score.value", "score"),
    ("gen_ai.evaluation.score.label", "label"),
    ("gen_ai.evaluation.explanation", "explanation"),
    (ERROR_TYPE, "error_type"),
)


def _told(event: Event) -> Mapping[str, object]:
    """What an event says; Azure's clients write all of it into one attribute."""
    whole = parsed(event.attributes.get(WHOLE))
    if not isinstance(whole, dict):
        return event.attributes
    return {key: value for key, value in event.attributes.items() if key != WHOLE} | whole


def _plain(events: Events, names: Sequence[str], key: str) -> Seen | None:
    for number, event in enumerate(events):
        if event.name in names and event.attributes.get(key) is not None:
            return Seen(event.attributes[key], [number])
    return None


def _plain_messages(events: Events, names: Sequence[str], key: str) -> Seen | None:
    seen = _plain(events, names, key)
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


def _in_attribute(read: Reader) -> Reader:
    """The same of events that stand in an attribute, as JSON; which stays where it is."""

    def told(value: object) -> object:
        given = parsed(value)
        if not isinstance(given, list) or not all(isinstance(each, dict) for each in given):
            return None
        seen = read([_event(each) for each in given])
        return seen.value if isinstance(seen, Seen) else seen

    return told


def _event(fields: dict[str, object]) -> Event:
    name = fields.get("event.name", fields.get("name"))
    others = {key: value for key, value in fields.items() if key not in ("event.name", "name")}
    return Event(str(name), 0, others)


_STEPS: Final = frozenset(SpanType) - types(TOOL)
_ALL: Final = (EVENTS,)

_OF_EVENTS: Final = (
    Rule("system", _ALL, _system, BOTH, _STEPS),
    Rule("asked", _ALL, _asked, BOTH, _STEPS),
    Rule("answered", _ALL, _answered, BOTH, _STEPS),
    Rule("stopped", _ALL, _stopped, BOTH, _STEPS),
    Rule("asked", _ALL, lambda told: _plain_messages(told, PROMPT, PROMPT_TEXT), BOTH, _STEPS),
    Rule("input", _ALL, lambda told: _plain(told, PROMPT, PROMPT_TEXT), BOTH, _STEPS),
    Rule(
        "answered",
        _ALL,
        lambda told: _plain_messages(told, COMPLETION, COMPLETION_TEXT),
        BOTH,
        _STEPS,
    ),
    Rule("output", _ALL, lambda told: _plain(told, COMPLETION, COMPLETION_TEXT), BOTH, _STEPS),
    Rule("arguments", _ALL, _arguments, BOTH, types(TOOL)),
    Rule("result", _ALL, _result, BOTH, types(TOOL)),
)

RULES: Final = (*_OF_EVENTS, Rule("judged", _ALL, _judged, BOTH))
IN_ATTRIBUTE: Final = tuple(
    Rule(rule.slot, ("events",), _in_attribute(rule.read), BOTH, rule.of, partly=True)
    for rule in _OF_EVENTS
)
"""The same where an attribute holds the events; trusted less than what else an SDK writes."""
