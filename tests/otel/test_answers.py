"""What each answer of the API means for what was sent: done, never, later."""

import asyncio

import aiohttp
import pytest

from prefactor_http import (
    PrefactorApiError,
    PrefactorAuthError,
    PrefactorNotFoundError,
    PrefactorResponseContractError,
    PrefactorRetryExhaustedError,
    PrefactorValidationError,
)
from prefactor_otel.answers import Verdict, judge_output, judge_request
from prefactor_otel.items import Operation


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (aiohttp.ClientConnectionError(), Verdict.LATER),
        (aiohttp.ServerDisconnectedError(), Verdict.LATER),
        (TimeoutError(), Verdict.LATER),
        (asyncio.IncompleteReadError(b"", 1), Verdict.LATER),
        (OSError(), Verdict.LATER),
        (PrefactorAuthError("m", "bad_authtoken", 401), Verdict.UNAUTHORIZED),
        (PrefactorAuthError("m", "forbidden", 403), Verdict.UNAUTHORIZED),
        (PrefactorNotFoundError("m", "not_found", 404), Verdict.NEVER),
        (PrefactorValidationError("m", "validation_errors", 422, {}), Verdict.APART),
        (PrefactorValidationError("m", "validation_errors", 400, {}), Verdict.APART),
        *[(PrefactorApiError("m", "c", s), Verdict.NEVER) for s in (402, 405, 409, 410, 418)],
        *[(PrefactorApiError("m", "c", s), Verdict.LATER) for s in (408, 425, 429)],
        *[(PrefactorApiError("m", "c", s), Verdict.LATER) for s in (500, 501, 502, 503, 504, 599)],
        (PrefactorApiError("m", "c", 413), Verdict.SMALLER),
        *[
            (PrefactorResponseContractError("m", status_code=s), verdict)
            for s, verdict in (
                (None, Verdict.LATER),
                (200, Verdict.LATER),
                (302, Verdict.LATER),
                (400, Verdict.APART),
                (401, Verdict.UNAUTHORIZED),
                (403, Verdict.UNAUTHORIZED),
                *((of_a_proxy, Verdict.LATER) for of_a_proxy in (402, 404, 405, 410, 423, 499)),
                (413, Verdict.SMALLER),
                (429, Verdict.LATER),
                (502, Verdict.LATER),
            )
        ],
        (PrefactorRetryExhaustedError("m", TimeoutError()), Verdict.LATER),
        (PrefactorRetryExhaustedError("m", PrefactorApiError("m", "c", 413)), Verdict.SMALLER),
    ],
    ids=lambda value: f"{value!r} {getattr(value, 'status_code', '')}",
)
def test_every_failure_of_a_request_has_its_verdict(error: Exception, verdict: Verdict) -> None:
    assert judge_request(error).verdict is verdict


def test_a_wait_that_the_server_asked_for_is_passed_on() -> None:
    error = PrefactorApiError("m", "c", 429)
    error.retry_after = 7.0
    assert judge_request(error).retry_after == 7.0


def test_a_wait_of_years_is_not_believed() -> None:
    error = PrefactorApiError("m", "c", 429)
    error.retry_after = 315_360_000.0
    assert judge_request(error).retry_after == 300.0


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
