"""What other threads read of the work says whether it is worth waiting for."""

import pytest

from prefactor_otel.pipeline.snapshot import STALLED_AFTER, Snapshot

NOW = 1_000.0
WELL = Snapshot(
    at=NOW,
    failing=False,
    paused=False,
    sending_since=None,
    run_id="an instance",
    is_refused=False,
    is_terminated=False,
    waits_for_spans=False,
    is_closed=False,
)


@pytest.mark.parametrize(
    ("state", "snapshot"),
    [
        ("running", WELL),
        ("starting", WELL._replace(run_id=None)),
        ("running", WELL._replace(run_id=None, waits_for_spans=True)),
        ("terminated", WELL._replace(is_terminated=True)),
        ("paused", WELL._replace(is_terminated=True, paused=True)),
        ("failed", WELL._replace(paused=True, is_refused=True)),
        ("closed", WELL._replace(is_refused=True, is_closed=True)),
    ],
)
def test_the_state_is_what_matters_most(state: str, snapshot: Snapshot) -> None:
    assert snapshot.state == state


def test_an_api_that_answers_in_time_is_waited_for() -> None:
    assert WELL.is_answering
    assert WELL._replace(sending_since=NOW - STALLED_AFTER).is_answering


@pytest.mark.parametrize(
    "snapshot",
    [
        WELL._replace(failing=True),
        WELL._replace(sending_since=NOW - STALLED_AFTER - 0.1),
        WELL._replace(is_refused=True),
    ],
)
def test_nobody_waits_for_an_api_that_fails_or_is_silent_or_refuses_the_run(
    snapshot: Snapshot,
) -> None:
    assert not snapshot.is_answering


def test_a_refusal_is_an_answer() -> None:
    assert not WELL._replace(is_refused=True).is_silent
