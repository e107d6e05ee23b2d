"""Each task of a long-lived service is a run of its own, where the application wants that."""

import asyncio
import json
import threading
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

import pytest
from opentelemetry import context
from opentelemetry.sdk.trace import TracerProvider as SdkTracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Status, StatusCode, Tracer

import prefactor_otel
from prefactor_otel import PrefactorExporter, PrefactorSpanProcessor, TracerProvider
from prefactor_otel.devserver import DevServer
from tests.benchmarks.sink import Sink
from tests.patience import PATIENCE, comes_true
from tests.process.scripts import run_script
from tests.readings import under_either_reading
from tests.registrations import registrations

Row = dict[str, Any]


class Service:
    """A process with our processor, whose runs are those of ``run_scope``."""

    def __init__(self, api: DevServer, run_scope: str = "provider", **options: Any) -> None:
        self.api = api
        self.processor = PrefactorSpanProcessor(
            api.url,
            api.token,
            agent_name="service",
            schedule_delay=0.02,
            run_scope=run_scope,  # type: ignore[arg-type]
            **({"shutdown_timeout": PATIENCE} | options),
        )
        self.provider: SdkTracerProvider = TracerProvider(
            span_processors=[self.processor], shutdown_on_exit=False
        )

    @property
    def tracer(self) -> Tracer:
        return self.provider.get_tracer("service")

    def ends(self, count: int) -> bool:
        """Whether so many runs have been finished, without a shutdown."""
        return self.api.wait_until(lambda api: len(finished(api)) == count)


def finished(api: DevServer) -> list[Row]:
    return [run for run in api.instances() if run["finished_at"] is not None]


def by_run(api: DevServer) -> dict[str, list[str]]:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for row in api.spans():
        found[row["agent_instance_id"]].append(row["payload"]["name"])
    return {run: sorted(names) for run, names in found.items()}


def test_each_trace_is_a_run_that_ends_with_its_root(api: DevServer) -> None:
    service = Service(api, "trace")
    for number in range(3):
        with (
            service.tracer.start_as_current_span(f"request {number}"),
            service.tracer.start_as_current_span(f"step {number}"),
        ):
            pass
    assert service.ends(3)
    assert sorted(by_run(api).values()) == [[f"request {n}", f"step {n}"] for n in range(3)]
    assert {run["status"] for run in api.instances()} == {"complete"}
    service.provider.shutdown()
    assert len(api.instances()) == 3


@under_either_reading
@pytest.mark.parametrize(
    ("error", "status"),
    [(ValueError("no"), "failed"), (asyncio.CancelledError(), None), (None, "complete")],
)
def test_a_traces_run_ends_as_its_root_does(
    api: DevServer, error: BaseException | None, status: str | None, cancelled: str
) -> None:
    service = Service(api, "trace")
    with service.tracer.start_as_current_span("request") as root:
        if error is not None:  # the SDK itself records no cancellation: instrumentations do
            root.record_exception(error)
            root.set_status(Status(StatusCode.ERROR))
    assert service.ends(1)
    assert api.instances()[0]["status"] == (status or cancelled)
    service.provider.shutdown()


@under_either_reading
@pytest.mark.parametrize("run_scope", ["trace", "provider", "session"])
def test_a_run_that_is_cut_off_ends_as_its_only_root_does(
    api: DevServer, run_scope: str, cancelled: str
) -> None:
    service = Service(api, run_scope)
    root = service.tracer.start_span("interrupted", attributes={"session.id": "night"})
    service.provider.shutdown()
    root.end()
    assert [row["status"] for row in api.spans()] == [cancelled]
    assert [run["status"] for run in api.instances()] == [cancelled]


def test_a_run_that_is_cut_off_is_complete_where_another_root_was_well(api: DevServer) -> None:
    service = Service(api)
    service.tracer.start_span("well").end()
    root = service.tracer.start_span("interrupted")
    service.provider.shutdown()
    root.end()
    assert [run["status"] for run in api.instances()] == ["complete"]


def test_a_failing_step_does_not_fail_the_run_of_a_root_that_is_well(api: DevServer) -> None:
    service = Service(api, "trace")
    with (
        service.tracer.start_as_current_span("request"),
        service.tracer.start_as_current_span("step") as step,
    ):
        step.set_status(Status(StatusCode.ERROR))
    assert service.ends(1)
    assert api.instances()[0]["status"] == "complete"
    service.provider.shutdown()


