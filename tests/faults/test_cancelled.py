"""What is cancelled after it has begun ends on the platform, however that reads ``cancelled``.

The pages of the API allow it only of what is pending; its other sources allow it of what is active.
Under either no run and no span stays open, and the payload says that it was cancelled.
"""

import asyncio
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import pytest
from opentelemetry.sdk.trace import TracerProvider as SdkTracerProvider
from opentelemetry.trace import Span, Status, StatusCode, Tracer, set_span_in_context

from prefactor_otel import PrefactorSpanProcessor, TracerProvider, run
from prefactor_otel.config.options import RunScope
from prefactor_otel.delivery.operation import FinishStatus
from prefactor_otel.devserver import DevServer, RecordedRequest
from prefactor_otel.spool import folder
from tests.cli.command import run_command
from tests.devserver.calls import Caller
from tests.patience import PATIENCE, comes_true
from tests.process.scripts import environment_of, run_script
from tests.readings import left_open, under_either_reading

Json = dict[str, Any]

CREATE_CANCELLED = r'"_type":"agent_spans/create".*"status":"cancelled","started_at"'
FINISH_CANCELLED = r'"_type":"agent_spans/finish".*"status":"cancelled","timestamp"'
FINISH_RUN = "/agent_instance/.*/finish$"


class Agent:
    """An agent with our processor."""

    def __init__(self, api: DevServer, **options: Any) -> None:
        self.processor = PrefactorSpanProcessor(
            api.url, api.token, **({"schedule_delay": 0.02} | options)
        )
        self.provider: SdkTracerProvider = TracerProvider(
            span_processors=[self.processor], shutdown_on_exit=False
        )

    @property
    def tracer(self) -> Tracer:
        return self.provider.get_tracer("agent")


@contextmanager
def agent(api: DevServer, **options: Any) -> Iterator[Agent]:
    """An agent until its shutdown, after which nothing waits any more."""
    running = Agent(api, **options)
    yield running
    running.provider.shutdown()
    assert running.processor.stats().waiting == 0


def cancel(span: Span) -> None:
    """End a span as an instrumentation does that sees a cancellation."""
    span.record_exception(asyncio.CancelledError("deadline"))
    span.set_status(Status(StatusCode.ERROR))
    span.end()


def row(api: DevServer, name: str) -> Json:
    [found] = [row for row in api.spans() if row["payload"]["name"] == name]
    return found


def statuses(api: DevServer) -> dict[str, str]:
    return {row["payload"]["name"]: row["status"] for row in api.spans()}


def ended_runs(api: DevServer) -> list[Json]:
    return [run for run in api.instances() if run["finished_at"] is not None]


def finishes(api: DevServer) -> list[str]:
    """As what runs were to be finished, in the order of the requests."""
    return [r.body["status"] for r in api.requests if r.path.endswith("/finish")]


def sent(api: DevServer) -> list[Json]:
    """The bulk items that came in, in their order."""
    return [item for r in api.requests if r.path.endswith("/bulk") for item in r.body["items"]]


def questions(requests: Sequence[RecordedRequest]) -> list[str]:
    return [request.path for request in requests if request.method == "GET"]


# -- what is cancelled, and when --------------------------------------------------------------


@under_either_reading
def test_what_shutdown_cuts_off_is_not_left_open(
    api: DevServer, cancelled: str, caplog: pytest.LogCaptureFixture
) -> None:
    with agent(api) as running:
        running.tracer.start_span("seen")
        assert api.wait_until(lambda api: statuses(api) == {"seen": "active"})
        running.tracer.start_span("just started")
        running.processor.set_run_status("cancelled")
    assert left_open(api) == []
    assert statuses(api) == {"seen": cancelled, "just started": cancelled}
    assert [run["status"] for run in api.instances()] == [cancelled]
    stats = running.processor.stats()
    assert (stats.acknowledged, stats.dropped, stats.last_error) == (2, {}, None)
    assert caplog.text == ""  # nobody has to do anything about it


