"""A span's status and error, from its OTel status and exception events."""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final, Literal

from prefactor_otel.mapping.shapes.blocks import text_of
from prefactor_otel.mapping.shapes.texts import parsed
from prefactor_otel.mapping.shapes.used_tools import literal
from prefactor_otel.payload.encode import encode
from prefactor_otel.spans.view import Attributes, SpanView
from prefactor_otel.words import words_of

Status = Literal["active", "complete", "failed", "cancelled"]

_CANCELLED: Final = frozenset(
    {
        *("CancelledError", "GeneratorExit", "KeyboardInterrupt"),
        *("GraphInterrupt", "NodeInterrupt", "GraphBubbleUp", "GraphDrained"),
        *("AbortError", "CancelError", "TaskCanceledException", "OperationCanceledException"),
    }
)
"""Exceptions that end a step without it having failed."""
_HANDED_OVER: Final = frozenset({"ParentCommand", "GraphDelegate"})
"""Exceptions by which LangGraph goes on elsewhere, on every span that they cross."""

_TRACEBACK: Final = "Traceback (most recent call last)"


def status_of(view: SpanView) -> Status:
    """``active`` while open; else from the status code and the exception that set it."""
    if view.end_ns is None:
        return "active"
    if view.status != "error":
        return "complete"
    error = _error_type(view, exception_of(view))
    if error in _HANDED_OVER:
        return "complete"
    return "cancelled" if error in _CANCELLED else "failed"


def error_of(view: SpanView) -> dict[str, object] | None:
    """``{error_type, message, stacktrace}`` of a span whose status is ERROR and which has not
    handed over, else None.

    An exception event on a span that did not fail stays what it is: an event.
    """
    if view.status != "error":
        return None
    event = exception_of(view)
    error_type = _error_type(view, event)
    if error_type in _HANDED_OVER:
        return None
    message = (
        _text(event, "exception.message")
        or _said(view.status_message)
        or _told(view.attributes)
        or _sentence(view.attributes.get(ERROR_TYPE))
        or _phrase(error_type, view.attributes)
    )
    before = message.partition(_TRACEBACK)[0].strip()
    return {
        "error_type": error_type,
        "message": _inside(before or _raised(view.status_message)[1] or message),
        "stacktrace": _text(event, "exception.stacktrace") or _traceback(view.status_message),
    }


def _said(description: str) -> str:
    """The message in a description, which may be an exception's ``repr``."""
    line = _first_line(description)
    if line.lower() in _SAYS_NOTHING:
        return ""
    raised = _REPR.fullmatch(line)
    if raised:
        return raised["message"] or raised["bare"] or line
    found = _EXCEPTION.fullmatch(line) if _named(description) else None
    return (found["message"] or found["type"]) if found else line


_SAYS_NOTHING: Final = frozenset({"[object object]", "none", "null", "undefined"})
"""What programs make of a message that is none."""


def _code(error_type: object) -> object:
    """What an attribute names the error, where it does not tell of it instead."""
    return None if _sentence(error_type) else error_type


def _sentence(error_type: object) -> str:
    """What stands in place of an error's type and is no name of one."""
    is_told = isinstance(error_type, str) and len(error_type.split()) > 1
    return str(error_type) if is_told else ""


def _inside(message: str) -> str:
    """The message in an object of JSON or Python that was written where a message belongs, as
    clients of APIs do: ``Error code: 429 - {'error': {'message': 'slow down'}}``."""
    start = message.find("{")
    if start < 0 or not message.endswith("}"):
        return message
    told: object = literal(message[start:])
    for _ in range(2):
        if isinstance(told, dict):
            told = told.get("message", told.get("error", told.get("detail")))
    return told if isinstance(told, str) and told else message


def _phrase(error_type: str, attributes: Attributes) -> str:
    """What a status of HTTP means, where nothing else is said."""
    told = [error_type, *(attributes.get(key) for key in _STATUS)]
    for code in told:
        if str(code).isdecimal() and int(str(code)) in _PHRASES:
            return f"{code} {_PHRASES[int(str(code))]}"
    return ""


_STATUS: Final = ("http.response.status_code", "http.status_code")
_PHRASES: Final = {status.value: status.phrase for status in HTTPStatus}


