"""Runs that wait together share requests, and none pays for another."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson
import pytest

from prefactor_otel import PrefactorSpanProcessor, Stats, TracerProvider
from prefactor_otel.config.options import load_config
from prefactor_otel.delivery.operation import Item, Operation, as_sent
from prefactor_otel.delivery.run_calls import MOST_TOGETHER, TRIES_TOGETHER, call_body
from prefactor_otel.devserver import DevServer
from prefactor_otel.runs.run import About, Registrations, facts_of
from tests.faults.mangled import mangled
from tests.patience import PATIENCE, comes_true
from tests.registrations import registrations

RUNS = 40


@contextmanager
def waiting_runs(api: DevServer, **options: Any) -> Iterator[list[Stats]]:
    """So many runs that have come while the API was away; inside, it is back, and at the end
    everything has been delivered and what became of it is in the list."""
    processor = PrefactorSpanProcessor(
        api.url,
        api.token,
        **({"run_scope": "trace", "shutdown_timeout": PATIENCE} | options),  # type: ignore[arg-type]
    )
    provider = TracerProvider(span_processors=[processor], shutdown_on_exit=False)
    make_while_away(api, provider)
    stats: list[Stats] = []
    yield stats
    provider.shutdown()
    stats.append(processor.stats())


def make_while_away(api: DevServer, provider: TracerProvider) -> None:
    api.stop()
    for number in range(RUNS):
        provider.get_tracer("service").start_span(f"request {number}").end()
    provider.force_flush(0)
    api.start()


KINDS = ("register", "start", "finish")


def shared(api: DevServer, kind: str = "register") -> list[int]:
    """How many runs each request was to register, start or finish that more than one shared."""
    bulk = [request.body["items"] for request in api.requests if request.path.endswith("/bulk")]
    return [len(items) for items in bulk if items[0]["_type"] == f"agent_instances/{kind}"]


def names(api: DevServer) -> list[str]:
    return sorted(row["payload"]["name"] for row in api.spans())


ALL = sorted(f"request {number}" for number in range(RUNS))


def test_runs_that_wait_together_are_called_for_together(api: DevServer) -> None:
    with waiting_runs(api):
        pass
    assert names(api) == ALL
    assert {run["status"] for run in api.instances()} == {"complete"}
    for kind in KINDS:
        alone = sum(request.path.endswith(f"/{kind}") for request in api.requests)
        assert sum(shared(api, kind)) + alone == RUNS
        assert max(shared(api, kind)) <= MOST_TOGETHER
        assert len(shared(api, kind)) + alone < RUNS / 2


def test_requests_that_register_runs_are_no_larger_than_others(api: DevServer) -> None:
    with waiting_runs(api, max_request_bytes=128 * 1024):
        pass
    assert names(api) == ALL
    assert max(shared(api)) == 3


@pytest.mark.parametrize("kind", KINDS)
def test_an_api_that_takes_no_such_calls_in_bulk_is_soon_asked_for_each_alone(
    kind: str, api: DevServer
) -> None:
    api.faults.add(bulk_error="bad_request", item=f'"agent_instances/{kind}"', times=None)
    with waiting_runs(api):
        pass
    assert names(api) == ALL
    assert [run["status"] for run in api.instances()] == ["complete"] * RUNS
    assert len(shared(api, kind)) <= RUNS / MOST_TOGETHER + 2


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", [1, 2, MOST_TOGETHER])
@pytest.mark.parametrize("code", ["validation_errors", "internal_error", "rate_limited"])
def test_what_is_refused_among_others_is_asked_for_alone(
    kind: str, place: int, code: str, api: DevServer
) -> None:
    api.faults.add(bulk_error=code, nth=place, item=f'"agent_instances/{kind}"')
    with waiting_runs(api):
        pass
    assert names(api) == ALL
    assert [run["status"] for run in api.instances()] == ["complete"] * RUNS


def test_trouble_that_passes_does_not_end_the_sharing(api: DevServer) -> None:
    api.faults.add(bulk_error="rate_limited", nth=1, item='"agent_instances/register"')
    processor = PrefactorSpanProcessor(
        api.url, api.token, run_scope="trace", shutdown_timeout=PATIENCE
    )
    provider = TracerProvider(span_processors=[processor], shutdown_on_exit=False)
    make_while_away(api, provider)
    assert comes_true(lambda: processor.stats().waiting == 0)
    before = len(shared(api))
    make_while_away(api, provider)
    provider.shutdown()
    assert len(shared(api)) > before > 0
    assert names(api) == sorted(ALL * 2)


def test_a_call_that_hangs_holds_up_no_other_run(api: DevServer) -> None:
    api.faults.add(path="/register", hang=True)
    processor = PrefactorSpanProcessor(
        api.url, api.token, run_scope="trace", shutdown_timeout=PATIENCE
    )
    provider = TracerProvider(span_processors=[processor], shutdown_on_exit=False)
    for name in ("first", "second"):
        asked = len(registrations(api))
        provider.get_tracer("service").start_span(name).end()
        assert comes_true(lambda asked=asked: len(registrations(api)) > asked)  # type: ignore[misc]
    assert comes_true(lambda: names(api) == ["second"])
    api.faults.clear()
    provider.shutdown()
    assert names(api) == ["first", "second"]


def test_calls_that_are_never_answered_together_are_made_alone(api: DevServer) -> None:
    def fail(reply: bytes) -> bytes:
        is_about_runs = b'"type":"agent_instance"' in reply
        return b"HTTP/1.1 502 Bad\r\nContent-Length: 0\r\n\r\n" if is_about_runs else reply

    with mangled(api.url, "/bulk", fail, times=10 * RUNS) as url:
        processor = PrefactorSpanProcessor(
            url, api.token, run_scope="trace", shutdown_timeout=PATIENCE
        )
        provider = TracerProvider(span_processors=[processor], shutdown_on_exit=False)
        for number in range(6):
            provider.get_tracer("service").start_span(f"request {number}").end()
        provider.shutdown()
    assert names(api) == [f"request {number}" for number in range(6)]
    assert [run["status"] for run in api.instances()] == ["complete"] * 6
    for kind in KINDS:
        assert sum(shared(api, kind)) <= TRIES_TOGETHER * 6


@pytest.mark.parametrize("kind", KINDS[1:])
def test_a_success_that_shows_nothing_of_the_run_is_no_proof(kind: str, api: DevServer) -> None:
    refused, told = b'"status":"error","code":"bad_request"', b'"status":"success"'
    api.faults.add(bulk_error="bad_request", item=f'"agent_instances/{kind}"', times=None)

    def lie(reply: bytes) -> bytes:
        return reply.replace(refused, told.ljust(len(refused)))

    with mangled(api.url, "/bulk", lie, times=10 * RUNS) as url:
        processor = PrefactorSpanProcessor(
            url, api.token, run_scope="trace", shutdown_timeout=PATIENCE
        )
        provider = TracerProvider(span_processors=[processor], shutdown_on_exit=False)
        for number in range(RUNS):
            provider.get_tracer("service").start_span(f"request {number}").end()
        provider.shutdown()
    assert names(api) == ALL
    assert [run["status"] for run in api.instances()] == ["complete"] * RUNS
    assert max(shared(api, kind)) > 1


def test_a_run_that_is_refused_costs_no_other(api: DevServer) -> None:
    api.faults.add(bulk_error="validation_errors", nth=2, item='"agent_instances/register"')
    errors = {"status": "error", "code": "validation_errors", "errors": {"purpose": ["is bad"]}}
    api.faults.add(path="/register", status=422, body=json.dumps(errors))
    with waiting_runs(api) as stats:
        pass
    assert len(names(api)) == len(api.instances()) == RUNS - 1
    assert stats[0].dropped == {"run_refused": 1}


@pytest.mark.parametrize("fault", [{"drop": "after"}, {"drop": "before"}, {"status": 503}])
@pytest.mark.parametrize("times", [1, 4])
def test_a_shared_request_that_fails_is_made_again_and_no_run_is_there_twice(
    fault: dict[str, Any], times: int, api: DevServer
) -> None:
    api.faults.add(path="/bulk", times=times, **fault)
    with waiting_runs(api):
        pass
    assert names(api) == ALL
    assert len(api.instances()) == RUNS


@pytest.mark.parametrize("status", [400, 404, 413, 422, 500])
def test_a_shared_request_that_is_refused_as_a_whole_costs_nothing(
    status: int, api: DevServer
) -> None:
    api.faults.add(path="/bulk", status=status, max_body=60_000)  # of two registrations, or more
    with waiting_runs(api):
        pass
    assert names(api) == ALL
    assert len(api.instances()) == RUNS


OPTIONS: list[dict[str, Any]] = [
    {},
    {"agent_id": "an agent"},
    {"agent_id": "an agent", "environment_id": "an environment", "purpose": "eval"},
    {"environment_id": "an environment", "sensitive": ["emails"]},
]


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("about", [About(), About("A", "é\ud800", "live", "one of its own")])
def test_what_nothing_is_said_of_is_left_out_of_a_registration(
    options: dict[str, Any], about: About
) -> None:
    said = Registrations(load_config(None, "pf_x", **options)).of(about, facts_of({}, is_ours=True))
    members = orjson.loads(b"{%b}" % as_sent(said))
    assert list(members) == [name for name in ORDER if name in members]
    assert None not in members.values()
    sent = orjson.dumps(members | {"idempotency_key": "a run-register"})
    earlier = orjson.dumps(dict.fromkeys(ORDER[:2]) | members)[1:-1]
    for body in (said, earlier):  # as files of earlier versions have it
        assert call_body(Item("a run", Operation.REGISTER, "a run-register", body)) == sent


ORDER = (
    *("agent_id", "environment_id", "agent_version", "agent_schema_version"),
    *("purpose", "update_current_version", "external_identifier"),
)
