"""The published client's models read every answer."""

from collections.abc import AsyncIterator

import pytest

from prefactor_http import (
    AgentInstance,
    AgentSpan,
    BulkItem,
    BulkRequest,
    HttpClientConfig,
    PrefactorApiError,
    PrefactorAuthError,
    PrefactorHttpClient,
    PrefactorNotFoundError,
    PrefactorResponseContractError,
    PrefactorValidationError,
)
from prefactor_http.models import AgentForCreate, AgentForUpdate
from prefactor_otel.devserver import DevServer
from tests.devserver.calls import LLM

SCHEMA = {"span_type_schemas": [LLM], "quality_schemas": [{"name": "tone", "schema": {}}]}


@pytest.fixture
async def client(server: DevServer) -> AsyncIterator[PrefactorHttpClient]:
    config = HttpClientConfig(server.url, server.token, max_retries=0)
    async with PrefactorHttpClient(config) as opened:
        yield opened


async def test_a_run_from_registration_to_end(
    client: PrefactorHttpClient, server: DevServer
) -> None:
    runs, spans = client.agent_instances, client.agent_spans
    await client.validate_token()
    run = await runs.register({}, SCHEMA, idempotency_key="k", purpose="smoke_test")
    assert isinstance(run, AgentInstance)
    await runs.start(run.id, idempotency_key="k")
    span = await spans.create(run.id, "test:llm", "active", {"name": "x"}, idempotency_key="k")
    assert isinstance(span, AgentSpan)
    ended = await spans.finish(span.id, "failed", {"text": "x"}, idempotency_key="k")
    assert (ended.status, ended.result_payload) == ("failed", {"text": "x"})
    scored = await runs.record_quality(run.id, "tone", {"a": 1})
    assert scored.quality_payloads == {"tone": {"a": 1}}
    await runs.finish(run.id)
    read = await runs.get(run.id)
    assert (read.status, read.purpose) == ("complete", "smoke_test")
    assert read.span_counts is not None
    assert read.span_counts.failed == 1


async def test_agents_from_making_to_deletion(client: PrefactorHttpClient) -> None:
    agents = client.agents
    made = await agents.create(AgentForCreate(name="A", external_identifier="a"))
    assert (await agents.update(made.id, AgentForUpdate(name="B"))).name == "B"
    assert (await agents.get(made.id)).name == "B"
    shown = await agents.show(external_identifier="a", include_counts=True)
    assert shown.instance_counts is not None
    listed = await agents.list_agents(sorting="-name", offset=0, page_size=1)
    assert len(listed) == 1
    assert (await agents.retire(made.id)).status == "retired"
    assert (await agents.reinstate(made.id, "k")).status == "pending"
    assert (await agents.delete(made.id)).id == made.id


async def test_alerts_from_raising_to_clearing(client: PrefactorHttpClient) -> None:
    alerts = client.alerts
    run = await client.agent_instances.register({}, SCHEMA)
    raised = await alerts.raise_alert(run.id, "loop", "warning", {"n": 1}, idempotency_key="k")
    assert (raised.status, raised.payload, raised.version) == ("raised", {"n": 1}, 1)
    assert await alerts.count("raised", "warning") == 1
    cleared = await alerts.clear_alert(run.id, "loop", payload={"n": 2}, idempotency_key="k")
    assert (cleared.status, cleared.payload) == ("cleared", {"n": 2})
    assert await alerts.get(raised.id) == cleared
    listed = await alerts.list_alerts(run.id, sorting="-id", page_size=1)
    assert [each.id for each in listed] == [raised.id]


async def test_bulk(client: PrefactorHttpClient, server: DevServer) -> None:
    run = await client.agent_instances.register({}, SCHEMA)
    answer = await client.bulk.execute(
        BulkRequest(
            items=[
                BulkItem.model_validate(
                    {
                        "_type": "agent_spans/create",
                        "idempotency_key": "flat-item",
                        "agent_instance_id": run.id,
                        "schema_name": "test:llm",
                        "status": "active",
                    }
                ),
                BulkItem.model_validate({"_type": "agents/list", "idempotency_key": "agents-all"}),
            ]
        )
    )
    assert [output.status for output in answer.outputs.values()] == ["success", "success"]


async def test_the_word_to_stop_reaches_the_callback(
    client: PrefactorHttpClient, server: DevServer
) -> None:
    reasons: list[str | None] = []
    run = await client.agent_instances.register({}, SCHEMA)
    await client.agent_instances.start(run.id)
    server.terminate(run.id, "enough")
    span = await client.agent_spans.create(
        run.id, "test:llm", "active", control_signal_callback=reasons.append
    )
    await client.agent_spans.finish(span.id, control_signal_callback=reasons.append)
    assert reasons == ["enough", "enough"]


async def test_refusals_become_the_errors_that_they_are(
    client: PrefactorHttpClient, server: DevServer
) -> None:
    run = await client.agent_instances.register({}, SCHEMA)
    with pytest.raises(PrefactorValidationError) as invalid:
        await client.agent_spans.create(run.id, "test:other", "active")
    assert list(invalid.value.errors) == ["schema_name"]
    with pytest.raises(PrefactorNotFoundError):
        await client.agent_instances.get("nonsense")
    with pytest.raises(PrefactorApiError) as conflict:
        await client.agent_instances.finish(run.id)
    assert (conflict.value.status_code, conflict.value.code) == (409, "invalid_action")
    server.faults.add(body="<html>", status=200)
    with pytest.raises(PrefactorResponseContractError):
        await client.validate_token()
    async with PrefactorHttpClient(HttpClientConfig(server.url, "wrong")) as stranger:
        with pytest.raises(PrefactorAuthError):
            await stranger.validate_token()