def test_a_stock_provider_has_runs_by_trace_too(api: DevServer) -> None:
    exporter = PrefactorExporter(api.url, api.token, run_scope="trace", agent_name="a")
    provider = SdkTracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=20))
    for number in range(3):
        with provider.get_tracer("a").start_as_current_span(f"request {number}"):
            provider.get_tracer("a").start_span(f"step {number}").end()
    assert api.wait_until(lambda api: len(finished(api)) == 3)
    assert sorted(by_run(api).values()) == [[f"request {n}", f"step {n}"] for n in range(3)]
    provider.shutdown()


def test_a_run_waits_for_what_outlives_its_root(api: DevServer) -> None:
    service = Service(api, "trace")
    with service.tracer.start_as_current_span("request"):
        late = service.tracer.start_span("background work")
    assert api.wait_until(lambda api: "request" in str(by_run(api)))
    late.end()
    assert service.ends(1)
    assert list(by_run(api).values()) == [["background work", "request"]]
    service.provider.shutdown()


@under_either_reading
def test_a_run_of_which_nothing_comes_any_more_is_closed_and_counted(
    api: DevServer, cancelled: str
) -> None:
    service = Service(api, "trace", run_idle_timeout=0.3)
    root = service.tracer.start_span("never ended")
    assert service.ends(1)
    assert api.instances()[0]["status"] == cancelled
    assert service.processor.stats().idle_runs == 1
    root.end()
    service.provider.shutdown()
    assert [row["status"] for row in api.spans()] == [cancelled]
    assert len(api.instances()) == 1
    assert service.processor.stats().dropped == {"duplicate": 1}


def test_hundreds_of_traces_at_once_keep_their_spans_apart(api: DevServer) -> None:
    service = Service(api, "trace")

    async def request(number: int) -> None:
        with service.tracer.start_as_current_span(f"request {number}"):
            for step in range(3):
                with service.tracer.start_as_current_span(f"step {number} {step}"):
                    await asyncio.sleep(0)

    async def requests(first: int) -> None:
        await asyncio.gather(*(request(first + offset) for offset in range(25)))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda first: asyncio.run(requests(first)), range(0, 200, 25)))
    assert service.provider.force_flush(int(PATIENCE * 1000))
    service.provider.shutdown()
    runs = by_run(api)
    assert len(runs) == len(api.instances()) == 200
    for names in runs.values():
        number = names[0].split()[1]
        assert names == [f"request {number}", *(f"step {number} {step}" for step in range(3))]
    assert Counter(run["status"] for run in api.instances()) == {"complete": 200}
    assert service.processor.stats().runs == 0


def test_runs_whose_registration_hangs_do_not_hold_up_the_others(api: DevServer) -> None:
    api.faults.add(path="/register", hang=True, times=8)
    service = Service(api, "trace")
    for number in range(12):
        service.tracer.start_span(f"request {number}").end()
        assert api.wait_until(lambda api: len(registrations(api)) == number + 1)  # noqa: B023
    assert service.ends(4)
    api.faults.clear()
    service.provider.shutdown()
    assert len(finished(api)) == 12
    assert service.processor.stats().acknowledged == 12


REQUESTS = """
import gc, json, os, sys, tracemalloc
from prefactor_otel import PrefactorSpanProcessor, TracerProvider

processor = PrefactorSpanProcessor(run_scope="trace", schedule_delay=0.01)
tracer = TracerProvider(span_processors=[processor], shutdown_on_exit=False).get_tracer("service")

def serve(requests):
    for number in range(requests):
        tracer.start_span("request").end()
        if number % 50 == 0 and not processor.force_flush(60_000):
            sys.exit("the API took too long")
    while processor.stats().runs or processor.stats().waiting_items:
        processor.force_flush(60_000)
    gc.collect()
    return tracemalloc.get_traced_memory()[0]

tracemalloc.start()
before = serve(1_500)  # fills what is bounded
after = serve(1_000)
print(json.dumps((after - before) / 1_000), flush=True)
os._exit(0)
"""