@under_either_reading
def test_a_cancelled_task_is_not_left_open(api: DevServer, cancelled: str) -> None:
    async def work(tracer: Tracer) -> None:
        span = tracer.start_span("work")
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancel(span)
            raise

    async def main(tracer: Tracer) -> None:
        task = asyncio.create_task(work(tracer))
        await asyncio.sleep(0)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    with agent(api, run_scope="trace") as running:
        asyncio.run(main(running.tracer))
        assert api.wait_until(lambda api: api.instances() and not left_open(api))
    assert statuses(api) == {"work": cancelled}
    assert [run["status"] for run in api.instances()] == [cancelled]
    span = row(api, "work")
    error = span["payload"]["error"]
    assert span["payload"]["status"] == "cancelled"
    kind = "CancelledError" if cancelled == "cancelled" else "Cancelled"
    assert (error["error_type"], error["message"]) == (kind, "deadline")
    assert error.get("cause", kind) == "CancelledError"
    assert "CancelledError" in error["stacktrace"]
    assert span["result_payload"] == error
    assert span["schema_mismatches"] == []


@under_either_reading
def test_an_idle_run_is_not_left_open(api: DevServer, cancelled: str) -> None:
    with agent(api, run_scope="trace", run_idle_timeout=0.3) as running:
        root = running.tracer.start_span("never ended")
        assert api.wait_until(lambda api: api.spans() and not left_open(api))
        assert [run["status"] for run in api.instances()] == [cancelled]
        assert statuses(api) == {"never ended": cancelled}
        root.end()


@under_either_reading
def test_a_run_whose_block_is_cancelled_is_not_left_open(api: DevServer, cancelled: str) -> None:
    with agent(api, run_scope="trace") as running:
        with suppress(asyncio.CancelledError), run("nightly"):
            running.tracer.start_span("step").end()
            raise asyncio.CancelledError
        assert api.wait_until(lambda api: api.spans() and not left_open(api))
    assert [run["status"] for run in api.instances()] == [cancelled]


@under_either_reading
def test_what_doctor_registers_is_not_left_open(api: DevServer) -> None:
    variables = {"PREFACTOR_API_URL": api.url, "PREFACTOR_API_TOKEN": api.token}
    assert run_command("doctor", **variables).returncode == 0
    assert run_command("doctor", "--probe", **variables).returncode == 0
    assert len(api.instances()) >= 3
    assert left_open(api) == []


# -- how it is told ---------------------------------------------------------------------------


def test_a_span_that_ends_as_failed_says_that_it_was_cancelled(api: DevServer) -> None:
    with agent(api) as running:
        running.tracer.start_span("seen", attributes={"gen_ai.request.model": "m"})
        assert api.wait_until(lambda api: api.spans())
        running.tracer.start_span("unseen")
    told = {
        "error_type": "Cancelled",
        "message": "It was cancelled before it had ended.",
        "stacktrace": None,
    }
    assert row(api, "unseen")["payload"]["status"] == "cancelled"
    assert row(api, "unseen")["payload"]["error"] == told
    assert row(api, "unseen")["result_payload"] == told
    assert row(api, "seen")["result_payload"] == told | {"status": "cancelled"}
    assert [span["schema_mismatches"] for span in api.spans()] == [[], []]


@under_either_reading
def test_what_is_sensitive_in_a_cancellation_stays_marked(api: DevServer) -> None:
    with agent(api, sensitive=["error.message", "emails"]) as running:
        span = running.tracer.start_span("work")
        span.record_exception(asyncio.CancelledError("anna@example.org left"))
        span.set_status(Status(StatusCode.ERROR))
        span.end()
    payload = row(api, "work")["payload"]
    for error in (payload["error"], row(api, "work")["result_payload"]):
        assert error["message"]["value"] == "anna@example.org left"
        assert {error[part]["$sensitive"] for part in ("message", "stacktrace")} == {"string"}
        plain = {text for text in error.values() if isinstance(text, str)}
        assert plain <= {"Cancelled", "CancelledError"}


