"""What each answer of the API means for what was sent: done, never, later."""

import asyncio

import aiohttp
import pytest

from prefactor_otel.delivery.asking import ended, status_in
from prefactor_otel.delivery.client import ApiError
from prefactor_otel.delivery.operation import Operation
from prefactor_otel.delivery.verdicts import (
    Answer,
    Verdict,
    judge_cancelled,
    judge_output,
    judge_refusal,
    judge_request,
)
from prefactor_otel.stats.counters import DropReason
from prefactor_otel_transport.session import Reply


def told(status: int, code: str = "some_code", *, retry_after: float | None = None) -> ApiError:
    """An answer with the API's error envelope."""
    envelope = {"status": "error", "code": code, "message": "m"}
    return ApiError(Reply(status, b"", retry_after=retry_after), envelope)


def unreadable(status: int) -> ApiError:
    """An answer that holds no JSON object."""
    return ApiError(Reply(status, b"<html>"))


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (aiohttp.ClientConnectionError(), Verdict.LATER),
        (aiohttp.ServerDisconnectedError(), Verdict.LATER),
        (TimeoutError(), Verdict.LATER),
        (asyncio.IncompleteReadError(b"", 1), Verdict.LATER),
        (OSError(), Verdict.LATER),
        (told(401), Verdict.UNAUTHORIZED),
        (told(403), Verdict.UNAUTHORIZED),
        (told(400), Verdict.APART),
        (told(422), Verdict.APART),
        *[(told(status), Verdict.NEVER) for status in (402, 404, 405, 409, 410, 418)],
        *[(told(status), Verdict.LATER) for status in (408, 425, 429)],
        *[(told(status), Verdict.LATER) for status in (500, 501, 502, 503, 504, 599)],
        (told(413), Verdict.SMALLER),
        *[
            (redirect(status), Verdict.LATER)
            for redirect in (told, unreadable)
            for status in (300, 301, 302, 303, 304, 307, 308)
        ],
        (unreadable(200), Verdict.LATER),
        (unreadable(400), Verdict.APART),
        (unreadable(401), Verdict.UNAUTHORIZED),
        (unreadable(403), Verdict.UNAUTHORIZED),
        *[(unreadable(status), Verdict.LATER) for status in (402, 404, 405, 410, 423, 499)],
        (unreadable(413), Verdict.SMALLER),
        (unreadable(429), Verdict.LATER),
        (unreadable(502), Verdict.LATER),
    ],
    ids=repr,
)
def test_every_failure_of_a_request_has_its_verdict(error: Exception, verdict: Verdict) -> None:
    assert judge_request(error).verdict is verdict


@pytest.mark.parametrize(("asked", "believed"), [(7.0, 7.0), (315_360_000.0, 300.0)])
def test_a_wait_that_the_server_asked_for_is_passed_on_within_reason(
    asked: float, believed: float
) -> None:
    assert judge_request(told(429, retry_after=asked)).retry_after == believed


def test_a_redirect_is_told_by_status_and_host() -> None:
    reply = Reply(307, b"", redirect="https://elsewhere.example")
    assert judge_request(ApiError(reply)).reason == (
        "HTTP 307, a redirect to https://elsewhere.example that is not followed"
    )


@pytest.mark.parametrize(
    ("operation", "output", "verdict"),
    [
        (Operation.CREATE, {"status": "success", "details": {}}, Verdict.DONE),
        (Operation.CREATE, None, Verdict.LATER),
        (Operation.CREATE, "junk", Verdict.LATER),
        (Operation.CREATE, {"status": "error", "code": "validation_errors"}, Verdict.NEVER),
        (Operation.CREATE, {"status": "error", "code": "not_found"}, Verdict.NEVER),
        (Operation.CREATE, {"status": "error", "code": "invalid_action"}, Verdict.NEVER),
        (Operation.CREATE, {"status": "error", "code": "rate_limited"}, Verdict.LATER),
        (Operation.CREATE, {"status": "error", "code": "service_unavailable"}, Verdict.LATER),
        (Operation.CREATE, {"status": "error"}, Verdict.NEVER),
        (Operation.FINISH_SPAN, {"status": "error", "code": "invalid_action"}, Verdict.DONE),
        (Operation.FINISH_SPAN, {"status": "error", "code": "not_found"}, Verdict.NEVER),
    ],
)
def test_every_output_of_a_bulk_answer_has_its_verdict(
    operation: Operation, output: object, verdict: Verdict
) -> None:
    assert judge_output(operation, output).verdict is verdict