@pytest.mark.slow
def test_runs_that_are_over_leave_nothing_in_memory() -> None:
    with Sink() as backend:
        ended = run_script(REQUESTS, backend.url, "pf_token")
    assert ended.code == 0, ended.stderr
    assert float(json.loads(ended.stdout)) < 200


def test_spans_of_one_session_share_a_run_over_traces(api: DevServer) -> None:
    service = Service(api, "session")
    for turn in range(2):
        for session in ("anna", "ben"):
            attributes = {"session.id": session}
            with service.tracer.start_as_current_span(f"{session} {turn}", attributes=attributes):
                service.tracer.start_span(f"step {turn}").end()
    assert service.provider.force_flush()
    assert sorted(by_run(api).values()) == [
        ["anna 0", "anna 1", "step 0", "step 1"],
        ["ben 0", "ben 1", "step 0", "step 1"],
    ]
    prefactor_otel.end_session("anna")
    assert service.ends(1)
    assert api.instances()[0]["status"] == "complete"
    service.provider.shutdown()
    assert len(finished(api)) == 2


def test_a_session_may_be_named_by_the_context(api: DevServer) -> None:
    service = Service(api, "session")
    for turn in range(2):
        token = context.attach(context.set_value("session.id", "anna"))
        with service.tracer.start_as_current_span(f"turn {turn}"):
            pass
        context.detach(token)
    service.provider.shutdown()
    assert list(by_run(api).values()) == [["turn 0", "turn 1"]]


def test_a_session_is_closed_when_it_is_idle(api: DevServer) -> None:
    service = Service(api, "session", run_idle_timeout=0.3)
    service.tracer.start_span("turn", attributes={"gen_ai.conversation.id": "c"}).end()
    assert service.ends(1)
    assert api.instances()[0]["status"] == "complete"
    service.provider.shutdown()


def test_a_block_is_a_run_of_its_own_and_follows_its_context(api: DevServer) -> None:
    service = Service(api)
    tracer = service.tracer

    def in_thread() -> None:
        tracer.start_span("thread").end()

    async def work() -> None:
        async def task() -> None:
            tracer.start_span("task").end()

        async with prefactor_otel.run("clerk", purpose="eval", external_identifier="job 7") as run:
            assert prefactor_otel.current_run() is run
            tracer.start_span("inside").end()
            await asyncio.gather(task(), task())
            await asyncio.to_thread(in_thread)
            thread = threading.Thread(target=copy_context().run, args=(in_thread,))
            thread.start()
            thread.join()
        assert prefactor_otel.current_run() is None
        tracer.start_span("outside").end()

    asyncio.run(work())
    service.provider.shutdown()
    runs = sorted(by_run(api).values())
    assert runs == [["inside", "task", "task", "thread", "thread"], ["outside"]]
    [explicit] = [run for run in api.instances() if run["purpose"] == "eval"]
    assert (explicit["status"], explicit["external_identifier"]) == ("complete", "job 7")
    registered = [body["agent_version"]["name"] for body in registrations(api)]
    assert sorted(registered) == ["clerk", "service"]


@pytest.mark.parametrize("scope", ["provider", "trace", "session"])
def test_an_explicit_run_wins_over_every_scope(api: DevServer, scope: str) -> None:
    service = Service(api, scope)
    with prefactor_otel.run():
        for number in range(3):
            attributes = {"session.id": f"s {number}"}
            service.tracer.start_span(f"n{number}", attributes=attributes).end()
    service.provider.shutdown()
    assert list(by_run(api).values()) == [["n0", "n1", "n2"]]


def test_every_call_of_a_decorated_function_is_a_run(api: DevServer) -> None:
    service = Service(api, "trace")

    @prefactor_otel.run()
    def plain(fails: bool) -> int:
        service.tracer.start_span("plain").end()
        if fails:
            raise ValueError("no")
        return 7

    @prefactor_otel.run()
    async def coroutine() -> int:
        service.tracer.start_span("coroutine").end()
        return 8

    @prefactor_otel.run()
    def generator() -> Any:
        service.tracer.start_span("generator").end()
        yield 9

    assert plain(False) == 7
    with pytest.raises(ValueError, match="no"):
        plain(True)
    assert asyncio.run(coroutine()) == 8
    assert list(generator()) == [9]
    service.provider.shutdown()
    assert sorted(by_run(api).values()) == [["coroutine"], ["generator"], ["plain"], ["plain"]]
    assert Counter(run["status"] for run in api.instances()) == {"complete": 3, "failed": 1}


