"""When a request is made again, after how long, and how it ends."""

import asyncio
import time
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import aiohttp
import pytest

from prefactor_http import (
    HttpClientConfig,
    PrefactorApiError,
    PrefactorHttpClient,
    PrefactorHttpError,
    PrefactorNotFoundError,
    PrefactorResponseContractError,
    PrefactorRetryExhaustedError,
)
from prefactor_http.exceptions import is_permanent_http_error, is_transient_http_error
from prefactor_http.replies import retry_after
from prefactor_http.retry import RetryHandler
from tests.http.api import Answer, RecordingApi, error

NOW = 1_800_000_000.0
IN_A_MINUTE = format_datetime(datetime.fromtimestamp(NOW + 60, UTC), usegmt=True)
A_MINUTE_AGO = format_datetime(datetime.fromtimestamp(NOW - 60, UTC), usegmt=True)


async def attempts_after(api: RecordingApi, answer: Answer, **config: Any) -> int:
    """How many requests are made when the API always answers so."""
    api.answers(answer)
    async with PrefactorHttpClient(api.config(**config)) as client:
        with pytest.raises((PrefactorHttpError, aiohttp.ClientError, TimeoutError)):
            await client.request("POST", "/x", json_data={})
    return len(api.received)


@pytest.mark.parametrize("status", [429, 500, 501, 502, 503, 504, 520, 599])
async def test_429_and_every_5xx_are_retried_by_default(status: int, api: RecordingApi) -> None:
    assert await attempts_after(api, error(status)) == 4


@pytest.mark.parametrize("status", [429, 500, 501, 503])
async def test_the_same_without_json(status: int, api: RecordingApi) -> None:
    assert await attempts_after(api, Answer(status, "<html>")) == 4


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 409, 413, 418, 422])
@pytest.mark.parametrize("body", ["{}", "<html>"])
async def test_any_other_error_is_raised_at_once(status: int, body: str, api: RecordingApi) -> None:
    assert await attempts_after(api, Answer(status, body)) == 1


async def test_a_success_that_is_no_json_is_not_retried(api: RecordingApi) -> None:
    assert await attempts_after(api, Answer(200, "")) == 1


@pytest.mark.parametrize(
    ("codes", "status", "attempts"),
    [
        ((418,), 418, 4),
        ((418,), 503, 1),
        ((), 429, 1),
        ((429, 500, 502, 503, 504), 501, 4),
        ((429, 500, 502, 503), 504, 1),
    ],
)
async def test_codes_that_the_caller_sets_are_taken_literally(
    codes: tuple[int, ...], status: int, attempts: int, api: RecordingApi
) -> None:
    assert await attempts_after(api, error(status), retry_on_status_codes=codes) == attempts


@pytest.mark.parametrize("fault", [Answer(dropped=True), Answer(truncated=True)])
async def test_a_connection_that_breaks_is_tried_again(
    fault: Answer, api: RecordingApi, client: PrefactorHttpClient
) -> None:
    api.answers(fault, fault, Answer(200, {"a": 1}))
    assert await client.request("POST", "/x", json_data={}) == {"a": 1}
    assert len(api.received) == 3


async def test_a_timeout_is_tried_again(api: RecordingApi) -> None:
    api.answers(Answer(hanging=True), Answer(200, {"a": 1}))
    async with PrefactorHttpClient(api.config(request_timeout=0.2)) as client:
        assert await client.request("GET", "/x") == {"a": 1}


async def test_exhaustion_tells_the_path_the_attempts_and_the_last_error(
    api: RecordingApi, client: PrefactorHttpClient
) -> None:
    api.answers(error(500), error(500), error(500), error(503, message="the last"))
    with pytest.raises(
        PrefactorRetryExhaustedError, match=r"^Request to /some/path failed after 4 attempts$"
    ) as caught:
        await client.request("GET", "/some/path")
    last = caught.value.last_error
    assert isinstance(last, PrefactorApiError)
    assert (last.status_code, str(last)) == (503, "the last")
    assert caught.value.__cause__ is last
    assert caught.value.status_code == 503
    assert caught.value.retryable


async def test_an_error_that_no_retry_helps_ends_the_attempts(
    api: RecordingApi, client: PrefactorHttpClient
) -> None:
    api.answers(error(503), error(404))
    with pytest.raises(PrefactorNotFoundError):
        await client.request("GET", "/x")
    assert len(api.received) == 2


async def test_without_retries_the_error_comes_unwrapped(api: RecordingApi) -> None:
    async with PrefactorHttpClient(api.config(max_retries=0, request_timeout=0.2)) as client:
        api.answers(error(503))
        with pytest.raises(PrefactorApiError):
            await client.request("GET", "/x")
        api.answers(Answer(429, "slow down"))
        with pytest.raises(PrefactorResponseContractError):
            await client.request("GET", "/x")
        api.answers(Answer(dropped=True))
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await client.request("POST", "/x")
        api.answers(Answer(hanging=True))
        with pytest.raises(TimeoutError):
            await client.request("POST", "/x")
    assert len(api.received) == 4


