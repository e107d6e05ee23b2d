"""What is said of a run from outside of it arrives once, or is told not to."""

import asyncio
import math
import pickle
import threading
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from opentelemetry.sdk.trace.export import BatchSpanProcessor

import prefactor_otel
from prefactor_otel import (
    PrefactorConfigError,
    PrefactorError,
    PrefactorExporter,
    PrefactorRequestError,
    PrefactorSpanProcessor,
    PrefactorTokenError,
    PrefactorUnavailableError,
    PrefactorUndeclaredError,
    PrefactorUnknownAlertError,
    PrefactorUnknownRunError,
    TracerProvider,
)
from prefactor_otel.devserver import DevServer
from prefactor_otel_transport import pfid
from tests.devserver.calls import Caller
from tests.patience import PATIENCE
from tests.process.dead import never_answering, refusing, unavailable
from tests.process.scripts import localhost, run_script

TONE = {"name": "tone", "schema": {"type": "object"}}

SAYINGS: dict[str, Callable[[str], object]] = {
    "record_quality": lambda run: prefactor_otel.record_quality(run, "tone", {"kind": 1}),
    "feedback": lambda run: prefactor_otel.feedback(run, rating="up"),
    "raise_alert": lambda run: prefactor_otel.raise_alert(run, "loop", "warning"),
    "clear_alert": lambda run: prefactor_otel.clear_alert(run, "loop"),
}
every_saying = pytest.mark.parametrize("saying", SAYINGS.values(), ids=SAYINGS.keys())


def run_of(api: DevServer, *, is_over: bool = True, **options: Any) -> str:
    """A run with a span in it, over or not."""
    exporter = PrefactorExporter(api.url, api.token, **options)
    provider = TracerProvider(span_processors=[BatchSpanProcessor(exporter)])
    provider.get_tracer("agent").start_span("step").end()
    assert provider.force_flush()
    run_id = exporter.run_id
    assert run_id is not None
    if is_over:
        provider.shutdown()
    return run_id


def has_more_than(sent: int, api: DevServer) -> bool:
    return len(api.requests) > sent


def feedback_in(api: DevServer, run_id: str) -> list[dict[str, Any]]:
    return [row for row in api.spans(run_id) if row["payload"]["name"] == "feedback"]


def test_a_quality_of_a_run_that_is_over_is_recorded_and_taken_back(
    api_environment: DevServer,
) -> None:
    run_id = run_of(api_environment, quality_schemas=[TONE])
    call = Caller(api_environment)
    prefactor_otel.record_quality(run_id, "tone", {"kind": 0.5})
    assert call.get(f"/agent_instance/{run_id}").details["quality_payloads"] == {
        "tone": {"kind": 0.5}
    }
    prefactor_otel.record_quality(run_id, "tone", None)
    assert call.get(f"/agent_instance/{run_id}").details["quality_payloads"] == {}


def test_a_quality_that_is_not_declared_names_the_option(api_environment: DevServer) -> None:
    run_id = run_of(api_environment)
    with pytest.raises(PrefactorUndeclaredError) as caught:
        prefactor_otel.record_quality(run_id, "tone", {})
    assert "PREFACTOR_QUALITY_SCHEMAS" in str(caught.value)
    assert "quality_schemas=" in str(caught.value)
    assert run_id in str(caught.value)


def test_feedback_on_a_run_that_goes_on_is_a_span_with_a_rating(
    api_environment: DevServer,
) -> None:
    run_id = run_of(api_environment, is_over=False)
    [step] = api_environment.spans(run_id)
    prefactor_otel.feedback(run_id, rating="up", comment="good", span_id=step["id"])
    prefactor_otel.feedback(run_id, rating=False, span_id=0xAB)
    first, second = feedback_in(api_environment, run_id)
    assert first["payload"]["inputs"]["feedback"] == {
        "rating": "up",
        "comment": "good",
        "span_id": step["id"],
    }
    assert (first["parent_span_id"], first["status"]) == (step["id"], "complete")
    assert second["payload"]["inputs"]["feedback"] == {
        "rating": "down",
        "span_id": "00000000000000ab",
    }
    assert second["parent_span_id"] is None
    assert first["schema_mismatches"] == second["schema_mismatches"] == []