@pytest.mark.parametrize("payload", [[1], "good", 5])
def test_a_judgement_that_is_no_object_is_told_to_who_gives_it(payload: Any) -> None:
    with prefactor_otel.run() as run, pytest.raises(ValueError, match="has to be an object"):
        run.record_quality("helpful", payload)


def test_a_run_can_be_judged_and_told_how_it_ends(api: DevServer) -> None:
    schema = {"name": "helpful", "schema": {"type": "object"}, "template": "{{ score }}"}
    service = Service(api, quality_schemas=[schema])
    with prefactor_otel.run() as run:
        assert comes_true(lambda: run.id is not None)
        assert run.id in {instance["id"] for instance in api.instances()}
        run.record_quality("helpful", {"score": 4})
        run.set_status("failed")
    with pytest.raises(ValueError, match="complete, failed or cancelled"):
        run.set_status("done")  # type: ignore[arg-type]
    service.provider.shutdown()
    [judged] = [run for run in api.instances() if run["quality_payloads"]]
    assert judged["quality_payloads"] == {"helpful": {"score": 4}}
    assert judged["status"] == "failed"


def test_a_judgement_that_the_api_refuses_is_told_and_costs_nothing_else(
    api: DevServer, caplog: pytest.LogCaptureFixture
) -> None:
    schema = {"name": "helpful", "schema": {"type": "object"}, "template": "{{ score }}"}
    service = Service(api, quality_schemas=[schema])
    api.faults.add(path="/record_quality", status=422, code="validation_errors")
    with prefactor_otel.run() as run:
        service.tracer.start_span("step").end()
        run.record_quality("helpful", {"score": 1})
    service.provider.shutdown()
    [told] = [r.getMessage() for r in caplog.records if "refused a quality item" in r.getMessage()]
    assert told.endswith("it is dropped")
    assert service.processor.stats().dropped == {}
    assert service.processor.stats().acknowledged == 1


def test_the_id_of_a_run_is_known_after_its_end(api: DevServer) -> None:
    service = Service(api)
    with prefactor_otel.run() as run:
        service.tracer.start_span("step").end()
    assert service.provider.force_flush(int(PATIENCE * 1000))
    service.provider.shutdown()
    [row] = [each for each in api.instances() if each["span_counts"]["total"]]
    assert run.id == row["id"]


def test_the_address_of_a_run_is_known_where_the_platform_tells_one(api: DevServer) -> None:
    service = Service(api)
    with prefactor_otel.run() as run:
        service.tracer.start_span("step").end()
    service.tracer.start_span("step of the process").end()
    assert service.provider.force_flush(int(PATIENCE * 1000))
    assert run.url == f"{api.url}/#/run/{run.id}"
    assert service.processor.run_url == f"{api.url}/#/run/{service.processor.run_id}"
    service.provider.shutdown()
    assert run.url == f"{api.url}/#/run/{run.id}"


@pytest.mark.parametrize("told", [None, 5, "javascript:alert()"])
def test_what_is_no_address_of_a_run_is_none(api: DevServer, told: object) -> None:
    details = {"id": "an-id", "type": "agent_instance", "status": "pending", "url": told}
    body = json.dumps({"status": "success", "details": details})
    api.faults.add(path="/register", status=200, body=body, times=None)
    service = Service(api, "trace")
    with prefactor_otel.run() as run:
        service.tracer.start_span("step").end()
        assert comes_true(lambda: run.id is not None)
        assert (run.id, run.url) == ("an-id", None)


def test_without_an_exporter_a_run_is_just_a_block() -> None:
    with prefactor_otel.run() as run:
        run.record_quality("x", None)
        assert run.id is None


