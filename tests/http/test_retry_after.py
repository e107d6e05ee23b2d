"""The wait that the server asks for, and its bounds."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from prefactor_http import PrefactorHttpClient, PrefactorHttpError, PrefactorRetryExhaustedError
from prefactor_otel_transport.waits import retry_after
from tests.http.api import Answer, RecordingApi
from tests.patience import PATIENCE

NOW = 1_800_000_000.0
HOUR = 3600
IN_A_MINUTE = format_datetime(datetime.fromtimestamp(NOW + 60, UTC), usegmt=True)
A_MINUTE_AGO = format_datetime(datetime.fromtimestamp(NOW - 60, UTC), usegmt=True)


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


@pytest.mark.parametrize("year", [1975, 2090])
async def test_a_wait_until_a_date_goes_by_the_clock_of_the_server(
    year: int, api: RecordingApi
) -> None:
    there = datetime(year, 6, 1, tzinfo=UTC)
    until, now = (format_datetime(there + timedelta(seconds=s), usegmt=True) for s in (60, 0))
    api.answers(Answer(503, {}, {"Retry-After": until, "Date": now}))
    async with PrefactorHttpClient(api.config(max_retries=0)) as client:
        with pytest.raises(PrefactorHttpError) as caught:
            await client.request("GET", "/x")
    assert caught.value.retry_after == 60.0


async def test_exhaustion_carries_the_last_wait_that_was_asked_for(
    api: RecordingApi, client: PrefactorHttpClient
) -> None:
    api.answers(Answer(503, {}, {"Retry-After": "7"}))
    with pytest.raises(PrefactorRetryExhaustedError) as caught:
        await client.request("GET", "/x")
    assert caught.value.retry_after == 7.0


async def seconds_until_success(api: RecordingApi, wish: str, **config: Any) -> float:
    """How long a request takes whose first answer is a 503 with this ``Retry-After``; a failure
    where it would take an hour."""
    api.answers(Answer(503, {}, {"Retry-After": wish}), Answer())
    begun = time.monotonic()
    async with asyncio.timeout(PATIENCE), PrefactorHttpClient(api.config(**config)) as client:
        await client.request("GET", "/x")
    assert len(api.received) == 2
    return time.monotonic() - begun


async def test_the_wait_that_was_asked_for_is_kept(api: RecordingApi) -> None:
    assert await seconds_until_success(api, "0.3", max_retry_delay=HOUR) >= 0.3


async def test_the_wait_that_was_asked_for_goes_before_a_longer_backoff(api: RecordingApi) -> None:
    await seconds_until_success(api, "0", initial_retry_delay=HOUR, max_retry_delay=HOUR)


async def test_a_wait_is_capped_by_the_longest_delay(api: RecordingApi) -> None:
    await seconds_until_success(api, str(HOUR), max_retry_delay=0.05)


async def test_a_wait_never_reaches_past_the_deadline_of_the_request(api: RecordingApi) -> None:
    await seconds_until_success(api, str(HOUR), max_retry_delay=HOUR, request_timeout=0.3)


async def test_when_the_deadline_has_passed_the_wait_is_the_ordinary_one(
    api: RecordingApi,
) -> None:
    api.answers(Answer(503, {}, {"Retry-After": str(HOUR)}))
    begun = time.monotonic()
    config = api.config(
        max_retries=2,
        initial_retry_delay=0.2,
        retry_multiplier=1,
        max_retry_delay=HOUR,
        request_timeout=0.1,
    )
    async with asyncio.timeout(PATIENCE), PrefactorHttpClient(config) as client:
        with pytest.raises(PrefactorRetryExhaustedError):
            await client.request("GET", "/x")
    assert len(api.received) == 3
    assert time.monotonic() - begun >= 2 * 0.75 * 0.2


async def test_a_deadline_of_the_caller_ends_a_wait(api: RecordingApi) -> None:
    api.answers(Answer(503, {}, {"Retry-After": str(HOUR)}))
    async with PrefactorHttpClient(api.config(max_retry_delay=HOUR)) as client:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await client.request("GET", "/x")
