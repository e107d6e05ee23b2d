"""The one retry policy: tenacity's loop, exponential backoff with jitter, ``Retry-After``."""

import random
from collections.abc import Callable
from typing import Any

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception
from tenacity import stop_after_attempt as stop_after

from prefactor_http.config import DEFAULT_RETRY_STATUS_CODES, HttpClientConfig
from prefactor_http.exceptions import is_transient_status


class RetryHandler:
    """Runs an operation up to ``max_retries + 1`` times."""

    def __init__(self, config: HttpClientConfig) -> None:
        self._config = config

    async def execute(
        self,
        operation: Callable[..., Any],
        is_retryable: Callable[[Exception], bool],
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        """The operation's result. Raises its error as it is when that is not retryable, and
        tenacity's ``RetryError`` never: the last error is raised in its place."""
        return await self._retrying(is_retryable)(operation, *args, **kwargs)

    def _retrying(self, is_retryable: Callable[[Exception], bool]) -> AsyncRetrying:
        def decide(error: BaseException) -> bool:
            return isinstance(error, Exception) and is_retryable(error)

        return AsyncRetrying(
            stop=stop_after(self._config.max_retries + 1),
            wait=self._wait,
            retry=retry_if_exception(decide),
            reraise=True,
        )

    def _wait(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome is not None else None
        asked: float | None = getattr(error, "retry_after", None)
        if asked is not None:
            # Longer than one request may take is no wait but a refusal: try again by then.
            return min(asked, self._config.max_retry_delay, self._config.request_timeout)
        return self._calculate_delay(state.attempt_number - 1)

    def _calculate_delay(self, attempt: int) -> float:
        """Seconds before the retry that follows attempt ``attempt`` (from 0)."""
        config = self._config
        try:
            delay = config.initial_retry_delay * config.retry_multiplier**attempt
        except OverflowError:
            delay = config.max_retry_delay
        return min(delay * random.uniform(0.75, 1.25), config.max_retry_delay)


def retries_status(config: HttpClientConfig, status_code: int) -> bool:
    """Whether this configuration retries an answer with this status."""
    if tuple(config.retry_on_status_codes) == DEFAULT_RETRY_STATUS_CODES:
        return is_transient_status(status_code)
    return status_code in config.retry_on_status_codes
