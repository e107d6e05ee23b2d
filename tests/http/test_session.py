"""Opening, closing, addressing, and the names that stand-ins for the session hold on to."""

import asyncio
from typing import Any

import aiohttp
import pytest

import prefactor_http
from prefactor_http import PrefactorHttpClient, _version
from prefactor_http import client as client_module
from tests.http.api import TOKEN, RecordingApi


async def test_the_first_request_opens_the_session(api: RecordingApi) -> None:
    client = PrefactorHttpClient(api.config())
    try:
        await client.request("GET", "/x")
    finally:
        await client.close()
    assert len(api.received) == 1


async def test_closing_twice_is_fine_and_a_later_request_opens_a_new_session(
    api: RecordingApi,
) -> None:
    async with PrefactorHttpClient(api.config()) as client:
        await client.close()
        await client.close()
        await client.request("GET", "/x")
    assert len(api.received) == 1


async def test_entering_gives_the_client_itself(api: RecordingApi) -> None:
    client = PrefactorHttpClient(api.config())
    async with client as entered:
        assert entered is client


@pytest.mark.parametrize(
    ("base", "path"), [("", "/x"), ("/", "/x"), ("//", "/x"), ("/b", "/b/x"), ("/b/", "/b/x")]
)
async def test_paths_are_appended_to_the_url_without_its_trailing_slashes(
    base: str, path: str, api: RecordingApi
) -> None:
    config = api.config()
    config.api_url += base
    async with PrefactorHttpClient(config) as client:
        await client.request("GET", "/x")
    assert api.last.path == path


@pytest.mark.parametrize(
    ("header", "sent"),
    [
        (None, "prefactor-http@0.4.3"),
        ("", "prefactor-http@0.4.3"),
        ("mine@1 prefactor-core@2", "mine@1 prefactor-core@2"),
    ],
)
async def test_the_sdk_header_is_replaced_whole(
    header: str | None, sent: str, api: RecordingApi
) -> None:
    async with PrefactorHttpClient(api.config(), header) as client:
        await client.request("GET", "/x")
    assert api.last.headers["X-Prefactor-SDK"] == sent


async def test_an_sdk_header_set_later_counts_from_the_next_request(
    api: RecordingApi, client: PrefactorHttpClient
) -> None:
    await client.request("GET", "/x")
    client._sdk_header = "adapter@1 prefactor-core@2"
    await client.request("GET", "/x")
    assert api.last.headers["X-Prefactor-SDK"] == "adapter@1 prefactor-core@2"


async def test_the_token_of_the_config_is_read_at_each_request(api: RecordingApi) -> None:
    config = api.config()
    async with PrefactorHttpClient(config) as client:
        config.api_token = "pf_renewed"
        await client.request("GET", "/x")
    assert api.last.headers["Authorization"] == "Bearer pf_renewed"


async def test_requests_may_run_side_by_side(
    api: RecordingApi, client: PrefactorHttpClient
) -> None:
    await asyncio.gather(*(client.request("GET", f"/{n}") for n in range(20)))
    assert {r.path for r in api.received} == {f"/{n}" for n in range(20)}


class StandIn:
    """A session as people fake it: it notes its keywords and answers text."""

    closed = False
    status = 200

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []

    def request(self, **keywords: Any) -> "StandIn":
        self.seen.append(keywords)
        return self

    async def __aenter__(self) -> "StandIn":
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def text(self) -> str:
        return '{"status": "success"}'

    async def close(self) -> None:
        self.closed = True


async def test_a_stand_in_for_the_session_sees_the_published_keywords() -> None:
    config = prefactor_http.HttpClientConfig("https://api.example.com/", TOKEN)
    client = PrefactorHttpClient(config)
    session = StandIn()
    client._session = session  # type: ignore[assignment]
    await client.request("POST", "/api/v1/x", json_data={"a": 1}, params={"b": 2})
    await client.close()
    keywords = session.seen[0]
    headers = keywords.pop("headers")
    assert keywords == {
        "method": "POST",
        "url": "https://api.example.com/api/v1/x",
        "params": {"b": 2},
        "json": {"a": 1},
        "allow_redirects": False,
    }
    assert headers["Authorization"] == f"Bearer {TOKEN}"
    assert session.closed


async def test_names_that_its_users_hold_on_to(
    api: RecordingApi, client: PrefactorHttpClient
) -> None:
    await client._ensure_session()
    assert isinstance(client._session, aiohttp.ClientSession)
    assert await client._make_request("GET", "/x", None, None, idempotency_key="k")
    assert api.last.headers["Idempotency-Key"] == "k"
    assert client.config.api_url == api.url
    assert client_module.DEFAULT_SDK_HEADER == "prefactor-http@0.4.3"
    assert (_version.PACKAGE_NAME, _version.PACKAGE_VERSION) == ("prefactor-http", "0.4.3")
    assert prefactor_http.__version__ == _version.__version__ == "0.4.3"


async def test_a_patched_attempt_is_used(
    client: PrefactorHttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[object, ...]] = []

    async def attempt(*args: object, **keywords: object) -> dict[str, Any]:
        seen.append((args, keywords))
        return {"patched": True}

    monkeypatch.setattr(client, "_make_request", attempt)
    assert await client.request("POST", "/x", json_data={}, idempotency_key="k") == {
        "patched": True
    }
    keywords: dict[str, Any] = {"params": None, "json_data": {}, "idempotency_key": "k"}
    assert seen == [(("POST", "/x"), keywords)]


async def test_the_published_names_are_the_public_ones() -> None:
    assert len(prefactor_http.__all__) == 30
    assert sorted(prefactor_http.__all__) == prefactor_http.__all__
    assert all(hasattr(prefactor_http, name) for name in prefactor_http.__all__)
