"""What went wrong between a command and the API, as somebody at a terminal is told it."""

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any, Final

from prefactor_otel.cli.advice import ADDRESS, REACH, REDIRECT, TROUBLE, WHOLE_TOKEN, without
from prefactor_otel.cli.terminal import on_one_line

_LONGEST: Final = 300
"""Characters of the platform's own words that a message repeats."""


class Problem(Exception):
    """Why the API cannot be used, or what it refuses, and what to do; a line or two, without the
    token. ``status`` is that of its answer, None without one."""

    def __init__(
        self,
        found: str,
        remedy: str = "",
        *,
        status: int | None = None,
        passes: bool = False,
        retry_after: float | None = None,
        exit_code: int = 1,
    ) -> None:
        super().__init__(f"{found}. {remedy}".rstrip() if remedy else f"{found}.")
        self.status = status
        self.passes = passes
        """Whether the same may succeed later."""
        self.retry_after = retry_after
        """Seconds that the API wants to be left alone for."""
        self.exit_code = exit_code


def problem_of(error: Exception, url: str, token: str) -> Problem:
    """What an error of the client means for somebody at a terminal."""
    from prefactor_http.exceptions import (
        PrefactorApiError,
        PrefactorHttpError,
        PrefactorRetryExhaustedError,
        is_transient_http_error,
    )

    retry_after = getattr(error, "retry_after", None)
    if isinstance(error, PrefactorRetryExhaustedError) and error.last_error is not None:
        error = error.last_error
    status = getattr(error, "status_code", None)
    passes = is_transient_http_error(error)
    if isinstance(error, PrefactorApiError):
        found, remedy = _refusal(error, url, passes=passes)
    elif isinstance(error, PrefactorHttpError):
        found = f"{url} does not answer like the Prefactor API (HTTP {status})"
        remedy = REDIRECT if status is not None and 300 <= status < 400 else ADDRESS
    elif passes:
        found, remedy = f"{url} cannot be reached ({type(error).__name__})", REACH
    else:
        found, remedy = f"asking {url} failed ({type(error).__name__})", ADDRESS
    found = on_one_line(without(token, found))
    return Problem(found, remedy, status=status, passes=passes, retry_after=retry_after)


def _refusal(error: Any, url: str, *, passes: bool) -> tuple[str, str]:
    status = error.status_code
    if passes:
        return f"{url} does not answer (HTTP {status})", TROUBLE
    if status in (401, 403):
        remedy = f"{WHOLE_TOKEN} To read takes an account's token: a deployment's may only send."
        return f"the API refuses the token for this (HTTP {status})", remedy
    if status == 404 and error.code == "unknown":
        return f"{url} does not answer like the Prefactor API (HTTP 404)", ADDRESS
    fields = getattr(error, "errors", None) or {}
    reasons = {name: why if isinstance(why, list) else [why] for name, why in fields.items()}
    named = "; ".join(f"{name} {', '.join(map(str, why))}" for name, why in reasons.items())
    said = " ".join(f"{error}{f' ({named})' if named else ''}".split())[:_LONGEST]
    return f"the API refuses that (HTTP {status} {error.code}): {said}", ""


def exit_code_of(work: Coroutine[object, object, int]) -> int:
    """Do it; a ``Problem`` becomes its line and its exit code."""
    try:
        return asyncio.run(work)
    except Problem as problem:
        print(on_one_line(problem), file=sys.stderr)
        return problem.exit_code