@pytest.mark.parametrize(("rating", "shown"), [(True, "up"), (False, "down"), ("down", "down")])
def test_a_thumb_is_what_dashboards_count(
    rating: Any, shown: str, api_environment: DevServer
) -> None:
    run_id = run_of(api_environment, is_over=False)
    prefactor_otel.feedback(run_id, rating=rating)
    [row] = feedback_in(api_environment, run_id)
    assert row["payload"]["inputs"]["feedback"]["rating"] == shown


def test_feedback_on_a_run_that_is_over_needs_nothing_declared(
    api_environment: DevServer,
) -> None:
    run_id = run_of(api_environment)
    call = Caller(api_environment)
    path = f"/agent_instance/{run_id}"
    call("PUT", path, {"details": {"quality_payload": {"score": 1}}})
    prefactor_otel.feedback(run_id, rating=True, comment="good")
    prefactor_otel.feedback(run_id, rating=False)
    shown = call.get(path).details["quality_payload"]
    assert shown == {"score": 1, "feedback": {"rating": "down"}}


def test_feedback_on_a_run_that_is_over_is_its_quality_where_that_is_declared(
    api_environment: DevServer,
) -> None:
    schema = {"name": "feedback", "schema": {"type": "object"}}
    run_id = run_of(api_environment, quality_schemas=[schema])
    prefactor_otel.feedback(run_id, rating="down")
    row = Caller(api_environment).get(f"/agent_instance/{run_id}").details
    assert row["quality_payloads"] == {"feedback": {"rating": "down"}}
    assert row["quality_payload"] is None


def test_an_api_that_drops_the_older_form_silently_is_not_believed(
    api_environment: DevServer,
) -> None:
    run_id = run_of(api_environment)
    body = '{"status": "success", "details": {"quality_payload": null}}'
    api_environment.faults.add(method="PUT", status=200, body=body)
    with pytest.raises(PrefactorUndeclaredError, match="declares no quality 'feedback'"):
        prefactor_otel.feedback(run_id, rating="up")


def test_feedback_on_a_span_that_is_not_there_is_refused(api_environment: DevServer) -> None:
    run_id = run_of(api_environment, is_over=False)
    nowhere = pfid.generate(pfid.partition_of(run_id))
    with pytest.raises(PrefactorRequestError, match="span_id: the run has no such span"):
        prefactor_otel.feedback(run_id, rating="up", span_id=nowhere)


def test_an_alert_is_raised_changed_and_cleared(api_environment: DevServer) -> None:
    run_id = run_of(api_environment)
    prefactor_otel.raise_alert(run_id, "loop", "warning")
    prefactor_otel.raise_alert(run_id, "loop", "critical", {"steps": 90})
    call = Caller(api_environment)
    [row] = call.get("/alerts", agent_instance_id=run_id).summaries
    assert (row["severity"], row["status"]) == ("critical", "raised")
    prefactor_otel.clear_alert(run_id, "loop", {"by": "somebody"})
    shown = call.get(f"/alerts/{row['id']}").details
    assert (shown["status"], shown["payload"]) == ("cleared", {"by": "somebody"})
    with pytest.raises(PrefactorUnknownAlertError, match="has no open alert 'loop'") as caught:
        prefactor_otel.clear_alert(run_id, "loop")
    assert caught.value.status == 409


def test_an_alert_that_was_never_raised_is_told_from_an_unknown_run(
    api_environment: DevServer,
) -> None:
    run_id = run_of(api_environment)
    with pytest.raises(PrefactorUnknownAlertError, match="has no open alert 'never'") as caught:
        prefactor_otel.clear_alert(run_id, "never")
    assert (caught.value.status, run_id in str(caught.value)) == (404, True)


