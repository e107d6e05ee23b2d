"""What an answer of the API means for an item: done, never, or later. One table, no I/O."""

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from prefactor_otel.delivery.client import ApiError
from prefactor_otel.delivery.operation import Operation


class Verdict(StrEnum):
    """What to do with what was sent."""

    DONE = "done"
    """Acknowledged."""
    NEVER = "never"
    """Refused for good; sending it again would be refused again."""
    LATER = "later"
    """Not answered, or answered with trouble that passes."""
    UNAUTHORIZED = "unauthorized"
    """The token is refused; nothing will get through until that changes."""
    SMALLER = "smaller"
    """The request is too large as a whole."""
    APART = "apart"
    """Refused as a whole because of something in it; its parts may pass."""
    AS_FAILED = "as_failed"
    """Refused as cancelled, which the API may allow only of what never began; as failed it may
    pass."""


TRANSIENT_CODES: Final = frozenset(
    {
        "rate_limited",
        "too_many_requests",
        "timeout",
        "internal_error",
        "internal_server_error",
        "service_unavailable",
        "temporarily_unavailable",
        "unavailable",
        "conflict_retry",
    }
)
"""Error codes inside a bulk answer that speak of the server's state, not of the item."""

_FAULT_CODES: Final = ("internal_error", "internal_server_error")
_FAULT_STATUS: Final = (500, 501)
_LONGEST_WAIT: Final = 300.0
"""Seconds of a ``Retry-After`` that are believed, at most."""

_CODE: Final = re.compile(r"[a-z][a-z_]{0,47}")
_FIELD: Final = re.compile(r"(?=.{1,96}$)[a-z_]+(\.([a-z_]+|\d{1,5}))*")
_MANY_FIELDS: Final = 8
_TAKEN: Final = "already been taken"
"""What is said of an id that something has: others are refused for what they look like."""

_TRANSIENT_STATUS: Final = frozenset({408, 425, 429})
_CONFLICT: Final = 409
_INVALID_ACTION: Final = "invalid_action"
NOT_FOUND: Final = "not_found"
"""The error code of what is not there, whatever is said of it."""
_ABOUT_STATE: Final = (_INVALID_ACTION, "conflict", "bad_request")
"""Error codes that may speak of the state that something is in."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A verdict, the reason in words that hold no content, and the wait asked for (seconds)."""

    verdict: Verdict
    reason: str = ""
    retry_after: float | None = None
    is_fault: bool = False
    """Whether the server failed over what was sent, which it may do each time."""
    fields: tuple[str, ...] = ()
    """The fields that were refused, by their paths; only those that look like one."""
    code: object = None
    """The error code, as it came."""
    is_taken: bool = False
    """Whether it was refused for an id that something has already."""
    about_state: bool = False
    """Whether it may have been refused for the state that its run is in, which only that can
    tell."""


DONE: Final = Answer(Verdict.DONE)
ALREADY: Final = Answer(Verdict.DONE, about_state=True)
"""It was so before: what was asked for was refused, and had been done."""


def judge_request(error: BaseException) -> Answer:
    """The verdict over a whole request that raised ``error``."""
    if isinstance(error, ApiError):
        return _judge_status(error)
    # A connection that could not be made, was cut, or timed out; or a fault of our own.
    return Answer(Verdict.LATER, type(error).__name__)


def _judge_status(error: ApiError) -> Answer:
    status = error.status
    if status in (401, 403):
        return Answer(Verdict.UNAUTHORIZED, f"HTTP {status}")
    if error.redirect is not None:  # what was sent has arrived nowhere, and must not
        reason = f"HTTP {status}, a redirect to {error.redirect} that is not followed"
        return Answer(Verdict.LATER, reason)
    if status < 400:  # a success whose body is not JSON says nothing about any item
        return Answer(Verdict.LATER, f"HTTP {status} without a readable answer")
    reason = f"HTTP {status}"
    if error.answer is not None:
        reason += f" {_refusal(error.code, error.errors)}"
    if status >= 500 or status in _TRANSIENT_STATUS:
        wait = error.retry_after
        wait = min(wait, _LONGEST_WAIT) if wait is not None else None
        return Answer(Verdict.LATER, reason, wait, status in _FAULT_STATUS)
    if status == 413:
        return Answer(Verdict.SMALLER, reason, code=error.code)
    if status in (400, 422):
        return Answer(
            *(Verdict.APART, reason),
            fields=fields_in(error.errors),
            code=error.code,
            is_taken=_is_taken(error.errors),
        )
    about_state = status == _CONFLICT
    if error.answer is None:  # of a proxy, or of another server: it knows nothing of what was sent
        reason += ", which is no answer of the Prefactor API"
        return Answer(Verdict.LATER, reason, about_state=about_state)
    return Answer(Verdict.NEVER, reason, code=error.code, about_state=about_state)


def judge_output(operation: Operation, output: object) -> Answer:
    """The verdict over one item of a bulk answer; ``output`` is None when its key is missing."""
    if output is None:
        return Answer(Verdict.LATER, "unanswered")
    if not isinstance(output, dict):
        return Answer(Verdict.LATER, "an output that is no object")
    if output.get("status") == "success":
        return DONE
    code, errors = output.get("code"), output.get("errors")
    if isinstance(code, str) and code in TRANSIENT_CODES:
        return Answer(Verdict.LATER, code, is_fault=code in _FAULT_CODES)
    refusal = Answer(
        *(Verdict.NEVER, _refusal(code, errors)),
        fields=fields_in(errors),
        code=code,
        is_taken=_is_taken(errors),
    )
    return judge_refusal(operation, refusal)


def judge_refusal(operation: Operation, refusal: Answer) -> Answer:
    """The verdict over one item of a span that is refused, alone or among others."""
    if refusal.code == _INVALID_ACTION and operation is Operation.FINISH_SPAN:
        return replace(refusal, verdict=Verdict.DONE, about_state=True)  # it is finished already
    about_state = refusal.code in _ABOUT_STATE or "agent_instance_id" in refusal.fields
    return replace(refusal, verdict=Verdict.NEVER, about_state=about_state)


def judge_cancelled(refusal: Answer) -> Answer:
    """The verdict over an item that is refused and was to end its span as cancelled. No code
    proves that the span has ended; only that there is none is the last word."""
    if refusal.code == NOT_FOUND:
        return refusal
    return replace(refusal, verdict=Verdict.AS_FAILED, about_state=False)


def _refusal(code: object, errors: object) -> str:
    """Code and field names only: messages may quote what was sent."""
    fields = ", ".join(fields_in(errors)[:_MANY_FIELDS])
    return f"{_named(code)} ({fields})" if fields else _named(code)


def fields_in(errors: object) -> tuple[str, ...]:
    """The fields that an answer names as wrong, by their paths; only those that look like one."""
    names = [n for n in errors if isinstance(n, str)] if isinstance(errors, dict) else []
    return tuple(sorted(filter(_FIELD.fullmatch, names)))


def _is_taken(errors: object) -> bool:
    told = errors.get("id") if isinstance(errors, dict) else None
    texts = told if isinstance(told, list) else [told]
    return any(isinstance(text, str) and _TAKEN in text for text in texts)


def _named(code: object) -> str:
    """An error code, if it looks like one: a text of the server's may quote what was sent."""
    return code if isinstance(code, str) and _CODE.fullmatch(code) else "of an unknown kind"
