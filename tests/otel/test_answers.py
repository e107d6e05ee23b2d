"""What each answer of the API means for what was sent: done, never, later."""

import asyncio

import aiohttp
import pytest

from prefactor_otel.answers import Verdict, judge_output, judge_request
from prefactor_otel.api import ApiError
from prefactor_otel.items import Operation
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


def test_a_reason_names_fields_and_never_quotes_what_was_sent() -> None:
    output = {
        "status": "error",
        "code": "validation_errors",
        "message": "payload SECRET is wrong",
        "errors": {"payload": ["SECRET is wrong"], "status": ["no"]},
    }
    assert judge_output(Operation.CREATE, output).reason == "validation_errors (payload, status)"