async def test_nobody_listening_is_a_lost_connection(api: RecordingApi) -> None:
    config = api.config(max_retries=1)
    config.api_url = "http://127.0.0.1:1"
    async with PrefactorHttpClient(config) as client:
        with pytest.raises(PrefactorRetryExhaustedError) as caught:
            await client.request("GET", "/x")
    assert isinstance(caught.value.last_error, aiohttp.ClientConnectorError)
    assert caught.value.retryable
    assert is_transient_http_error(caught.value)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("0", 0.0),
        ("7", 7.0),
        (" 7 ", 7.0),
        ("1.5", 1.5),
        (IN_A_MINUTE, 60.0),
        (A_MINUTE_AGO, 0.0),
        ("-1", None),
        ("inf", None),
        ("-inf", None),
        ("nan", None),
        ("1e999", None),
        ("", None),
        ("soon", None),
        ("Mon, 99 Foo 2026 99:99:99 GMT", None),
        ("Fri, 31 Dec 99999 23:59:59 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_junk_is_ignored(
    header: str | None, seconds: float | None
) -> None:
    assert retry_after(header, NOW) == seconds


@pytest.mark.parametrize("body", ["{}", "<html>", "[]"])
async def test_an_error_carries_the_wait_that_was_asked_for(body: str, api: RecordingApi) -> None:
    api.answers(Answer(503, body, {"Retry-After": "7"}))
    async with PrefactorHttpClient(api.config(max_retries=0)) as client:
        with pytest.raises(PrefactorHttpError) as caught:
            await client.request("GET", "/x")
    assert caught.value.retry_after == 7.0
    assert caught.value.status_code == 503


async def test_exhaustion_carries_the_last_wait_that_was_asked_for(
    api: RecordingApi, client: PrefactorHttpClient
) -> None:
    api.answers(Answer(503, {}, {"Retry-After": "7"}))
    with pytest.raises(PrefactorRetryExhaustedError) as caught:
        await client.request("GET", "/x")
    assert caught.value.retry_after == 7.0


async def seconds_until_success(api: RecordingApi, wish: str, **config: Any) -> float:
    """How long a request takes whose first answer is a 503 with this ``Retry-After``."""
    api.answers(Answer(503, {}, {"Retry-After": wish}), Answer())
    begun = time.monotonic()
    async with PrefactorHttpClient(api.config(**config)) as client:
        await client.request("GET", "/x")
    assert len(api.received) == 2
    return time.monotonic() - begun


async def test_the_wait_that_was_asked_for_is_kept(api: RecordingApi) -> None:
    taken = await seconds_until_success(api, "0.3", max_retry_delay=10.0)
    assert 0.3 <= taken < 5


async def test_the_wait_that_was_asked_for_goes_before_a_longer_backoff(api: RecordingApi) -> None:
    assert await seconds_until_success(api, "0", initial_retry_delay=9, max_retry_delay=10) < 5


async def test_a_wait_is_capped_by_the_longest_delay(api: RecordingApi) -> None:
    assert await seconds_until_success(api, "3600", max_retry_delay=0.05) < 5


async def test_a_wait_never_reaches_past_the_deadline_of_the_request(api: RecordingApi) -> None:
    taken = await seconds_until_success(api, "3600", max_retry_delay=60.0, request_timeout=0.3)
    assert taken < 5


async def test_when_the_deadline_has_passed_the_wait_is_the_ordinary_one(
    api: RecordingApi,
) -> None:
    api.answers(Answer(503, {}, {"Retry-After": "3600"}))
    begun = time.monotonic()
    config = api.config(max_retries=3, max_retry_delay=60.0, request_timeout=0.2)
    async with PrefactorHttpClient(config) as client:
        with pytest.raises(PrefactorRetryExhaustedError):
            await client.request("GET", "/x")
    assert len(api.received) == 4
    assert time.monotonic() - begun < 5


async def test_a_deadline_of_the_caller_ends_a_wait(api: RecordingApi) -> None:
    api.answers(Answer(503, {}, {"Retry-After": "20"}))
    async with PrefactorHttpClient(api.config(max_retry_delay=60.0)) as client:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await client.request("GET", "/x")


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


def api_error(status: int) -> PrefactorApiError:
    return PrefactorApiError("m", "c", status)


def contract_error(status: int | None) -> PrefactorResponseContractError:
    return PrefactorResponseContractError("m", status_code=status)


@pytest.mark.parametrize(
    ("error", "transient", "permanent"),
    [
        (api_error(400), False, True),
        (api_error(408), False, True),
        (api_error(413), False, True),
        (api_error(429), True, False),
        (api_error(500), True, False),
        (api_error(501), True, False),
        (api_error(302), False, False),
        (contract_error(200), False, True),
        (contract_error(404), False, True),
        (contract_error(429), True, False),
        (contract_error(503), True, False),
        (contract_error(None), False, True),
        (aiohttp.ClientPayloadError(), True, False),
        (TimeoutError(), True, False),
        (OSError(), False, False),
        (KeyError(), False, False),
        (PrefactorHttpError(), False, False),
        (PrefactorRetryExhaustedError("m"), False, False),
        (PrefactorRetryExhaustedError("m", api_error(503)), True, False),
        (PrefactorRetryExhaustedError("m", api_error(404)), False, True),
        (PrefactorRetryExhaustedError("m", TimeoutError()), True, False),
    ],
)
def test_errors_are_transient_or_permanent_or_neither(
    error: Exception, transient: bool, permanent: bool
) -> None:
    assert is_transient_http_error(error) is transient
    assert is_permanent_http_error(error) is permanent
    if isinstance(error, PrefactorHttpError):
        assert error.retryable is transient