def error(code: str | None, *fields: str) -> dict[str, object]:
    """What a bulk answer holds for an item that is refused."""
    return {
        "status": "error",
        "code": code,
        "message": "m",
        "errors": {name: ["x"] for name in fields},
    }


@pytest.mark.parametrize("operation", [Operation.CREATE, Operation.FINISH_SPAN])
@pytest.mark.parametrize(
    ("output", "verdict"),
    [
        (error("invalid_action", "status"), Verdict.AS_FAILED),
        (error("conflict"), Verdict.AS_FAILED),
        (error("bad_request"), Verdict.AS_FAILED),
        (error("validation_errors", "finished_at"), Verdict.AS_FAILED),
        (error("some_other_code"), Verdict.AS_FAILED),
        (error(None), Verdict.AS_FAILED),
        (error("not_found"), Verdict.NEVER),
    ],
)
def test_what_is_refused_as_cancelled_is_tried_as_failed(
    operation: Operation, output: object, verdict: Verdict
) -> None:
    answer = judge_cancelled(judge_output(operation, output))
    assert (answer.verdict, answer.about_state) == (verdict, False)


@pytest.mark.parametrize(
    ("operation", "output", "asks"),
    [
        (Operation.CREATE, error("invalid_action"), True),
        (Operation.CREATE, error("conflict"), True),
        (Operation.CREATE, error("bad_request"), True),
        (Operation.CREATE, error("validation_errors", "agent_instance_id"), True),
        (Operation.CREATE, error("validation_errors", "payload"), False),
        (Operation.CREATE, error("not_found"), False),
        (Operation.FINISH_SPAN, error("invalid_action"), True),
        (Operation.FINISH_SPAN, error("validation_errors", "timestamp"), False),
        (Operation.CREATE, {"status": "success", "details": {}}, False),
        (Operation.CREATE, error("rate_limited"), False),
        (Operation.CREATE, None, False),
    ],
)
def test_what_may_be_refused_because_the_run_is_over_asks_the_run(
    operation: Operation, output: object, asks: bool
) -> None:
    assert judge_output(operation, output).about_state is asks


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        *((status, DropReason.RUN_OVER) for status in ("complete", "failed", "cancelled")),
        ("terminated", DropReason.RUN_TERMINATED),
        *((status, None) for status in ("pending", "active", "a status of tomorrow", None, 7)),
    ],
)
def test_the_status_of_a_run_tells_whether_it_is_over(
    status: object, reason: DropReason | None
) -> None:
    assert ended(status_in({"status": "success", "details": {"status": status}})) is reason


@pytest.mark.parametrize("answer", [{}, {"details": None}, {"details": {}}, {"status": "complete"}])
def test_an_answer_that_shows_no_run_says_nothing_of_it(answer: dict[str, object]) -> None:
    assert status_in(answer) is None


@pytest.mark.parametrize("status", [400, 409, 422])
@pytest.mark.parametrize("operation", [Operation.CREATE, Operation.FINISH_SPAN])
def test_a_refusal_of_one_is_the_same_in_a_request_of_its_own(
    operation: Operation, status: int
) -> None:
    alone = judge_request(told(status, "invalid_action"))
    among_others = judge_output(operation, error("invalid_action"))
    assert judged(judge_refusal(operation, alone)) == judged(among_others)


def judged(answer: Answer) -> tuple[Verdict, bool, object]:
    return answer.verdict, answer.about_state, answer.code


def test_only_a_conflict_speaks_of_the_state_of_a_run() -> None:
    statuses = (400, 401, 403, 404, 409, 413, 422, 429, 500)
    assert [s for s in statuses if judge_request(told(s)).about_state] == [409]
    assert [s for s in statuses if judge_request(unreadable(s)).about_state] == [409]


def test_a_reason_names_fields_and_never_quotes_what_was_sent() -> None:
    output = {
        "status": "error",
        "code": "validation_errors",
        "message": "payload SECRET is wrong",
        "errors": {"payload": ["SECRET is wrong"], "status": ["no"]},
    }
    assert judge_output(Operation.CREATE, output).reason == "validation_errors (payload, status)"
