"""Work that is left for the interpreter's exit."""

import asyncio
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import NoReturn

import pytest

from prefactor_http import PrefactorHttpClient
from tests.http.api import TOKEN, RecordingApi

SCRIPT = """
import asyncio, atexit, sys
from concurrent.futures import ThreadPoolExecutor
from prefactor_http import HttpClientConfig, PrefactorHttpClient

async def ping():
    async with PrefactorHttpClient(HttpClientConfig(*sys.argv[1:], max_retries=0)) as client:
        print((await client.validate_token())["status"])

def at_exit():
    try:
        ThreadPoolExecutor().submit(print, "a thread")
    except RuntimeError:
        print("no thread")
    asyncio.run(ping())

atexit.register(at_exit)
"""


async def at_exit(url: str, **environment: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", "-c", SCRIPT, url, TOKEN),
        env=os.environ | environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return output.decode()


async def test_a_host_name_is_found_while_the_interpreter_exits(api: RecordingApi) -> None:
    url = api.url.replace("127.0.0.1", "localhost")
    assert await at_exit(url) == "no thread\nsuccess\n"
    assert api.last.headers["Host"].startswith("localhost:")


async def test_a_proxy_is_used_while_the_interpreter_exits(api: RecordingApi) -> None:
    proxy = api.url.replace("127.0.0.1", "localhost")
    assert await at_exit("http://api.example.com", HTTP_PROXY=proxy) == "no thread\nsuccess\n"
    assert api.last.target == "http://api.example.com/api/v1/ping"


async def test_a_host_name_that_does_not_exist_is_a_lost_connection_even_then() -> None:
    output = await at_exit("http://no-such-host.invalid")
    assert "ClientConnectorDNSError" in output


class Forbidden(ThreadPoolExecutor):
    """An executor that nobody may use."""

    def submit(self, *args: object, **kwargs: object) -> NoReturn:
        raise AssertionError("the loop's executor was used")


@pytest.mark.parametrize("proxied", [False, True])
async def test_the_executor_of_the_loop_is_left_alone(
    proxied: bool, api: RecordingApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    asyncio.get_running_loop().set_default_executor(Forbidden())
    config = api.config()
    config.api_url = config.api_url.replace("127.0.0.1", "localhost")
    if proxied:
        monkeypatch.setenv("HTTP_PROXY", config.api_url)
    async with PrefactorHttpClient(config) as client:
        await client.validate_token()
    assert len(api.received) == 1