def test_an_external_identifier_that_is_taken_costs_its_run_that_and_no_span(
    api: DevServer, caplog: pytest.LogCaptureFixture
) -> None:
    service = Service(api, "trace", span_types={"approval": {"template": "{% nonsense %}"}})
    for _ in range(2):
        with prefactor_otel.run(external_identifier="job 7"):
            service.tracer.start_span("step").end()
        assert service.provider.force_flush()
    service.provider.shutdown()
    assert service.processor.stats().dropped == {}
    assert [run["external_identifier"] for run in api.instances()] == ["job 7", None]
    assert [run["status"] for run in api.instances()] == ["complete"] * 2
    assert by_run(api) == {run["id"]: ["step"] for run in api.instances()}
    (line,) = [r.getMessage() for r in caplog.records if "external_identifier" in r.getMessage()]
    assert "registered without" in line
    assert "job 7" not in line


def test_an_identifier_and_types_that_are_refused_one_after_the_other_are_both_left_out(
    api: DevServer,
) -> None:
    for field in ("external_identifier", "agent_schema_version", "purpose"):
        errors = {"status": "error", "code": "validation_errors", "errors": {field: ["is wrong"]}}
        api.faults.add(path="/register", status=422, body=json.dumps(errors), times=1)
    service = Service(api)
    with prefactor_otel.run(external_identifier="job 7"):
        service.tracer.start_span("step").end()
    assert service.provider.force_flush() is False
    sent = [each for each in api.requests if each.path.endswith("/register")]
    told = [
        ("external_identifier" in r.body, "template" in str(r.body["agent_schema_version"]))
        for r in sent
    ]
    assert told == [(True, True), (False, True), (False, False)]
    assert len({request.body["idempotency_key"] for request in sent}) == 3
    service.provider.shutdown()
    assert service.processor.stats().dropped == {"run_refused": 1}


@pytest.mark.parametrize(("field", "is_token"), [("agent_id", True), ("purpose", False)])
def test_a_run_that_is_refused_is_told_as_one_and_the_token_where_it_may_be_the_reason(
    api: DevServer, caplog: pytest.LogCaptureFixture, field: str, is_token: bool
) -> None:
    errors = {"status": "error", "code": "validation_errors", "errors": {field: ["is wrong"]}}
    api.faults.add(path="/register", status=422, body=json.dumps(errors), times=1)
    service = Service(api)
    with prefactor_otel.run():
        service.tracer.start_span("step").end()
    service.provider.force_flush()
    assert service.processor.stats().dropped == {"run_refused": 1}
    with prefactor_otel.run():
        service.tracer.start_span("step").end()
    service.provider.shutdown()
    (line,) = [r.getMessage() for r in caplog.records if "refused to register" in r.getMessage()]
    assert f"({field})" in line
    assert ("account token" in line) is is_token
    assert "none of its spans is sent" in line
    assert len(api.spans()) == 1


def test_what_is_no_text_is_left_out_of_a_run_and_harms_nothing(
    api: DevServer, caplog: pytest.LogCaptureFixture
) -> None:
    class Order(list[str]):
        """Of this type nobody else has been told, and a list can be no key."""

    service = Service(api)
    order: Any = Order(["order", "17"])
    with prefactor_otel.run(order, external_identifier=order, purpose=order, agent=order):
        service.tracer.start_span("inside").end()
    with prefactor_otel.run(external_identifier=17):  # type: ignore[arg-type]
        service.tracer.start_span("inside").end()
    prefactor_otel.end_session(order)
    service.tracer.start_span("outside").end()
    assert service.processor.force_flush()
    service.provider.shutdown()
    stats = service.processor.stats()
    assert (stats.acknowledged, stats.worker_restarts) == (3, 0)
    said = [run["external_identifier"] for run in api.instances()]
    assert Counter(said) == Counter([None, None, "17"])
    lines = [line for line in caplog.messages if "is text" in line]
    assert len(lines) == 5
    assert not any("17" in line for line in lines)


def test_a_judgement_of_a_run_is_what_it_was_when_it_was_given(api: DevServer) -> None:
    tone = {"name": "tone", "schema": {"type": "object"}}
    service = Service(api, quality_schemas=[tone])
    given: dict[str, object] = {"score": 1}
    with prefactor_otel.run("judged") as judged:
        judged.record_quality("tone", given)
        given["score"] = "later"
        with pytest.raises(ValueError, match="name has to be text, and is of the type list"):
            judged.record_quality(["tone"], given)  # type: ignore[arg-type]
    service.provider.shutdown()
    [run] = [run for run in api.instances() if run["id"] == judged.id]
    assert run["quality_payloads"] == {"tone": {"score": 1}}