def test_an_answer_that_does_not_say_what_is_unknown_is_told_as_both(
    api_environment: DevServer,
) -> None:
    body = '{"status": "error", "code": "not_found", "message": "Not found"}'
    api_environment.faults.add(path="/api/v1/alerts/clear", status=404, body=body)
    with pytest.raises(PrefactorUnknownAlertError, match="no such run, or no open alert 'loop'"):
        prefactor_otel.clear_alert("some-run", "loop")
    api_environment.faults.add(path="/api/v1/alerts/raise", status=404, body=body)
    with pytest.raises(PrefactorUnknownRunError, match="some-run"):
        prefactor_otel.raise_alert("some-run", "loop", "info")


@every_saying
def test_an_unknown_run_is_told(
    saying: Callable[[str], object], api_environment: DevServer
) -> None:
    partition = pfid.partition_of(api_environment.account_id)
    for run_id in (pfid.generate(partition), pfid.generate(partition ^ 1), "nonsense"):
        with pytest.raises(PrefactorUnknownRunError, match=run_id):
            saying(run_id)


@every_saying
@pytest.mark.parametrize("run_id", ["", "..", None])
def test_what_is_no_id_is_refused_before_anything_is_sent(
    saying: Callable[[Any], object], run_id: object, api_environment: DevServer
) -> None:
    with pytest.raises(ValueError, match="run_id must be the id of a run"):
        saying(run_id)
    assert api_environment.requests == []


