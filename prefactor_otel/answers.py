"""What an answer of the API means for an item: done, never, or later. One table, no I/O."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from prefactor_http.exceptions import (
    PrefactorApiError,
    PrefactorAuthError,
    PrefactorHttpError,
    PrefactorResponseContractError,
    PrefactorRetryExhaustedError,
)
from prefactor_otel.items import Operation


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

_TRANSIENT_STATUS: Final = frozenset({408, 425, 429})
_CLOSING: Final = (Operation.FINISH_SPAN, Operation.FINISH_RUN, Operation.START)


@dataclass(frozen=True, slots=True)
class Answer:
    """A verdict, the reason in words that hold no content, and the wait asked for (seconds)."""

    verdict: Verdict
    reason: str = ""
    retry_after: float | None = None


DONE: Final = Answer(Verdict.DONE)


def judge_request(error: BaseException) -> Answer:
    """The verdict over a whole request that raised ``error``."""
    if isinstance(error, PrefactorRetryExhaustedError) and error.last_error is not None:
        return judge_request(error.last_error)
    status = getattr(error, "status_code", None)
    if isinstance(error, PrefactorAuthError):
        return Answer(Verdict.UNAUTHORIZED, f"HTTP {status}")
    if isinstance(error, (PrefactorApiError, PrefactorResponseContractError)):
        return _judge_status(status, error)
    # A connection that could not be made, was cut, or timed out; or a fault of our own.
    return Answer(Verdict.LATER, type(error).__name__)


def _judge_status(status: int | None, error: PrefactorHttpError) -> Answer:
    if status is None:
        return Answer(Verdict.LATER, "an answer that is not what the API promises")
    code = getattr(error, "code", None)
    reason = f"HTTP {status}"
    if isinstance(code, str):
        reason += f" {_refusal(code, getattr(error, 'errors', None))}"
    if status >= 500 or status in _TRANSIENT_STATUS:
        return Answer(Verdict.LATER, reason, getattr(error, "retry_after", None))
    if status in (401, 403):
        return Answer(Verdict.UNAUTHORIZED, reason)
    if status == 413:
        return Answer(Verdict.SMALLER, reason)
    if status < 400:  # a success whose body is not JSON says nothing about any item
        return Answer(Verdict.LATER, f"HTTP {status} without a readable answer")
    return Answer(Verdict.APART if status in (400, 422) else Verdict.NEVER, reason)


def judge_output(operation: Operation, output: object) -> Answer:
    """The verdict over one item of a bulk answer; ``output`` is None when its key is missing."""
    if output is None:
        return Answer(Verdict.LATER, "unanswered")
    if not isinstance(output, dict):
        return Answer(Verdict.LATER, "an output that is no object")
    if output.get("status") == "success":
        return DONE
    code = output.get("code")
    if code == "invalid_action" and operation in _CLOSING:
        return Answer(Verdict.DONE, "already finished")
    if code in TRANSIENT_CODES:
        return Answer(Verdict.LATER, str(code))
    return Answer(Verdict.NEVER, _refusal(code, output.get("errors")))


def _refusal(code: object, errors: object) -> str:
    """Code and field names only: messages may quote what was sent."""
    fields = ", ".join(sorted(str(name) for name in errors)) if isinstance(errors, dict) else ""
    return f"{code} ({fields})" if fields else str(code)