def test_a_span_without_a_duration_is_cancelled_under_the_strict_reading_too(
    api: DevServer,
) -> None:
    with agent(api) as running:
        span = running.tracer.start_span("at once", start_time=1_700_000_000_000_000_000)
        span.set_status(Status(StatusCode.ERROR, "CancelledError"))
        span.set_attribute("error.type", "CancelledError")
        span.end(end_time=1_700_000_000_000_000_000)
    assert statuses(api) == {"at once": "cancelled"}


# -- refusals of every kind -------------------------------------------------------------------


@pytest.mark.parametrize("code", ["invalid_action", "bad_request", "validation_errors", "odd_one"])
@pytest.mark.parametrize("lenient_cancel", [True])
def test_whatever_the_api_calls_the_refusal_the_span_ends(api: DevServer, code: str) -> None:
    for item in (CREATE_CANCELLED, FINISH_CANCELLED):
        api.faults.add(bulk_error=code, item=item, times=None)
    with agent(api) as running:
        running.tracer.start_span("seen")
        assert api.wait_until(lambda api: api.spans())
        running.tracer.start_span("unseen")
    assert left_open(api) == []
    assert statuses(api) == {"seen": "failed", "unseen": "failed"}
    assert running.processor.stats().dropped == {}


CALL = {"gen_ai.operation.name": "chat"}
"""What is not created before its end, however long that takes."""


@pytest.mark.parametrize("status", [400, 409, 422])
def test_a_request_that_is_refused_as_a_whole_loses_nothing_either(
    api: DevServer, status: int
) -> None:
    with agent(api) as running:
        running.tracer.start_span("seen")
        assert api.wait_until(lambda api: api.spans())
        api.faults.add(
            path="/bulk", status=status, code="invalid_action"
        )  # once: twice is believed
        for number in range(5):
            running.tracer.start_span(f"unseen {number}", attributes=CALL)
    assert left_open(api) == []
    assert set(statuses(api).values()) == {"failed"}
    assert len(api.spans()) == 6
    assert running.processor.stats().dropped == {}


@pytest.mark.parametrize("status", [400, 409, 422])
def test_children_wait_for_a_parent_that_was_refused_with_its_whole_request(
    api: DevServer, status: int
) -> None:
    # The one request, its first half, and the first item of that.
    api.faults.add(path="/bulk", status=status, code="invalid_action", times=3)
    with agent(api, schedule_delay=PATIENCE) as running:
        root = running.tracer.start_span("root")
        step = running.tracer.start_span("step", context=set_span_in_context(root))
        for number in range(3):
            below = set_span_in_context(step)
            running.tracer.start_span(f"leaf {number}", context=below).end()
    assert running.processor.stats().dropped == {}
    assert {row(api, f"leaf {number}")["parent_span_id"] for number in range(3)} == {
        row(api, "step")["id"]
    }
    assert row(api, "step")["parent_span_id"] == row(api, "root")["id"]
    assert left_open(api) == []


@pytest.mark.parametrize("status", [400, 409, 422])
@pytest.mark.parametrize("lenient_cancel", [True])
def test_a_run_that_cannot_be_finished_as_cancelled_is_finished_as_failed(
    api: DevServer, status: int
) -> None:
    api.faults.add(path=FINISH_RUN, status=status, code="bad_request")
    with agent(api) as running:
        running.processor.set_run_status("cancelled")
    assert [run["status"] for run in api.instances()] == ["failed"]
    first, second = [r.body for r in api.requests if r.path.endswith("/finish")]
    assert first["idempotency_key"] != second["idempotency_key"]


