"""A span's status and error, from its OTel status and exception events."""

import re
from collections.abc import Sequence
from typing import Final, Literal

from prefactor_otel.mapping.shapes.texts import parsed
from prefactor_otel.span import Attributes, Event, SpanView

Status = Literal["active", "complete", "failed", "cancelled"]

_CANCELLED: Final = frozenset(
    {"CancelledError", "GeneratorExit", "GraphInterrupt", "KeyboardInterrupt"}
)
"""Exceptions that end a step without it having failed."""

_TRACEBACK: Final = "Traceback (most recent call last)"


def status_of(view: SpanView) -> Status:
    """``active`` while open; else from the status code and the exception that set it."""
    if view.end_ns is None:
        return "active"
    if view.status != "error":
        return "complete"
    error = _error_type(view, exception_of(view.events))
    return "cancelled" if error in _CANCELLED else "failed"


def error_of(view: SpanView) -> dict[str, object] | None:
    """``{error_type, message, stacktrace}`` of a span whose status is ERROR, else None.

    An exception event on a span that did not fail stays what it is: an event.
    """
    if view.status != "error":
        return None
    event = exception_of(view.events)
    message = (
        _text(event, "exception.message")
        or _first_line(view.status_message)
        or _told(view.attributes)
    )
    before = message.partition(_TRACEBACK)[0].strip()
    return {
        "error_type": _error_type(view, event),
        "message": before or _raised(view.status_message)[1] or message,
        "stacktrace": _text(event, "exception.stacktrace") or _traceback(view.status_message),
    }


def exception_of(events: Sequence[Event]) -> Attributes | None:
    """The attributes of the last exception event (OTel exception conventions)."""
    return next((e.attributes for e in reversed(events) if e.name == "exception"), None)


def _told(attributes: Attributes) -> str:
    """What an attribute says of an error that has neither exception nor description: as a text,
    or as an object with a message (the OpenAI Agents SDK)."""
    told = parsed(attributes.get("error.message") or attributes.get("error"))
    if isinstance(told, dict):
        told = told.get("message")
    return told if isinstance(told, str) else ""


def _error_type(view: SpanView, event: Attributes | None) -> str:
    qualified = (
        _text(event, "exception.type")
        or view.attributes.get("error.type")
        or _raised(view.status_message)[0]
    )
    if not isinstance(qualified, str) or not qualified:
        return "Error"
    return qualified.removesuffix("'>").rpartition(".")[2] or qualified


def _raised(text: str) -> tuple[str, str]:
    """The exception's type and message, out of a text that begins with a traceback: on the first
    line after the frames of the last one, which is the message where it names no exception."""
    if not text.lstrip().startswith(_TRACEBACK):
        return "", ""
    for line in text.rpartition(_TRACEBACK)[2].splitlines()[1:]:
        if line and not line[0].isspace():
            told = _EXCEPTION.fullmatch(line)
            return (told["type"], told["message"] or line) if told else ("", line)
    return "", ""


_EXCEPTION: Final = re.compile(r"(?P<type>[^\W\d][\w.]*)(?:: ?(?P<message>.*))?")
"""How Python writes one: ``ValueError: no such city``, or its name alone."""


def _text(attributes: Attributes | None, key: str) -> str | None:
    value = attributes.get(key) if attributes is not None else None
    return value if isinstance(value, str) and value else None


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]


def _traceback(text: str) -> str | None:
    return text if _TRACEBACK in text else None