@every_saying
def test_a_refused_token_is_told_and_not_shown(
    saying: Callable[[str], object], api_environment: DevServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFACTOR_API_TOKEN", "pf_wrong_token")
    with pytest.raises(PrefactorTokenError, match="PREFACTOR_API_TOKEN") as caught:
        saying("some-run")
    assert caught.value.status == 401
    assert "pf_wrong" not in str(caught.value)


@every_saying
def test_no_token_is_told(saying: Callable[[str], object]) -> None:
    with pytest.raises(PrefactorConfigError, match="set PREFACTOR_API_TOKEN or pass api_token="):
        saying("some-run")


@pytest.mark.parametrize("dead", [refusing, never_answering, unavailable])
def test_an_api_that_is_away_is_told_in_time(dead: Any) -> None:
    with dead() as url, pytest.raises(PrefactorUnavailableError, match="could not be reached"):
        prefactor_otel.feedback(
            "some-run", rating="up", api_url=url, api_token="pf_some_token", timeout=0.3
        )


def test_every_error_is_ours_and_goes_to_other_processes(api_environment: DevServer) -> None:
    with pytest.raises(PrefactorError) as caught:
        prefactor_otel.record_quality("nonsense", "tone", {})
    copied = pickle.loads(pickle.dumps(caught.value))
    assert (type(copied), str(copied), copied.status) == (
        PrefactorUnknownRunError,
        str(caught.value),
        404,
    )


@pytest.mark.parametrize(
    "fault", [{"drop": "after"}, {"drop": "before"}, {"status": 503}, {"status": 429}]
)
def test_an_attempt_that_fails_is_repeated_and_counts_once(
    fault: dict[str, Any], api_environment: DevServer
) -> None:
    run_id = run_of(api_environment, is_over=False)
    api_environment.faults.add(path="/api/v1/agent_spans", times=2, **fault)
    prefactor_otel.feedback(run_id, rating="up")
    assert len(feedback_in(api_environment, run_id)) == 1
    tried = [each for each in api_environment.requests if each.path == "/api/v1/agent_spans"]
    assert len(tried) == 3
    assert len({each.raw for each in tried}) == 1


def test_a_running_exporter_lends_its_settings(api: DevServer) -> None:
    run_id = run_of(api, is_over=False, mask="emails")
    prefactor_otel.feedback(run_id, rating="up", comment="ask a@example.com")
    [row] = feedback_in(api, run_id)
    assert "example.com" not in row["payload"]["inputs"]["feedback"]["comment"]


def test_of_several_accounts_one_must_be_named(api: DevServer) -> None:
    with DevServer() as other:
        run_id = run_of(api, is_over=False)
        processor = PrefactorSpanProcessor(other.url, other.token)
        with pytest.raises(PrefactorConfigError, match="pass api_url= and api_token="):
            prefactor_otel.feedback(run_id, rating="up")
        prefactor_otel.feedback(run_id, rating="up", api_url=api.url, api_token=api.token)
        processor.shutdown()
    assert len(feedback_in(api, run_id)) == 1


def test_a_token_may_be_asked_for(api: DevServer) -> None:
    run_id = run_of(api, is_over=False)
    prefactor_otel.feedback(run_id, rating="up", api_url=api.url, api_token=lambda: api.token)
    assert len(feedback_in(api, run_id)) == 1
    with pytest.raises(PrefactorTokenError, match="raised ZeroDivisionError"):
        prefactor_otel.feedback(run_id, rating="up", api_url=api.url, api_token=lambda: 1 / 0)  # type: ignore[arg-type,return-value]


async def test_coroutines_leave_the_loop_free(api_environment: DevServer) -> None:
    run_id = await asyncio.to_thread(run_of, api_environment, quality_schemas=[TONE])
    sayings: list[Callable[[], Awaitable[None]]] = [
        lambda: prefactor_otel.arecord_quality(run_id, "tone", {"kind": 1}),
        lambda: prefactor_otel.afeedback(run_id, rating="up"),
        lambda: prefactor_otel.araise_alert(run_id, "loop", "info"),
        lambda: prefactor_otel.aclear_alert(run_id, "loop"),
    ]
    for say in sayings:
        api_environment.faults.add(hang=True, times=1)
        saying = asyncio.ensure_future(say())
        sent = len(api_environment.requests)
        await asyncio.to_thread(api_environment.wait_until, partial(has_more_than, sent))
        assert not saying.done()  # while the API thinks, this loop goes on
        api_environment.faults.clear()
        await saying
    row = Caller(api_environment).get(f"/agent_instance/{run_id}").details
    assert row["quality_payloads"] == {"tone": {"kind": 1}}


async def test_it_may_be_said_on_a_thread_that_runs_a_loop(api_environment: DevServer) -> None:
    run_id = run_of(api_environment, is_over=False)
    prefactor_otel.feedback(run_id, rating="up")
    assert len(feedback_in(api_environment, run_id)) == 1


async def test_a_coroutine_that_is_cancelled_is_cancelled(api_environment: DevServer) -> None:
    api_environment.faults.add(hang=True, times=1)
    saying = asyncio.ensure_future(prefactor_otel.afeedback("run", rating="up"))
    await asyncio.to_thread(api_environment.wait_until, lambda api: api.requests)
    saying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await saying


def test_it_may_be_said_from_any_thread(api_environment: DevServer) -> None:
    run_id = run_of(api_environment, is_over=False)
    threads = [
        threading.Thread(target=prefactor_otel.feedback, args=(run_id,), kwargs={"rating": "up"})
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert len(feedback_in(api_environment, run_id)) == 4


FORKED = """
import os, warnings
warnings.filterwarnings("ignore", "This process", DeprecationWarning)
import atexit
import prefactor_otel

configured = prefactor_otel.configure()
configured.get_tracer("agent").start_span("step").end()
assert configured.force_flush()
run_id = configured.run_id
prefactor_otel.feedback(run_id, rating="up", comment="parent")
pid = os.fork()
if pid == 0:
    prefactor_otel.feedback(run_id, rating="up", comment="child")
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
atexit.register(prefactor_otel.raise_alert, run_id, "at exit", "info")
"""


def test_it_may_be_said_in_a_fork_and_at_the_end(api: DevServer) -> None:
    ended = run_script(FORKED, localhost(api), api.token)
    assert (ended.code, ended.stderr) == (0, "")
    [run] = api.instances()
    comments = [
        row["payload"]["inputs"]["feedback"]["comment"] for row in feedback_in(api, run["id"])
    ]
    assert comments == ["parent", "child"]
    [alert] = Caller(api).get("/alerts").summaries
    assert alert["name"] == "at exit"


def test_saying_something_is_not_traced(api: DevServer) -> None:
    run_id = run_of(api, is_over=False)
    prefactor_otel.feedback(run_id, rating="up")
    assert len(api.spans(run_id)) == 2


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        ({}, "give a rating or a comment"),
        ({"comment": " "}, "give a rating or a comment"),
        ({"comment": 5}, "comment has to be a text"),
        ({"rating": "great"}, "rating has to be 'up' or 'down', or True or False"),
        ({"rating": "UP"}, "rating has to be 'up' or 'down', or True or False"),
        ({"rating": 5}, "rating has to be"),
        ({"rating": 1}, "rating has to be"),
        ({"rating": True, "span_id": "nope"}, "span_id has to be"),
        ({"rating": True, "span_id": ""}, "span_id has to be"),
        ({"rating": True, "span_id": "0" * 16}, "span_id has to be"),
        ({"rating": True, "span_id": -1}, "span_id has to be"),
        ({"rating": True, "span_id": 2**64}, "span_id has to be"),
        ({"rating": True, "span_id": True}, "span_id has to be"),
        ({"rating": True, "timeout": -1}, "timeout has to be"),
        ({"rating": True, "timeout": 0}, "timeout has to be"),
        ({"rating": True, "timeout": math.nan}, "timeout has to be"),
        ({"rating": True, "timeout": "5"}, "timeout has to be"),
    ],
)
def test_feedback_that_nobody_would_count_is_refused(
    said: dict[str, Any], wrong: str, api_environment: DevServer
) -> None:
    with pytest.raises(ValueError, match=wrong):
        prefactor_otel.feedback("run", **said)
    assert api_environment.requests == []


