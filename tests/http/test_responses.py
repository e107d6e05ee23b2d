"""What each answer of the API becomes."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from prefactor_http import (
    BulkItem,
    BulkRequest,
    PrefactorApiError,
    PrefactorAuthError,
    PrefactorHttpClient,
    PrefactorHttpError,
    PrefactorNotFoundError,
    PrefactorResponseContractError,
    PrefactorValidationError,
)
from prefactor_http.models.agent import AgentForCreate, AgentForUpdate
from tests.http.api import Answer, RecordingApi, details, error
from tests.http.samples import AGENT, INSTANCE, PAGE, SPAN


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, PrefactorValidationError),
        (401, PrefactorAuthError),
        (403, PrefactorAuthError),
        (404, PrefactorNotFoundError),
        (409, PrefactorApiError),
        (413, PrefactorApiError),
        (418, PrefactorApiError),
        (422, PrefactorValidationError),
        (429, PrefactorApiError),
        (500, PrefactorApiError),
        (501, PrefactorApiError),
    ],
)
async def test_a_status_becomes_its_error(
    status: int, kind: type[PrefactorApiError], api: RecordingApi
) -> None:
    api.answers(error(status, "a_code", "what went wrong"))
    async with PrefactorHttpClient(api.config(max_retries=0)) as client:
        with pytest.raises(PrefactorHttpError) as caught:
            await client.request("GET", "/x")
    raised = caught.value
    assert type(raised) is kind
    assert isinstance(raised, PrefactorApiError)
    assert (raised.status_code, raised.code, str(raised)) == (status, "a_code", "what went wrong")
    assert raised.retryable is (status == 429 or status >= 500)
    assert raised.retry_after is None


async def test_an_error_without_code_and_message_is_named_by_its_status(
    api: RecordingApi, client: PrefactorHttpClient
) -> None:
    api.answers(Answer(409, {}))
    with pytest.raises(PrefactorApiError, match=r"^HTTP 409$") as caught:
        await client.request("GET", "/x")
    assert caught.value.code == "unknown"


@pytest.mark.parametrize(
    ("body", "errors"),
    [({"errors": {"name": ["is required"]}}, {"name": ["is required"]}), ({}, {})],
)
async def test_a_validation_error_names_the_fields(
    body: dict[str, Any], errors: dict[str, Any], api: RecordingApi, client: PrefactorHttpClient
) -> None:
    api.answers(Answer(422, body))
    with pytest.raises(PrefactorValidationError) as caught:
        await client.request("GET", "/x")
    assert caught.value.errors == errors


async def test_a_status_in_the_body_alone_is_no_error_of_a_request(
    api: RecordingApi, client: PrefactorHttpClient
) -> None:
    api.answers(Answer(200, {"status": "error", "code": "x"}))
    assert await client.request("GET", "/x") == {"status": "error", "code": "x"}


@pytest.mark.parametrize("status", [200, 201, 404, 413])
@pytest.mark.parametrize(
    ("body", "snippet"),
    [
        ("", None),
        (" \n ", None),
        ("<html>\n  <b>Bad</b>\n</html>", "<html> <b>Bad</b> </html>"),
        ("x" * 201, "x" * 200 + "..."),
        ("x" * 200, "x" * 200),
        (b"\xff\xfe", "\ufffd\ufffd"),
        ("[" * 100_000, "[" * 200 + "..."),
    ],
)
async def test_a_body_that_is_no_json_breaks_the_contract_at_any_status(
    status: int, body: object, snippet: str | None, api: RecordingApi, client: PrefactorHttpClient
) -> None:
    api.answers(Answer(status, body))
    with pytest.raises(PrefactorResponseContractError) as caught:
        await client.request("GET", "/some/path")
    expected = "Expected JSON response from /some/path, received invalid JSON"
    assert str(caught.value) == (expected if snippet is None else f"{expected}: {snippet}")
    assert caught.value.status_code == status
    assert caught.value.body_snippet == snippet
    assert isinstance(caught.value.cause, ValueError)
    assert not caught.value.retryable


@pytest.mark.parametrize("body", ["[1]", '"text"', "1", "null"])
async def test_json_that_is_no_object_breaks_the_contract(
    body: str, api: RecordingApi, client: PrefactorHttpClient
) -> None:
    api.answers(Answer(200, body))
    with pytest.raises(
        PrefactorResponseContractError, match=r"^Expected JSON object response from /x$"
    ) as caught:
        await client.request("GET", "/x")
    assert (caught.value.status_code, caught.value.body_snippet) == (200, body)


@pytest.mark.parametrize("content_type", ["text/html", "application/octet-stream", "nonsense"])
async def test_the_content_type_of_an_answer_does_not_matter(
    content_type: str, api: RecordingApi, client: PrefactorHttpClient
) -> None:
    api.answers(Answer(200, {"a": "é"}, {"Content-Type": content_type}))
    assert await client.request("GET", "/x") == {"a": "é"}


async def test_a_declared_charset_is_honoured(
    api: RecordingApi, client: PrefactorHttpClient
) -> None:
    body = '{"a": "é"}'.encode("latin-1")
    api.answers(Answer(200, body, {"Content-Type": "application/json; charset=latin-1"}))
    assert await client.request("GET", "/x") == {"a": "é"}


async def test_a_compressed_answer_is_read(api: RecordingApi, client: PrefactorHttpClient) -> None:
    api.answers(Answer(200, {"a": "b" * 100_000}, gzipped=True))
    assert await client.request("GET", "/x") == {"a": "b" * 100_000}


async def test_validate_token_returns_the_answer(
    api: RecordingApi, client: PrefactorHttpClient
) -> None:
    api.answers(details(token_type="api"))
    assert await client.validate_token() == {
        "status": "success",
        "details": {"token_type": "api"},
    }


BULK = BulkRequest(items=[BulkItem.model_validate({"_type": "a/b", "idempotency_key": "12345678"})])
OPERATIONS: dict[str, Any] = {
    "agents.create": lambda c: c.agents.create(AgentForCreate(name="x")),
    "agents.get": lambda c: c.agents.get("a1"),
    "agents.update": lambda c: c.agents.update("a1", AgentForUpdate()),
    "agents.list": lambda c: c.agents.list_agents(),
    "agents.show": lambda c: c.agents.show(agent_id="a1"),
    "agents.retire": lambda c: c.agents.retire("a1"),
    "agents.reinstate": lambda c: c.agents.reinstate("a1"),
    "agents.delete": lambda c: c.agents.delete("a1"),
    "agent_instances.register": lambda c: c.agent_instances.register({}, {}),
    "agent_instances.start": lambda c: c.agent_instances.start("i1"),
    "agent_instances.finish": lambda c: c.agent_instances.finish("i1"),
    "agent_instances.get": lambda c: c.agent_instances.get("i1"),
    "agent_instances.record_quality": lambda c: c.agent_instances.record_quality("i1", "q"),
    "agent_spans.create": lambda c: c.agent_spans.create("i1", "x", "active"),
    "agent_spans.finish": lambda c: c.agent_spans.finish("s1"),
    "alerts.raise": lambda c: c.alerts.raise_alert("i1", "loop", "info", {}),
    "alerts.clear": lambda c: c.alerts.clear_alert("i1", "loop"),
    "alerts.get": lambda c: c.alerts.get("l1"),
    "alerts.list": lambda c: c.alerts.list_alerts(),
    "alerts.count": lambda c: c.alerts.count(),
    "bulk.execute": lambda c: c.bulk.execute(BULK),
}


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_an_answer_that_does_not_fit_names_the_operation(
    operation: str, api: RecordingApi, client: PrefactorHttpClient
) -> None:
    api.answers(details(type="something else"))
    with pytest.raises(PrefactorResponseContractError) as caught:
        await OPERATIONS[operation](client)
    assert str(caught.value) == f"Invalid response payload for {operation}"
    assert isinstance(caught.value.cause, ValidationError)
    assert caught.value.status_code is None
    assert len(api.received) == 1


async def test_answers_become_models(api: RecordingApi, client: PrefactorHttpClient) -> None:
    api.answers(details(**AGENT, instance_counts={"total": 3}))
    agent = await client.agents.show(agent_id="a1", include_counts=True)
    assert agent.instance_counts is not None
    assert (agent.id, agent.instance_counts.total) == ("a1", 3)
    api.answers(Answer(200, PAGE))
    assert [summary.name for summary in await client.agents.list_agents()] == ["An agent"]
    api.answers(details(**INSTANCE))
    assert (await client.agent_instances.get("i1")).inserted_at.microsecond == 123456
    api.answers(details(**SPAN, payload={"a": None}))
    assert (await client.agent_spans.finish("s1")).payload == {"a": None}
    api.answers(Answer(200, {"outputs": {"12345678": {"status": "error", "code": "x"}}}))
    outputs = (await client.bulk.execute(BULK)).outputs
    assert outputs["12345678"].model_dump() == {"status": "error", "code": "x"}


@pytest.mark.parametrize("missing", ["pagination", "sorting"])
async def test_a_list_needs_its_keys_of_pagination_and_sorting(
    missing: str, api: RecordingApi, client: PrefactorHttpClient
) -> None:
    api.answers(Answer(200, {name: value for name, value in PAGE.items() if name != missing}))
    with pytest.raises(PrefactorResponseContractError):
        await client.agents.list_agents()


@pytest.mark.parametrize(
    ("control", "reasons"),
    [
        ({"terminate": True, "reason": "over budget"}, ["over budget"]),
        ({"terminate": True}, [None]),
        ({"terminate": True, "reason": None}, [None]),
        ({"terminate": False, "reason": "x"}, []),
        ({}, []),
        (None, []),
        ("terminate", []),
        ([{"terminate": True}], []),
    ],
)
async def test_the_control_signal_reaches_the_caller(
    control: object, reasons: list[str | None], api: RecordingApi, client: PrefactorHttpClient
) -> None:
    heard: list[str | None] = []
    api.answers(Answer(200, {"status": "success", "details": SPAN, "control": control}))
    await client.agent_spans.create("i1", "x", "active", control_signal_callback=heard.append)
    assert heard == reasons
    await client.agent_spans.finish("s1", control_signal_callback=heard.append)
    assert heard == reasons * 2


async def test_the_control_signal_is_heard_even_when_the_rest_cannot_be_read(
    api: RecordingApi, client: PrefactorHttpClient
) -> None:
    heard: list[str | None] = []
    api.answers(Answer(200, {"control": {"terminate": True, "reason": "stop"}}))
    with pytest.raises(PrefactorResponseContractError):
        await client.agent_spans.finish("s1", control_signal_callback=heard.append)
    assert heard == ["stop"]


@pytest.mark.parametrize("value", [10**30 + 1, -(2**64) - 1, 2**64 - 1, 2**63, "\ud800", "\x00"])
async def test_numbers_and_texts_come_and_go_unharmed(
    value: object, api: RecordingApi, client: PrefactorHttpClient
) -> None:
    api.answers(Answer(200, json.dumps({"echo": value})))
    answer = await client.request("POST", "/x", json_data={"value": value})
    assert answer == {"echo": value}
    assert api.last.json == {"value": value}
