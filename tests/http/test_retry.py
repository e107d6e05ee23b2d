"""When a request is made again, after how long, and how it ends."""

from typing import Any

import aiohttp
import pytest

from prefactor_http import (
    PrefactorApiError,
    PrefactorHttpClient,
    PrefactorHttpError,
    PrefactorNotFoundError,
    PrefactorResponseContractError,
    PrefactorRetryExhaustedError,
)
from prefactor_http.exceptions import is_permanent_http_error, is_transient_http_error
from tests.http.api import Answer, RecordingApi, error


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
    async with PrefactorHttpClient(api.config(request_timeout=0.5)) as client:
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
    async with PrefactorHttpClient(api.config(max_retries=0)) as client:
        api.answers(error(503))
        with pytest.raises(PrefactorApiError):
            await client.request("GET", "/x")
        api.answers(Answer(429, "slow down"))
        with pytest.raises(PrefactorResponseContractError):
            await client.request("GET", "/x")
        api.answers(Answer(dropped=True))
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await client.request("POST", "/x")
    async with PrefactorHttpClient(api.config(max_retries=0, request_timeout=0.5)) as client:
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
