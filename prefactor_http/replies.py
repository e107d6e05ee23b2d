"""What an HTTP answer means: a JSON object, or one of this client's errors. No I/O."""

from typing import Any

from prefactor_http import _json
from prefactor_http.exceptions import (
    PrefactorApiError,
    PrefactorAuthError,
    PrefactorHttpError,
    PrefactorNotFoundError,
    PrefactorResponseContractError,
    PrefactorValidationError,
)
from prefactor_otel_transport.session import Reply

SNIPPET_LENGTH = 200
SHORTEST_SECRET = 8
"""Replacing a shorter token would garble messages and hide nothing worth hiding."""


def parse(reply: Reply, path: str, token: str) -> dict[str, Any]:
    """The JSON object of an answer, whatever its content type.

    Raises the error that its status means, or ``PrefactorResponseContractError`` for a body that
    is no JSON object, and for a redirect, because none is followed. No error repeats the token,
    should the answer do so.
    """
    if reply.is_redirect:
        raise _redirect(reply, path)
    data, fault = _decoded(reply)
    if fault is not None:
        raise _told_to_wait(_not_json(reply, path, token, fault), reply)
    if not isinstance(data, dict):
        error = PrefactorResponseContractError(
            f"Expected JSON object response from {path}",
            status_code=reply.status,
            body_snippet=snippet(_without(token, reply.text)),
        )
        raise _told_to_wait(error, reply)
    if reply.status >= 400:
        raise _told_to_wait(api_error(reply.status, _without(token, data)), reply)
    return data


def _decoded(reply: Reply) -> tuple[object, ValueError | None]:
    """The fault is returned, so that it is no raised error's context: it keeps the text."""
    try:
        return _json.loads(reply.body), None
    except ValueError:  # another charset, or bytes that are none of this one
        pass
    try:
        return _json.loads(reply.text), None
    except ValueError as fault:
        return None, fault


def api_error(status: int, data: dict[str, Any]) -> PrefactorApiError:
    """The error that a status and an error envelope mean (API contract, status table)."""
    code = data.get("code", "unknown")
    message = data.get("message", f"HTTP {status}")
    if status in (401, 403):
        return PrefactorAuthError(message, code, status)
    if status == 404:
        return PrefactorNotFoundError(message, code, status)
    if status in (400, 422):
        return PrefactorValidationError(message, code, status, data.get("errors") or {})
    return PrefactorApiError(message, code, status)


def snippet(text: str) -> str | None:
    """The beginning of a body, on one line; None when there is nothing to show."""
    text = " ".join(text.split())
    return f"{text[:SNIPPET_LENGTH]}..." if len(text) > SNIPPET_LENGTH else text or None


def _not_json(
    reply: Reply, path: str, token: str, fault: ValueError
) -> PrefactorResponseContractError:
    text: str = _without(token, reply.text)
    begin = snippet(text)
    message = f"Expected JSON response from {path}, received invalid JSON"
    return PrefactorResponseContractError(
        message if begin is None else f"{message}: {begin}",
        status_code=reply.status,
        body_snippet=begin,
        cause=fault if text == reply.text else ValueError("invalid JSON"),
    )


def _redirect(reply: Reply, path: str) -> PrefactorResponseContractError:
    return PrefactorResponseContractError(
        f"Expected JSON response from {path}, received HTTP {reply.status}, a redirect to "
        f"{reply.redirect or 'nowhere'} that is not followed",
        status_code=reply.status,
    )


def _told_to_wait(error: PrefactorHttpError, reply: Reply) -> PrefactorHttpError:
    error.retry_after = reply.retry_after
    return error


def _without(token: str, value: Any) -> Any:
    """The same JSON value with the token blotted out of its texts."""
    if len(token) < SHORTEST_SECRET:
        return value
    if isinstance(value, str):
        return value.replace(token, "[token]")
    if isinstance(value, list):
        return [_without(token, item) for item in value]
    if isinstance(value, dict):
        return {_without(token, key): _without(token, item) for key, item in value.items()}
    return value