def test_what_stands_behind_a_refused_span_arrives(api: DevServer) -> None:
    with agent(api) as running:
        for number in range(20):
            span = running.tracer.start_span(f"step {number}")
            cancel(span) if number % 2 else span.end()
    assert statuses(api) == {
        f"step {number}": "failed" if number % 2 else "complete" for number in range(20)
    }
    assert running.processor.stats().acknowledged == 20


def test_what_hangs_on_a_refused_span_still_hangs_on_it(api: DevServer) -> None:
    with agent(api) as running:
        above = running.tracer.start_span("above")
        running.tracer.start_span("below", context=set_span_in_context(above)).end()
        cancel(above)
    assert row(api, "below")["parent_span_id"] == row(api, "above")["id"]
    assert statuses(api) == {"above": "failed", "below": "complete"}


def test_a_cancelled_span_ends_where_the_server_makes_the_ids_too() -> None:
    with DevServer(client_ids=False) as api:
        with agent(api) as running:
            above = running.tracer.start_span("above")
            cancel(running.tracer.start_span("below", context=set_span_in_context(above)))
            cancel(above)
        assert statuses(api) == {"above": "failed", "below": "failed"}
        assert row(api, "below")["parent_span_id"] == row(api, "above")["id"]
        assert running.processor.stats().dropped == {}


# -- what is remembered -----------------------------------------------------------------------


def test_what_the_platform_refuses_once_is_not_asked_for_again(api: DevServer) -> None:
    with agent(api, run_scope="trace") as running:
        for number in range(12):
            cancel(running.tracer.start_span(f"request {number}"))
            assert api.wait_until(lambda api: len(ended_runs(api)) == number + 1)  # noqa: B023
    asked = Counter(
        item["idempotency_key"][-2:] == "-f" for item in sent(api) if "cancelled" in str(item)
    )
    assert asked == {False: 1, True: 12}
    assert Counter(finishes(api)) == {"failed": 12}
    assert running.processor.stats().acknowledged == 12


def test_what_the_platform_refuses_of_a_run_it_is_not_asked_for_again(api: DevServer) -> None:
    with agent(api, run_scope="trace") as running:
        for number in range(3):
            with suppress(asyncio.CancelledError), run():
                running.tracer.start_span("step").end()
                raise asyncio.CancelledError
            assert api.wait_until(lambda api: len(ended_runs(api)) == number + 1)  # noqa: B023
    assert finishes(api) == ["cancelled", "failed", "failed", "failed"]
    assert not [r for r in api.requests if r.method == "GET"]


@pytest.mark.parametrize("lenient_cancel", [True])
def test_what_is_refused_of_finishes_says_nothing_of_creations(api: DevServer) -> None:
    api.faults.add(bulk_error="invalid_action", item=FINISH_CANCELLED, times=None)
    api.faults.add(path=FINISH_RUN, status=409, code="invalid_action", times=1)
    with agent(api) as running:
        running.tracer.start_span("seen")
        assert api.wait_until(lambda api: api.spans())
        cancel(running.tracer.start_span("ended"))
        running.processor.set_run_status("cancelled")
    assert statuses(api) == {"seen": "failed", "ended": "cancelled"}
    assert left_open(api) == []


@pytest.mark.parametrize("lenient_cancel", [True])
def test_a_span_that_is_refused_either_way_teaches_nothing(api: DevServer) -> None:
    api.faults.add(bulk_error="validation_errors", item='"name":"bad"', times=None)
    with agent(api) as running:
        cancel(running.tracer.start_span("bad"))
        running.provider.force_flush()
        cancel(running.tracer.start_span("good"))
    assert statuses(api) == {"good": "cancelled"}
    assert running.processor.stats().dropped == {"refused": 1}


# -- keys, and other processes ----------------------------------------------------------------

SPOOLING = """
import asyncio, os, sys
from opentelemetry.trace import Status, StatusCode
from prefactor_otel import PrefactorSpanProcessor, TracerProvider

processor = PrefactorSpanProcessor()
provider = TracerProvider(span_processors=[processor], shutdown_on_exit=False)
tracer = provider.get_tracer("agent")

def cancel(span):
    span.record_exception(asyncio.CancelledError("deadline"))
    span.set_status(Status(StatusCode.ERROR))
    span.end()
"""


