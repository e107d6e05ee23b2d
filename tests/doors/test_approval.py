"""A person decides whether the agent goes on: seen while it waits, told as it ended."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Tracer

import prefactor_otel
from prefactor_otel import PrefactorError, PrefactorExporter, PrefactorSpanProcessor, TracerProvider
from prefactor_otel.devserver import DevServer
from tests.patience import PATIENCE
from tests.readings import under_either_reading

DOORS = ["live", "plain"]


@pytest.fixture(params=DOORS)
def provider(request: pytest.FixtureRequest, api: DevServer) -> Iterator[TracerProvider]:
    if request.param == "live":
        made = TracerProvider(span_processors=[PrefactorSpanProcessor(api.url, api.token)])
    else:
        exporter = PrefactorExporter(api.url, api.token)
        made = TracerProvider(span_processors=[BatchSpanProcessor(exporter)])
    yield made
    made.shutdown()


@pytest.fixture
def tracer(provider: TracerProvider) -> Tracer:
    return provider.get_tracer("agent")


def told(api: DevServer, provider: TracerProvider) -> dict[str, dict[str, Any]]:
    """The spans by name, once all has been sent."""
    provider.shutdown()
    return {row["payload"]["name"]: row for row in api.spans()}


def test_a_decision_is_told_with_who_took_it(
    api: DevServer, provider: TracerProvider, tracer: Tracer
) -> None:
    with tracer.start_as_current_span("agent"):
        asked = prefactor_otel.approval("refund", inputs={"amount": 80}, tracer=tracer)
        with asked as waiting:
            waiting.decided(by="ann", answer=True)
    rows = told(api, provider)
    refund = rows["refund"]
    assert (refund["schema_name"], refund["status"]) == ("otel:approval", "complete")
    assert refund["parent_span_id"] == rows["agent"]["id"]
    assert refund["payload"]["inputs"] == {"amount": 80}
    assert refund["result_payload"] == {"output": "approved", "by": "ann"}
    assert refund["payload"]["error"] is None
    assert refund["schema_mismatches"] == []
    assert refund["summary"].startswith("refund(amount=80)")
    assert not {"prefactor.inputs", "prefactor.answer", "prefactor.decided_by"} & set(
        refund["payload"]["metadata"]
    )


def test_it_is_there_while_somebody_has_to_decide(api: DevServer) -> None:
    live = TracerProvider(span_processors=[PrefactorSpanProcessor(api.url, api.token)])
    tracer = live.get_tracer("agent")
    asked = prefactor_otel.approval("refund", inputs={"amount": 80}, tracer=tracer)
    with tracer.start_as_current_span("step"), asked as waiting:
        assert api.wait_until(lambda api: len(api.spans()) == 2)
        rows = {row["payload"]["name"]: row for row in api.spans()}
        assert rows["refund"]["status"] == "active"
        assert rows["refund"]["payload"]["inputs"] == {"amount": 80}
        assert rows["refund"]["parent_span_id"] == rows["step"]["id"]
        waiting.decided(by="ann", answer="only half of it")
    row = told(api, live)["refund"]
    assert (row["status"], row["result_payload"]) == (
        "complete",
        {"output": "only half of it", "by": "ann"},
    )


def test_a_filter_that_leaves_approvals_out_is_heeded(api: DevServer) -> None:
    processor = PrefactorSpanProcessor(
        api.url, api.token, span_filter=lambda span: span.name != "refund"
    )
    live = TracerProvider(span_processors=[processor])
    tracer = live.get_tracer("agent")
    asked = prefactor_otel.approval("refund", tracer=tracer)
    with tracer.start_as_current_span("agent"), asked as waiting:
        waiting.decided(by="ann", answer=True)
    assert told(api, live).keys() == {"agent"}


def test_a_rejection_is_a_good_end(api: DevServer, provider: TracerProvider) -> None:
    tracer = provider.get_tracer("agent")
    with prefactor_otel.approval("refund", tracer=tracer) as waiting:
        waiting.decided(by="ann", answer=True)
        waiting.decided(by="bob", answer=False)
    row = told(api, provider)["refund"]
    assert (row["status"], row["result_payload"]) == (
        "complete",
        {"output": "rejected", "by": "bob"},
    )


def test_a_rating_stands_where_dashboards_look_for_one(
    api: DevServer, provider: TracerProvider, tracer: Tracer
) -> None:
    with prefactor_otel.approval("refund", tracer=tracer) as waiting:
        waiting.decided(by="ann", answer=True, rating="up")
    rows = told(api, provider)
    rated = rows["feedback"]
    assert rated["payload"]["inputs"] == {"feedback": {"rating": "up"}}
    assert rated["parent_span_id"] == rows["refund"]["id"]
    assert "approval" not in rated["schema_name"]


def test_a_rating_that_nobody_would_count_is_refused(tracer: Tracer) -> None:
    with prefactor_otel.approval("refund", tracer=tracer) as waiting:
        with pytest.raises(ValueError, match="rating has to be 'up' or 'down'"):
            waiting.decided(by="ann", answer=True, rating="great")  # type: ignore[arg-type]
        waiting.decided(by="ann", answer=True, rating=False)


def test_without_a_decision_it_has_failed(
    api: DevServer, provider: TracerProvider, tracer: Tracer
) -> None:
    with prefactor_otel.approval("refund", tracer=tracer):
        pass
    row = told(api, provider)["refund"]
    assert row["status"] == "failed"
    assert row["result_payload"]["error_type"] == "undecided"


def test_what_is_raised_inside_goes_on_and_is_told(
    api: DevServer, provider: TracerProvider, tracer: Tracer
) -> None:
    asked = prefactor_otel.approval("refund", tracer=tracer)
    with pytest.raises(TimeoutError, match="nobody there"), asked:
        raise TimeoutError("nobody there")
    row = told(api, provider)["refund"]
    assert row["status"] == "failed"
    assert row["result_payload"]["error_type"] == "TimeoutError"
    assert row["result_payload"]["message"] == "nobody there"


@under_either_reading
async def test_a_cancelled_wait_is_cancelled(
    api: DevServer, provider: TracerProvider, tracer: Tracer, cancelled: str
) -> None:
    entered = asyncio.Event()

    async def wait() -> None:
        async with prefactor_otel.approval("refund", tracer=tracer):
            entered.set()
            await asyncio.Event().wait()

    waiting = asyncio.ensure_future(wait())
    await asyncio.wait_for(entered.wait(), PATIENCE)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    rows = await asyncio.to_thread(told, api, provider)
    assert rows["refund"]["status"] == cancelled


async def test_those_who_wait_at_once_do_not_mix(
    api: DevServer, provider: TracerProvider, tracer: Tracer
) -> None:
    async def ask(name: str) -> None:
        async with prefactor_otel.approval(name, tracer=tracer) as waiting:
            await asyncio.sleep(0)
            with tracer.start_as_current_span(f"look at {name}"):
                await asyncio.sleep(0)
            waiting.decided(by="ann", answer=name)

    await asyncio.gather(*(ask(f"refund {number}") for number in range(5)))
    rows = await asyncio.to_thread(told, api, provider)
    for number in range(5):
        row = rows[f"refund {number}"]
        assert row["result_payload"]["output"] == f"refund {number}"
        assert rows[f"look at refund {number}"]["parent_span_id"] == row["id"]


def test_one_inside_of_another_is_its_child(
    api: DevServer, provider: TracerProvider, tracer: Tracer
) -> None:
    with prefactor_otel.approval("refund", tracer=tracer) as outer:
        with prefactor_otel.approval("second opinion", tracer=tracer) as inner:
            inner.decided(by="bob", answer=True)
        outer.decided(by="ann", answer=False)
    rows = told(api, provider)
    assert rows["second opinion"]["parent_span_id"] == rows["refund"]["id"]
    assert rows["second opinion"]["result_payload"]["output"] == "approved"
    assert rows["refund"]["result_payload"]["output"] == "rejected"


def test_who_decides_too_late_is_told(tracer: Tracer) -> None:
    with prefactor_otel.approval("refund", tracer=tracer) as waiting:
        waiting.decided(by="ann", answer=True)
    with pytest.raises(PrefactorError, match="the approval is over"):
        waiting.decided(by="bob", answer=False)


def test_content_that_is_not_captured_stays_here(api: DevServer) -> None:
    processor = PrefactorSpanProcessor(
        api.url, api.token, capture_inputs=False, capture_outputs=False
    )
    live = TracerProvider(span_processors=[processor])
    inputs = {"iban": "DE-secret"}
    with prefactor_otel.approval("refund", inputs=inputs, tracer=live.get_tracer("a")) as waiting:
        waiting.decided(by="ann-secret", answer="secret words")
    told(api, live)
    assert not any(b"secret" in request.raw for request in api.requests)


def test_without_a_provider_the_block_runs_all_the_same() -> None:
    with prefactor_otel.approval("refund") as waiting:
        waiting.decided(by="ann", answer=True)


def test_any_span_may_say_that_it_is_an_approval(
    api: DevServer, provider: TracerProvider, tracer: Tracer
) -> None:
    tracer.start_span("own", attributes={"prefactor.span_type": "approval"}).end()
    tracer.start_span("theirs", attributes={"acme.span.kind": "approval"}).end()
    rows = told(api, provider)
    assert {row["schema_name"] for row in rows.values()} == {"otel:approval"}
