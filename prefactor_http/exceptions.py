"""Every error of this client, and whether trying again may help.

    PrefactorHttpError
    ├── PrefactorApiError                 the API answered with an error (HTTP 400 and above)
    │   ├── PrefactorAuthError            401, 403
    │   ├── PrefactorNotFoundError        404
    │   └── PrefactorValidationError      400, 422; ``errors`` names the fields
    ├── PrefactorResponseContractError    the answer is not what the API promises
    ├── PrefactorRetryExhaustedError      every attempt failed; ``last_error`` says how
    └── PrefactorClientError              misuse of the client

Every one tells ``retryable`` (whether the same request may succeed later), ``status_code`` (the
HTTP status, or None) and ``retry_after`` (the seconds that the server asked for, or None).

Without retries (``max_retries=0``) errors of the network reach the caller as aiohttp raises
them, ``aiohttp.ClientError`` and ``TimeoutError``: callers of the published client catch those.
"""

from typing import Any

from aiohttp import ClientError  # the predicates below are about foreign errors, too


class PrefactorHttpError(Exception):
    """Base of every error of this client."""

    status_code: int | None = None
    retry_after: float | None = None

    @property
    def retryable(self) -> bool:
        """Whether the same request may succeed later."""
        return False


class PrefactorApiError(PrefactorHttpError):
    """The API answered with an error. ``str()`` is its message."""

    status_code: int

    def __init__(self, message: str, code: str, status_code: int) -> None:
        super().__init__(message)
        self.code = code
        self.status_code = status_code

    @property
    def retryable(self) -> bool:
        """True for 429 and for 500 and above."""
        return is_transient_status(self.status_code)


class PrefactorAuthError(PrefactorApiError):
    """401 or 403: the token is missing, wrong, expired, or of the wrong scope."""


class PrefactorNotFoundError(PrefactorApiError):
    """404: no such resource, or not one of this account."""


class PrefactorValidationError(PrefactorApiError):
    """400 or 422. ``errors`` maps fields to what is wrong with them."""

    def __init__(self, message: str, code: str, status_code: int, errors: dict[str, Any]) -> None:
        super().__init__(message, code, status_code)
        self.errors = errors


class PrefactorRetryExhaustedError(PrefactorHttpError):
    """Every attempt failed; ``last_error`` is the last one's error."""

    def __init__(self, message: str, last_error: Exception | None = None) -> None:
        super().__init__(message)
        self.last_error = last_error
        if isinstance(last_error, PrefactorHttpError):
            self.status_code = last_error.status_code
            self.retry_after = last_error.retry_after

    @property
    def retryable(self) -> bool:
        """What holds for the last error; a lost connection may come back."""
        return is_transient_http_error(self)


class PrefactorClientError(PrefactorHttpError):
    """The client was used in a way that cannot work."""


class PrefactorResponseContractError(PrefactorHttpError):
    """The answer is not JSON, not an object, or not what the operation returns.

    ``body_snippet`` holds up to 200 characters of it, ``cause`` the parser's error.
    """

    def __init__(
        self,
        message: str,
        *,
        status_code: int | None = None,
        body_snippet: str | None = None,
        cause: Exception | None = None,
    ) -> None:
        super().__init__(message)
        self.status_code = status_code
        self.body_snippet = body_snippet
        self.cause = cause

    @property
    def retryable(self) -> bool:
        """True for 429 and for 500 and above."""
        return self.status_code is not None and is_transient_status(self.status_code)


def is_transient_status(status_code: int) -> bool:
    """Whether an HTTP status speaks of the server's state rather than of the request."""
    return status_code == 429 or status_code >= 500


def is_transient_http_error(error: Exception) -> bool:
    """Whether a retry may help; looks through ``PrefactorRetryExhaustedError``. Errors of the
    network are transient; errors that this client does not know are not."""
    if isinstance(error, PrefactorRetryExhaustedError):
        return error.last_error is not None and is_transient_http_error(error.last_error)
    if isinstance(error, (PrefactorApiError, PrefactorResponseContractError)):
        return error.retryable
    return _is_network_error(error)


def is_permanent_http_error(error: Exception) -> bool:
    """Whether a retry cannot help: a 4xx other than 429, or an answer that breaks the contract.
    Looks through ``PrefactorRetryExhaustedError``; unknown errors are neither."""
    if isinstance(error, PrefactorRetryExhaustedError):
        return error.last_error is not None and is_permanent_http_error(error.last_error)
    if isinstance(error, PrefactorApiError):
        return 400 <= error.status_code < 500 and not error.retryable
    return isinstance(error, PrefactorResponseContractError) and not error.retryable


def _is_network_error(error: Exception) -> bool:
    return isinstance(error, (ClientError, TimeoutError))