@contextmanager
def heir(api: DevServer, spool: Path) -> Iterator[None]:
    """A process (this one) that sends what others have left, and nothing of its own."""
    processor = PrefactorSpanProcessor(api.url, api.token, spool_dir=spool)
    yield
    assert comes_true(lambda: len(folder.files(spool)) == 1)
    processor.shutdown()


@under_either_reading
def test_what_a_killed_process_leaves_open_is_closed_by_the_next(
    api: DevServer, tmp_path: Path, cancelled: str
) -> None:
    body = """
cancel(tracer.start_span("ended"))
root = tracer.start_span("open")
print(processor.force_flush(), flush=True)
sys.stdin.readline()
"""
    with subprocess.Popen(
        [sys.executable, "-c", SPOOLING + body],
        env=environment_of(api.url, api.token) | {"PREFACTOR_SPOOL_DIR": str(tmp_path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    ) as process:
        assert api.wait_until(lambda api: statuses(api) == {"ended": cancelled, "open": "active"})
        process.kill()
    with heir(api, tmp_path):
        pass
    assert left_open(api) == []
    assert statuses(api) == {"ended": cancelled, "open": cancelled}
    found = row(api, "open")["result_payload"]
    assert found["error_type"] == ("Cancelled" if cancelled == "failed" else "ProcessDied")
    assert found.get("cause", "ProcessDied") == "ProcessDied"
    assert "its last sign of life" in found["message"]


@under_either_reading
@pytest.mark.parametrize("lost", ["before", "after"])
def test_a_record_that_is_sent_again_by_the_next_process_is_the_same(
    api: DevServer, tmp_path: Path, cancelled: str, lost: str
) -> None:
    """The first process dies with its requests done and unanswered, or not even done."""
    body = """
cancel(tracer.start_span("ended"))
tracer.start_span("open")
provider.shutdown()
"""
    api.faults.add(path="/bulk", drop=lost, times=None)
    run_script(
        SPOOLING + body,
        api.url,
        api.token,
        PREFACTOR_SPOOL_DIR=str(tmp_path),
        PREFACTOR_SHUTDOWN_TIMEOUT="1.5",
    )
    api.faults.clear()
    with heir(api, tmp_path):
        pass
    assert left_open(api) == []
    assert statuses(api) == {"ended": cancelled, "open": cancelled}
    bodies: dict[str, set[str]] = {}
    for item in sent(api):
        bodies.setdefault(item["idempotency_key"], set()).add(str(item))
    assert {len(each) for each in bodies.values()} == {1}
    assert all(len(key) <= 64 for key in bodies)


@under_either_reading
def test_what_a_replay_sends_is_not_left_open(
    api: DevServer, tmp_path: Path, cancelled: str
) -> None:
    body = """
cancel(tracer.start_span("ended"))
tracer.start_span("open")
processor.set_run_status("cancelled")
provider.shutdown()
"""
    api.stop()
    try:
        run_script(
            SPOOLING + body,
            api.url,
            api.token,
            PREFACTOR_SPOOL_DIR=str(tmp_path),
            PREFACTOR_SHUTDOWN_TIMEOUT="0.5",
        )
    finally:
        api.start()
    variables = {"PREFACTOR_API_URL": api.url, "PREFACTOR_API_TOKEN": api.token}
    assert run_command("spool", "replay", str(tmp_path), **variables).returncode == 0
    assert left_open(api) == []
    assert statuses(api) == {"ended": cancelled, "open": cancelled}
    assert [run["status"] for run in api.instances()] == [cancelled]


# -- runs that are over, or not ---------------------------------------------------------------


@pytest.mark.parametrize("code", ["invalid_action", "conflict"])
@pytest.mark.parametrize("status", ["complete", "failed", "cancelled"])
@pytest.mark.parametrize("times", [1, 2])
def test_a_conflict_is_no_proof_that_a_run_is_over(
    api: DevServer, code: str, status: FinishStatus, times: int
) -> None:
    api.faults.add(path=FINISH_RUN, status=409, code=code, times=times)
    with agent(api) as running:
        running.tracer.start_span("one").end()
        running.processor.set_run_status(status)
    assert [run["status"] for run in api.instances()] == ["failed"]
    keys = [r.body["idempotency_key"] for r in api.requests if r.path.endswith("/finish")]
    assert len(set(keys)) == len(keys)
    assert max(map(len, keys)) <= 64


def test_a_run_that_is_refused_every_end_is_told_of_and_holds_nothing_up(
    api: DevServer, caplog: pytest.LogCaptureFixture
) -> None:
    api.faults.add(path=FINISH_RUN, status=409, code="invalid_action", times=None)
    with agent(api) as running:
        running.tracer.start_span("one").end()
    assert "Prefactor refused a finish_run item: HTTP 409 invalid_action" in caplog.text
    assert finishes(api) == ["complete", "failed", "failed"]
    assert running.processor.stats().acknowledged == 1


def test_a_run_that_the_platform_has_completed_is_finished_well(
    api: DevServer, caplog: pytest.LogCaptureFixture
) -> None:
    with agent(api) as running:
        running.tracer.start_span("one").end()
        assert running.processor.force_flush()
        assert Caller(api).finish(api.instances()[0]["id"]).status == 200
    assert [run["status"] for run in api.instances()] == ["complete"]
    stats = running.processor.stats()
    assert (stats.acknowledged, stats.dropped, stats.last_error) == (1, {}, None)
    assert caplog.text == ""


def test_a_run_that_has_never_begun_is_finished_as_cancelled(api: DevServer) -> None:
    api.faults.add(path="/start$", status=409, code="invalid_action")
    with agent(api) as running:
        running.tracer.start_span("one").end()
    assert [run["status"] for run in api.instances()] == ["cancelled"]
    assert statuses(api) == {"one": "complete"}


def test_a_judgement_that_conflicts_is_told_to_be_refused(
    api: DevServer, caplog: pytest.LogCaptureFixture
) -> None:
    api.faults.add(path="/record_quality$", status=409, code="invalid_action", times=None)
    declared = [{"name": "tone", "schema": {}}]
    with agent(api, run_scope="trace", quality_schemas=declared), run() as judged:
        judged.record_quality("tone", {"score": 1})
    assert "Prefactor refused a quality item: HTTP 409 invalid_action" in caplog.text
    assert [each["status"] for each in api.instances()] == ["complete"]


@pytest.mark.parametrize("readable", [True, False])
def test_a_conflict_about_a_run_that_cannot_be_read_ends_in_an_answer(
    api: DevServer, readable: bool
) -> None:
    with agent(api) as running:
        running.tracer.start_span("one").end()
        assert running.processor.force_flush()
        assert Caller(api).finish(api.instances()[0]["id"]).status == 200
        if not readable:
            api.faults.add(method="GET", path="/agent_instance", status=401, times=None)
    assert [run["status"] for run in api.instances()] == ["complete"]
    assert running.processor.stats().state == "closed"
    assert len([r for r in api.requests if r.path.endswith("/finish")]) <= 3


SCOPES: Final[tuple[RunScope, ...]] = ("provider", "session")


@pytest.mark.parametrize("scope", SCOPES)
def test_what_comes_after_the_platform_has_completed_a_run_begins_another(
    api: DevServer, caplog: pytest.LogCaptureFixture, scope: RunScope
) -> None:
    with agent(api, run_scope=scope, poll_interval=0) as running:
        session = {"session.id": "s"}
        running.tracer.start_span("early", attributes=session).end()
        assert running.processor.force_flush()
        assert Caller(api).finish(api.instances()[0]["id"]).status == 200
        running.tracer.start_span("refused", attributes=session).end()
        assert not running.processor.force_flush()
        for number in range(30):
            running.tracer.start_span(f"late {number}", attributes=session).end()
        assert running.processor.force_flush()
        [first, second] = api.instances()
        assert running.processor.run_id == (second["id"] if scope == "provider" else None)
    assert set(statuses(api)) == {"early", *(f"late {number}" for number in range(30))}
    assert {row["payload"]["name"] for row in api.spans(first["id"])} == {"early"}
    assert [run["status"] for run in api.instances()] == ["complete", "complete"]
    stats = running.processor.stats()
    assert (stats.acknowledged, stats.dropped) == (31, {"run_over": 1})
    assert caplog.text.count("has ended the run before its agent did") == 1
    assert caplog.text.count("what comes begins another") == 1
    assert len([r for r in api.requests if r.path.endswith("/bulk")]) < 15  # not one a span


def test_a_run_that_is_found_to_be_over_costs_no_span_and_an_open_one_ends_in_it(
    api: DevServer, caplog: pytest.LogCaptureFixture
) -> None:
    with agent(api, poll_interval=0.2, run_idle_timeout=0.1) as running:
        root = running.tracer.start_span("root")
        hidden = running.tracer.start_span("hidden", set_span_in_context(root))
        assert api.wait_until(lambda api: statuses(api) == {"root": "active"})
        assert Caller(api).finish(api.instances()[0]["id"]).status == 200
        assert comes_true(lambda: "what comes begins another" in caplog.text)
        running.tracer.start_span("child", set_span_in_context(root)).end()
        running.tracer.start_span("late").end()
        hidden.end()
        asked = len(api.requests)  # of the other run, longer than one may be idle
        assert api.wait_until(lambda api: len(questions(api.requests[asked:])) == 3)
        root.end()
        assert running.processor.force_flush()
    first, second = (run["id"] for run in api.instances())
    assert {row["payload"]["name"]: row["agent_instance_id"] for row in api.spans()} == {
        "root": first,
        "child": second,
        "late": second,
        "hidden": second,
    }
    assert set(statuses(api).values()) == {"complete"}
    assert running.processor.stats().dropped == {}
    assert [run["status"] for run in api.instances()] == ["complete", "complete"]


def test_a_run_that_is_over_is_carried_on_by_none_where_nothing_comes(
    api: DevServer, caplog: pytest.LogCaptureFixture
) -> None:
    with agent(api, poll_interval=0.2) as running:
        running.tracer.start_span("early").end()
        assert running.processor.force_flush()
        assert Caller(api).finish(api.instances()[0]["id"]).status == 200
        assert comes_true(lambda: "what comes begins another" in caplog.text)
        assert running.processor.stats().state == "running"
    assert [run["status"] for run in api.instances()] == ["complete"]


def test_a_span_that_was_open_when_the_platform_completed_its_run_is_still_closed(
    api: DevServer,
) -> None:
    with agent(api) as running:
        span = running.tracer.start_span("open")
        assert api.wait_until(lambda api: statuses(api) == {"open": "active"})
        assert Caller(api).finish(api.instances()[0]["id"]).status == 200
        running.tracer.start_span("late").end()
        running.processor.force_flush()
        span.end()
    assert statuses(api) == {"open": "complete"}
    assert running.processor.stats().dropped == {"run_over": 1}


def test_a_refusal_that_may_be_about_the_run_is_counted_as_one_where_that_is_open(
    api: DevServer,
) -> None:
    api.faults.add(bulk_error="invalid_action", item='"name":"bad"', times=None)
    with agent(api) as running:
        running.tracer.start_span("bad").end()
        running.tracer.start_span("good").end()
    assert statuses(api) == {"good": "complete"}
    assert running.processor.stats().dropped == {"refused": 1}
