"""A run whose end does not arrive: whoever asks is told so."""

from pathlib import Path
from typing import Any

import pytest

import prefactor_otel
from prefactor_otel import PrefactorSpanProcessor, TracerProvider
from prefactor_otel.devserver import DevServer
from tests.patience import PATIENCE, comes_true

TROUBLE: dict[str, dict[str, Any]] = {
    "hanging": {"hang": True},
    "unavailable": {"status": 503},
    "unauthorized": {"status": 401},
    "refused": {"status": 422},
}


def worked(api: DevServer, **options: Any) -> PrefactorSpanProcessor:
    """One whose span has arrived."""
    processor = PrefactorSpanProcessor(api.url, api.token, **options)
    provider = TracerProvider(span_processors=[processor], shutdown_on_exit=False)
    provider.get_tracer("agent").start_span("step").end()
    assert processor.force_flush()
    return processor


@pytest.mark.parametrize("trouble", TROUBLE)
def test_a_run_that_stays_open_is_counted_and_said(
    api: DevServer, caplog: pytest.LogCaptureFixture, trouble: str
) -> None:
    processor = worked(api)
    api.faults.add(path="/finish$", times=None, **TROUBLE[trouble])
    assert not prefactor_otel.shutdown(1000)
    stats = processor.stats()
    assert stats.acknowledged == stats.accepted == 1
    assert stats.unfinished_runs == 1
    [run] = api.instances()
    assert run["status"] == "active"
    said = [record.getMessage() for record in caplog.records]
    about_it = "finish_run item" if trouble == "refused" else "1 run open on Prefactor"
    assert len([line for line in said if about_it in line]) == 1


def test_a_run_that_is_finished_is_not_counted(api: DevServer) -> None:
    processor = worked(api, shutdown_timeout=PATIENCE)
    assert prefactor_otel.shutdown()
    assert processor.stats().unfinished_runs == 0


def test_a_run_that_the_next_process_finishes_is_said_and_not_counted(
    api: DevServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    processor = worked(api, spool_dir=tmp_path / "spool")
    api.faults.add(path="/finish$", status=503, times=None)
    assert not prefactor_otel.shutdown(1000)
    assert processor.stats().unfinished_runs == 0
    assert "1 run not finished yet" in caplog.text
    api.faults.clear()
    heir = PrefactorSpanProcessor(api.url, api.token, spool_dir=tmp_path / "spool")
    assert comes_true(lambda: api.instances()[0]["status"] == "complete")
    heir.shutdown()


def test_an_exporter_that_is_off_has_not_delivered_what_it_was_given() -> None:
    processor = PrefactorSpanProcessor()
    assert prefactor_otel.flush()
    assert prefactor_otel.shutdown()
    provider = TracerProvider(span_processors=[processor], shutdown_on_exit=False)
    provider.get_tracer("agent").start_span("step").end()
    assert not prefactor_otel.flush()
    assert not prefactor_otel.shutdown()
