"""The token is shown to the API and to nobody else."""

import logging
import traceback

import aiohttp
import pytest

from prefactor_http import HttpClientConfig, PrefactorHttpClient, PrefactorHttpError
from tests.http.api import TOKEN, Answer, RecordingApi


def told(error: BaseException) -> str:
    """Everything that a handler, a traceback with its chain, or a debugger would show."""
    shown = [*traceback.format_exception(error), repr(vars(error)), repr(error.args)]
    inner = (error.__cause__, error.__context__, *vars(error).values())
    shown += [told(one) for one in inner if isinstance(one, BaseException) and one is not error]
    return "\n".join(shown)


def test_a_config_does_not_show_it() -> None:
    shown = repr(HttpClientConfig("https://api.example.com", TOKEN))
    assert TOKEN not in shown
    assert "https://api.example.com" in shown


ECHO = {"code": TOKEN, "message": f"no such token: {TOKEN}", "errors": {TOKEN: [f"{TOKEN}!"]}}


NO_OBJECTS = (f"<html>Authorization: Bearer {TOKEN}</html>", f'["{TOKEN}"]', "x" * 190 + TOKEN)
REPEATING = [
    Answer(status, body)
    for status in (200, 400, 401, 404, 418, 422, 500)
    for body in ((*NO_OBJECTS, ECHO) if status >= 400 else NO_OBJECTS)
]


@pytest.mark.parametrize("answer", REPEATING)
@pytest.mark.parametrize("max_retries", [0, 1])
async def test_an_answer_that_repeats_it_leaves_no_trace_in_errors_and_logs(
    answer: Answer, max_retries: int, api: RecordingApi, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    api.answers(answer)
    async with PrefactorHttpClient(api.config(max_retries=max_retries)) as client:
        with pytest.raises(PrefactorHttpError) as caught:
            await client.request("GET", "/x")
    assert api.last.headers["Authorization"].endswith(TOKEN)
    assert TOKEN[:10] not in told(caught.value)
    assert TOKEN[:10] not in caplog.text


@pytest.mark.parametrize(
    "fault",
    [
        Answer(dropped=True),
        Answer(truncated=True),
        Answer(hanging=True),
        Answer(200, "not gzip", {"Content-Encoding": "gzip"}),
    ],
)
async def test_errors_of_the_network_do_not_show_it(
    fault: Answer, api: RecordingApi, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    api.answers(fault)
    async with PrefactorHttpClient(api.config(max_retries=0, request_timeout=0.3)) as client:
        with pytest.raises((aiohttp.ClientError, TimeoutError)) as caught:
            await client.request("GET", "/x")
    assert TOKEN not in told(caught.value)
    assert TOKEN not in caplog.text


async def test_a_short_token_does_not_garble_messages(api: RecordingApi) -> None:
    config = api.config()
    config.api_token = "a"
    api.answers(Answer(404, {"message": "a message"}))
    async with PrefactorHttpClient(config) as client:
        with pytest.raises(PrefactorHttpError, match=r"^a message$"):
            await client.request("GET", "/x")


async def test_an_answer_without_error_is_left_as_it_is(
    api: RecordingApi, client: PrefactorHttpClient
) -> None:
    api.answers(Answer(200, ECHO))
    assert await client.request("GET", "/x") == ECHO