JUDGING: dict[str, Callable[[Any], object]] = {
    "record_quality": lambda payload: prefactor_otel.record_quality("run", "tone", payload),
    "raise_alert": lambda payload: prefactor_otel.raise_alert("run", "loop", "info", payload),
    "clear_alert": lambda payload: prefactor_otel.clear_alert("run", "loop", payload),
}


def looped() -> dict[str, Any]:
    payload: dict[str, Any] = {}
    payload["again"] = payload
    return payload


@pytest.mark.parametrize("say", JUDGING.values(), ids=JUDGING.keys())
@pytest.mark.parametrize(
    ("payload", "wrong"),
    [
        ([1], "payload has to be an object, .* and is of the type list"),
        ("secret", "payload has to be an object, .* and is of the type str"),
        ({"score": math.nan}, r"payload\['score'\] is NaN or infinite"),
        ({"a": [1, {"b": -math.inf}]}, r"payload\['a'\]\[1\]\['b'\] is NaN or infinite"),
        ({"a": ({"secret"},)}, r"payload\['a'\]\[0\] is of the type set"),
        ({"a": object()}, r"payload\['a'\] is of the type object"),
        ({"a": b"secret"}, r"payload\['a'\] is of the type bytes"),
        ({"a": 2**64}, r"payload\['a'\] is an integer of more than 64 bits"),
        ({"a": {7: "secret"}}, r"payload\['a'\] has a key that is no text"),
        (looped(), "is nested too deep"),
    ],
    ids=["list", "text", "nan", "infinite", "set", "object", "bytes", "long", "key", "loop"],
)
def test_a_payload_that_would_not_arrive_as_it_is_is_refused_without_its_content(
    say: Callable[[Any], object], payload: Any, wrong: str, api_environment: DevServer
) -> None:
    with pytest.raises(ValueError, match=wrong) as caught:
        say(payload)
    assert "secret" not in str(caught.value)
    assert api_environment.requests == []


def test_a_payload_may_hold_what_has_one_form_in_json(api_environment: DevServer) -> None:
    run_id = run_of(api_environment, quality_schemas=[TONE])
    day = datetime(2026, 1, 2, tzinfo=UTC)
    prefactor_otel.record_quality(run_id, "tone", {"at": day, "of": ("a", None, 1.5, True)})
    row = Caller(api_environment).get(f"/agent_instance/{run_id}").details
    assert row["quality_payloads"] == {
        "tone": {"at": "2026-01-02T00:00:00+00:00", "of": ["a", None, 1.5, True]}
    }


def test_a_severity_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="severity must be one of"):
        prefactor_otel.raise_alert("run", "x", "loud")  # type: ignore[arg-type]