def tool_failure(
    single: Mapping[str, object], result: object, left: Mapping[str, Mapping[str, object]]
) -> str | None:
    """What a tool says of its failure, in a field of its own or in its result; None if it does
    not say that it failed."""
    holders: list[object] = [result, *left.values()]
    if "failed" not in single and not any(map(_says_it_failed, holders)):
        return None
    return said_by(result)


def said_by(result: object) -> str:
    """What the result of a tool that has failed says of it; nothing where there is none."""
    said = result
    if isinstance(result, Mapping):
        told = [result.get(name) for name in ("content", "error", "message", "output")]
        said = text_of(next((text for text in told if text), result))
    if isinstance(said, Mapping):
        said = said.get("message", said)
    return said if isinstance(said, str) else encode(said).decode() if said is not None else ""


def _says_it_failed(result: object) -> bool:
    """``isError`` of MCP, ``is_error`` of Anthropic, ``status`` of LangChain's messages."""
    if not isinstance(result, Mapping):
        return False
    if fails(result.get("isError")) or fails(result.get("is_error")):
        return True
    said = not _SAYS.isdisjoint(result) or set(result) <= {"status", "tool_call_id", "artifact"}
    return said and result.get("status") in _FAILED


_SAYS: Final = frozenset({"content", "error", "message"})
ERROR_TYPE: Final = "error.type"
TOOL_ERROR: Final = "ToolError"
"""The type of an error that only a tool's result tells."""


def fails(value: object) -> bool:
    """Whether this, said of a result, means that it is an error."""
    return value is True or (isinstance(value, str) and value.lower() in _FAILED)


_FAILED: Final = frozenset({"error", "failed", "failure", "true"})


def exception_of(view: SpanView) -> Attributes:
    """What tells of the exception: the last event of one, else the span's own attributes (OTel
    exception conventions)."""
    told = (event.attributes for event in reversed(view.events) if event.name == "exception")
    return next(told, view.attributes)


def _told(attributes: Attributes) -> str:
    """What an attribute says of an error that has neither exception nor description: as a text,
    or as an object with a message (the OpenAI Agents SDK)."""
    told = parsed(attributes.get("error.message") or attributes.get("error"))
    if isinstance(told, dict):
        told = told.get("message")
    if isinstance(told, str):
        return told
    said = (value for name, value in attributes.items() if words_of(name)[-2:] in _STATUS_TEXTS)
    return next((value for value in said if isinstance(value, str)), "")


_STATUS_TEXTS: Final = (("status", "message"), ("status", "description"), ("error", "message"))
"""The last words of names under which vendors write a status' description."""


def _error_type(view: SpanView, event: Attributes) -> str:
    qualified = (
        _text(event, "exception.type")
        or _code(view.attributes.get(ERROR_TYPE))
        or _raised(view.status_message)[0]
        or _named(view.status_message)
    )
    if isinstance(qualified, (int, float)) and not isinstance(qualified, bool):
        return str(qualified)
    if not isinstance(qualified, str) or not qualified:
        return "Error"
    return qualified.removesuffix("'>").rpartition(".")[2] or qualified


def _named(description: str) -> str:
    """The exception that a description names, as the SDK writes it (``ValueError: no such city``),
    as Python does (``ValueError('no such city')``) or as AWS does."""
    line = _first_line(description)
    of_aws = _AWS.match(line)
    if of_aws:
        return of_aws["type"]
    found = _REPR.fullmatch(line) or _EXCEPTION.fullmatch(line)
    return found["type"] if found and _IS_EXCEPTION.search(found["type"]) else ""


_AWS: Final = re.compile(r"An error occurred \((?P<type>\w+)\) when calling ")
"""How the clients of AWS begin to tell of an error."""


_REPR: Final = re.compile(
    r"(?P<type>[^\W\d][\w.]*)\((?:(?P<quote>['\"])(?P<message>.*?)(?P=quote)(?:,.*)?|(?P<bare>.*))\)"
)
_IS_EXCEPTION: Final = re.compile(
    r"(Error|Exception|Warning|Interrupt|Exit|BubbleUp|Command|Delegate|Group|Timeout|Refused)$"
)


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


def _text(attributes: Attributes, key: str) -> str | None:
    value = attributes.get(key)
    return value if isinstance(value, str) and value else None


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]


def _traceback(text: str) -> str | None:
    return text if _TRACEBACK in text else None
