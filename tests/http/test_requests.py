"""What each call puts on the wire."""

import math
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from pydantic import ValidationError

from prefactor_http import PrefactorHttpClient
from prefactor_http.models.agent import AgentForCreate, AgentForUpdate
from tests.http.api import TOKEN, Answer, RecordingApi
from tests.http.calls import CASES, NO_BODY, A, Case, I, K, S


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
async def test_a_call_sends_exactly_this(
    case: Case, api: RecordingApi, client: PrefactorHttpClient
) -> None:
    api.answers(case.answer)
    await case.call(client)
    (request,) = api.received
    assert (request.method, request.path) == (case.method, f"/api/v1{case.path}")
    assert request.query == (case.query or {})
    if case.body is NO_BODY:
        assert request.body == b""
    else:
        assert request.json == case.body


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
async def test_every_request_has_the_same_headers(
    case: Case, api: RecordingApi, client: PrefactorHttpClient
) -> None:
    api.answers(case.answer)
    await case.call(client)
    headers = api.last.headers
    assert headers["Authorization"] == f"Bearer {TOKEN}"
    assert headers["Content-Type"] == headers["Accept"] == "application/json"
    assert headers["X-Prefactor-SDK"] == "prefactor-http@0.4.3"
    assert "gzip" in headers["Accept-Encoding"]
    assert "Idempotency-Key" not in headers


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 3, 1, 12), "2026-03-01T12:00:00"),
        (datetime(2026, 3, 1, 12, tzinfo=UTC), "2026-03-01T12:00:00+00:00"),
        (
            datetime(2026, 3, 1, 12, 0, 0, 5, tzinfo=timezone(timedelta(hours=2))),
            "2026-03-01T12:00:00.000005+02:00",
        ),
    ],
)
async def test_timestamps_are_sent_in_isoformat_as_they_are(
    moment: datetime, text: str, api: RecordingApi, client: PrefactorHttpClient
) -> None:
    api.answers(I)
    await client.agent_instances.start("i1", moment)
    assert api.last.json["timestamp"] == text


async def test_payload_keys_that_are_no_strings_become_strings(
    api: RecordingApi, client: PrefactorHttpClient
) -> None:
    api.answers(S)
    await client.agent_spans.create("i1", "x", "active", payload={1: "one"})  # type: ignore[dict-item]
    assert api.last.json["details"]["payload"] == {"1": "one"}


async def test_what_json_does_not_have_is_sent_as_what_it_has(
    api: RecordingApi, client: PrefactorHttpClient
) -> None:
    api.answers(S)
    payload = {"nan": math.nan, "moment": datetime(2026, 3, 1, tzinfo=UTC), "text": "\ud800"}
    await client.agent_spans.create("i1", "x", "active", payload=payload)
    sent = {"nan": None, "moment": "2026-03-01T00:00:00+00:00", "text": "\ud800"}
    assert api.last.json["details"]["payload"] == sent


async def test_ids_cannot_change_the_path(api: RecordingApi, client: PrefactorHttpClient) -> None:
    api.answers(A)
    await client.agents.get("a/../b?c#d")
    assert api.last.target == "/api/v1/agent/a%2F..%2Fb%3Fc%23d"


async def test_text_beyond_ascii_arrives_whole(
    api: RecordingApi, client: PrefactorHttpClient
) -> None:
    api.answers(A)
    await client.agents.create(AgentForCreate(name="Añadir 東京 🚀"))
    assert api.last.json["details"]["name"] == "Añadir 東京 🚀"


TOO_LONG = "k" * 65
KEYED: dict[str, Callable[[PrefactorHttpClient, str], Awaitable[Any]]] = {
    "agents.create": lambda c, k: c.agents.create(AgentForCreate(name="x"), k),
    "agents.update": lambda c, k: c.agents.update("a", AgentForUpdate(), k),
    "agents.retire": lambda c, k: c.agents.retire("a", k),
    "agents.reinstate": lambda c, k: c.agents.reinstate("a", k),
    "agents.delete": lambda c, k: c.agents.delete("a", k),
    "register": lambda c, k: c.agent_instances.register({}, {}, idempotency_key=k),
    "start": lambda c, k: c.agent_instances.start("i", idempotency_key=k),
    "finish": lambda c, k: c.agent_instances.finish("i", idempotency_key=k),
    "record_quality": lambda c, k: c.agent_instances.record_quality("i", "q", {}, k),
    "spans.create": lambda c, k: c.agent_spans.create("i", "x", "active", idempotency_key=k),
    "spans.finish": lambda c, k: c.agent_spans.finish("s", idempotency_key=k),
    "request": lambda c, k: c.request("GET", "/x", idempotency_key=k),
}


@pytest.mark.parametrize("call", KEYED.values(), ids=KEYED.keys())
async def test_a_key_over_64_characters_is_refused_before_anything_is_sent(
    call: Callable[[PrefactorHttpClient, str], Awaitable[Any]],
    api: RecordingApi,
    client: PrefactorHttpClient,
) -> None:
    with pytest.raises(
        ValueError, match=r"^Idempotency key must be at most 64 characters, got 65$"
    ):
        await call(client, TOO_LONG)
    assert api.received == []


@pytest.mark.parametrize("key", ["", "k" * 64])
async def test_the_shortest_and_the_longest_key_pass(
    key: str, api: RecordingApi, client: PrefactorHttpClient
) -> None:
    api.answers(I)
    await client.agent_instances.start("i1", idempotency_key=key)
    assert api.last.json["idempotency_key"] == key


async def test_a_span_status_that_does_not_exist_is_refused_before_anything_is_sent(
    api: RecordingApi, client: PrefactorHttpClient
) -> None:
    with pytest.raises(ValidationError):
        await client.agent_spans.create("i1", "x", "done")  # type: ignore[arg-type]
    with pytest.raises(ValidationError):
        await client.agent_spans.finish("s1", "terminated")  # type: ignore[arg-type]
    assert api.received == []


async def test_request_sends_its_key_as_a_header_and_the_same_on_each_attempt(
    api: RecordingApi, client: PrefactorHttpClient
) -> None:
    api.answers(Answer(503), Answer(503), Answer())
    await client.request("POST", "/x", json_data={"a": 1}, params={"b": 2}, idempotency_key=K)
    assert [r.headers["Idempotency-Key"] for r in api.received] == [K, K, K]
    assert [r.json for r in api.received] == [{"a": 1}] * 3
    assert api.last.query == {"b": "2"}


async def test_a_default_key_is_never_sent(api: RecordingApi) -> None:
    async with PrefactorHttpClient(api.config(default_idempotency_key=K)) as client:
        await client.request("POST", "/x", json_data={})
    assert "Idempotency-Key" not in api.last.headers
    assert api.last.json == {}
