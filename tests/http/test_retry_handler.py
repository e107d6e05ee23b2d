"""The retry loop by itself: backoff, arguments, endings."""

import asyncio
from typing import Any

import pytest

from prefactor_http import HttpClientConfig, PrefactorRetryExhaustedError
from prefactor_http.retry import RetryHandler


def handler(**config: Any) -> RetryHandler:
    return RetryHandler(HttpClientConfig("http://localhost", "a token", **config))


@pytest.mark.parametrize(("attempt", "nominal"), [(0, 1.0), (1, 2.0), (2, 4.0), (5, 32.0)])
def test_backoff_is_exponential_with_a_quarter_of_jitter(attempt: int, nominal: float) -> None:
    delays = {handler()._calculate_delay(attempt) for _ in range(200)}
    assert nominal * 0.75 <= min(delays) < max(delays) <= nominal * 1.25


@pytest.mark.parametrize("attempt", [7, 100, 10_000])
def test_backoff_is_capped(attempt: int) -> None:
    assert handler()._calculate_delay(attempt) == 60.0


class Operation:
    """Fails with each error in turn, then returns its arguments."""

    def __init__(self, *errors: BaseException) -> None:
        self.errors = list(errors)
        self.calls = 0

    async def __call__(self, *args: object, **kwargs: object) -> object:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return args, kwargs


QUICK: dict[str, Any] = {"initial_retry_delay": 0.001, "max_retry_delay": 0.001}


async def test_the_handler_passes_arguments_and_the_result() -> None:
    operation = Operation(KeyError())
    result = await handler(**QUICK).execute(operation, lambda error: True, 1, two=2)
    assert result == ((1,), {"two": 2})
    assert operation.calls == 2


async def test_the_handler_gives_up_after_its_attempts() -> None:
    last = KeyError("last")
    operation = Operation(KeyError("first"), last)
    with pytest.raises(
        PrefactorRetryExhaustedError, match=r"^Operation failed after 2 attempts$"
    ) as caught:
        await handler(max_retries=1, **QUICK).execute(operation, lambda error: True)
    assert caught.value.last_error is last


async def test_the_handler_raises_what_is_not_retryable_as_it_is() -> None:
    operation = Operation(KeyError("mine"))
    with pytest.raises(KeyError, match="mine"):
        await handler(**QUICK).execute(operation, lambda error: False)
    assert operation.calls == 1


async def test_the_handler_does_not_retry_a_cancellation() -> None:
    operation = Operation(asyncio.CancelledError())
    with pytest.raises(asyncio.CancelledError):
        await handler(**QUICK).execute(operation, lambda error: True)
    assert operation.calls == 1
