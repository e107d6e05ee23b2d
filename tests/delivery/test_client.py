"""Requests as the exporter makes them: what is sent, and what an answer is taken for."""

import json
from collections.abc import AsyncIterator

import aiohttp
import pytest

from prefactor_otel.delivery.client import ApiClient, ApiError
from prefactor_otel_transport.session import LARGEST_ANSWER
from tests.http.api import TOKEN, Answer, RecordingApi, error, serving


@pytest.fixture
async def server() -> AsyncIterator[RecordingApi]:
    async with serving(RecordingApi()) as running:
        yield running


@pytest.fixture
async def client(server: RecordingApi) -> AsyncIterator[ApiClient]:
    async with ApiClient(server.url, request_timeout=5.0, token=TOKEN) as opened:
        yield opened


async def test_a_body_is_sent_byte_for_byte_under_the_token(
    server: RecordingApi, client: ApiClient
) -> None:
    body = '{"items" : [{"b":"é"}]}'.encode()
    assert await client.post("/bulk", body) == {"status": "success"}
    assert (server.last.method, server.last.path) == ("POST", "/api/v1/bulk")
    assert server.last.body == body
    assert server.last.headers["Authorization"] == f"Bearer {TOKEN}"
    assert server.last.headers["Content-Type"] == "application/json"
    assert server.last.headers["X-Prefactor-SDK"].startswith("prefactor-otel@")


async def test_a_body_of_many_megabytes_arrives_whole(
    server: RecordingApi, client: ApiClient
) -> None:
    content = [{"n": n, "text": "x" * 100_000} for n in range(30)]
    await client.post("/bulk", json.dumps(content).encode())
    assert server.last.json == content


async def test_a_body_whose_connection_was_cut_can_be_sent_again(
    server: RecordingApi, client: ApiClient
) -> None:
    body = json.dumps(["x" * 100_000] * 8).encode()
    server.answers(Answer(dropped=True), Answer())
    with pytest.raises(aiohttp.ClientError):
        await client.post("/bulk", body)
    await client.post("/bulk", body)
    assert [received.body == body for received in server.received] == [True, True]


async def test_a_new_token_counts_from_the_next_request(
    server: RecordingApi, client: ApiClient
) -> None:
    client.token = "another"
    await client.get("/ping", {"a": 1})
    assert (server.last.target, server.last.body) == ("/api/v1/ping?a=1", b"")
    assert server.last.headers["Authorization"] == "Bearer another"


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": 1, "n": 123456789012345678901234567890}',
        b'{"a": 1, "n": NaN}',
        b'{"a": 1, "n": "\\ud800"}',
        b'{"a": 1, "n": "\xff"}',
    ],
)
@pytest.mark.parametrize("kind", ["application/json", "text/html; charset=latin-1", "x; charset=y"])
async def test_an_object_is_read_however_it_is_written(
    body: bytes, kind: str, server: RecordingApi, client: ApiClient
) -> None:
    server.answers(Answer(200, body, {"Content-Type": kind}))
    assert (await client.get("/x"))["a"] == 1


@pytest.mark.parametrize("status", [200, 204, 400, 404, 413, 500])
@pytest.mark.parametrize("body", ["<html>", "", "[]", "[" * 100_000])
async def test_an_answer_without_an_object_is_an_error_of_no_code(
    status: int, body: str, server: RecordingApi, client: ApiClient
) -> None:
    server.answers(Answer(status, body))
    with pytest.raises(ApiError) as caught:
        await client.get("/x")
    assert (caught.value.status, caught.value.answer, caught.value.code) == (status, None, None)
    assert str(caught.value) == f"HTTP {status}"


async def test_an_error_carries_what_the_api_says_and_does_not_show_it(
    server: RecordingApi, client: ApiClient
) -> None:
    refusal = {"code": "bad", "message": f"no {TOKEN}", "errors": {"details.status": ["is wrong"]}}
    server.answers(Answer(422, refusal, {"Retry-After": "7"}), error(503))
    with pytest.raises(ApiError) as caught:
        await client.post("/bulk", b"{}")
    assert (caught.value.code, caught.value.errors) == ("bad", refusal["errors"])
    assert caught.value.retry_after == 7.0
    assert TOKEN not in f"{caught.value} {caught.value!r}"
    assert len(server.received) == 1  # whoever asks decides about another try


@pytest.mark.parametrize("gzipped", [False, True])
async def test_an_answer_larger_than_any_of_the_api_is_not_read_to_its_end(
    gzipped: bool, server: RecordingApi, client: ApiClient
) -> None:
    server.answers(Answer(200, b" " * LARGEST_ANSWER + b"{}", gzipped=gzipped))
    with pytest.raises(aiohttp.ClientError):
        await client.get("/x")


async def test_no_answer_is_an_error_of_the_network(
    server: RecordingApi, client: ApiClient
) -> None:
    server.answers(Answer(dropped=True))
    with pytest.raises(aiohttp.ClientError) as caught:
        await client.post("/bulk", b"{}")
    assert TOKEN not in repr(caught.value)
