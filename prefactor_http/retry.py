"""The one retry policy: tenacity's loop, exponential backoff with jitter, ``Retry-After``."""

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

from prefactor_http.config import DEFAULT_RETRY_STATUS_CODES, HttpClientConfig
from prefactor_http.exceptions import (
    PrefactorHttpError,
    PrefactorRetryExhaustedError,
    is_transient_status,
)
from prefactor_otel_transport.waits import jittered

if TYPE_CHECKING:
    from tenacity import RetryCallState

logger = logging.getLogger("prefactor_http")


class RetryHandler:
    """Runs an operation up to ``max_retries + 1`` times.

    Between two attempts it waits as long as the error's ``retry_after`` asks for, but no longer
    than ``max_retry_delay`` and not past ``request_timeout`` seconds after the first attempt
    began; without such a wish, or without time for it, by exponential backoff.
    """

    def __init__(self, config: HttpClientConfig) -> None:
        self.config = config

    async def execute(
        self,
        operation: Callable[..., Any],
        is_retryable: Callable[[Exception], bool],
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        """The operation's result, or its error when that is not retryable.

        Raises ``PrefactorRetryExhaustedError`` when every attempt failed, except that with
        ``max_retries=0`` the error itself is raised.
        """
        if self.config.max_retries == 0:
            return await operation(*args, **kwargs)
        from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt

        def decide(error: BaseException) -> bool:
            return isinstance(error, Exception) and is_retryable(error)

        retrying = AsyncRetrying(
            stop=stop_after_attempt(self.config.max_retries + 1),
            wait=self._wait,
            retry=retry_if_exception(decide),
            sleep=asyncio.sleep,
            before_sleep=_log,
            retry_error_callback=_give_up,
        )
        return await retrying(operation, *args, **kwargs)

    def _wait(self, state: "RetryCallState") -> float:
        backoff = self._calculate_delay(state.attempt_number - 1)
        wish = getattr(_error_of(state), "retry_after", None)
        if wish is None:
            return backoff
        left = self.config.request_timeout - (state.seconds_since_start or 0.0)
        return float(min(wish, self.config.max_retry_delay, max(left, backoff)))

    def _calculate_delay(self, attempt: int) -> float:
        """Seconds before the retry that follows attempt ``attempt`` (from 0)."""
        config = self.config
        try:
            delay = config.initial_retry_delay * config.retry_multiplier**attempt
        except OverflowError:
            return config.max_retry_delay
        return min(jittered(delay), config.max_retry_delay)


def retries_status(config: HttpClientConfig, status_code: int) -> bool:
    """Whether this configuration retries an answer with this status."""
    if tuple(config.retry_on_status_codes) == DEFAULT_RETRY_STATUS_CODES:
        return is_transient_status(status_code)
    return status_code in config.retry_on_status_codes


def _error_of(state: "RetryCallState") -> Exception | None:
    error = state.outcome.exception() if state.outcome is not None else None
    return error if isinstance(error, Exception) else None


def _log(state: "RetryCallState") -> None:
    error = _error_of(state)
    reason = error if isinstance(error, PrefactorHttpError) else type(error).__name__
    logger.debug(
        "Attempt %d failed (%s); the next in %.2f s",
        state.attempt_number,
        reason,
        state.upcoming_sleep,
    )


def _give_up(state: "RetryCallState") -> NoReturn:
    error = _error_of(state)
    assert error is not None  # results are never retried
    if state.attempt_number == 1:
        raise error
    raise PrefactorRetryExhaustedError(
        f"Operation failed after {state.attempt_number} attempts", error
    ) from error
