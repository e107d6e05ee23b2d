"""Nothing is sent to another host, and nothing is lost because of it."""

import pytest

from prefactor_otel import PrefactorSpanProcessor, TracerProvider
from prefactor_otel.devserver import DevServer
from tests.cli.command import run_command
from tests.elsewhere import elsewhere
from tests.patience import PATIENCE, comes_true

STATUSES = [301, 302, 303, 307, 308]
CALLS = ["/register", "/start", "/bulk", "/finish"]


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("path", CALLS)
def test_spans_wait_where_a_request_is_redirected(
    api: DevServer, status: int, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    with elsewhere() as other:
        processor = PrefactorSpanProcessor(api.url, api.token, shutdown_timeout=PATIENCE)
        provider = TracerProvider(span_processors=[processor], shutdown_on_exit=False)
        api.faults.add(path=path, status=status, location=f"{other.url}/a?b={api.token}")
        provider.get_tracer("agent").start_span("a prompt").end()
        provider.shutdown()
    assert (other.connections, other.received) == (0, b"")
    assert processor.stats().acknowledged == 1
    assert [span["payload"]["name"] for span in api.spans()] == ["a prompt"]
    assert [run["status"] for run in api.instances()] == ["complete"]
    assert caplog.records[0].getMessage() == (
        f"Prefactor cannot be reached (HTTP {status}, a redirect to {other.url} that is not "
        "followed); spans wait, and are sent again"
    )
    assert caplog.text.count("redirect") == 1


def test_a_server_that_only_redirects_gets_nothing_delivered(
    api: DevServer, caplog: pytest.LogCaptureFixture
) -> None:
    with elsewhere() as other:
        api.faults.add(status=307, location=other.url, times=None)
        processor = PrefactorSpanProcessor(api.url, api.token, shutdown_timeout=0.1)
        provider = TracerProvider(span_processors=[processor], shutdown_on_exit=False)
        provider.get_tracer("agent").start_span("a prompt").end()
        while processor.stats().requests < 2:
            assert not provider.force_flush(50)
        provider.shutdown()
    stats = processor.stats()
    assert (other.connections, other.received) == (0, b"")
    assert (stats.acknowledged, sum(stats.dropped.values())) == (0, 1)
    assert sum("redirect" in record.getMessage() for record in caplog.records) == 1


def test_the_poller_follows_none(api: DevServer) -> None:
    with elsewhere() as other:
        processor = PrefactorSpanProcessor(api.url, api.token, poll_interval=0.01)
        provider = TracerProvider(span_processors=[processor], shutdown_on_exit=False)
        with provider.get_tracer("agent").start_as_current_span("open"):
            assert provider.force_flush()
            api.faults.add(method="GET", status=302, location=other.url, times=3)
            assert comes_true(lambda: not api.faults.pending())
        provider.shutdown()
    assert (other.connections, other.received) == (0, b"")


@pytest.mark.parametrize("path", ["/ping", "/register", "/finish"])
def test_the_doctor_follows_none_and_names_it(api: DevServer, path: str) -> None:
    with elsewhere() as other:
        api.faults.add(path=path, status=308, location=f"{other.url}/a?b=c", times=None)
        done = run_command("doctor", PREFACTOR_API_URL=api.url, PREFACTOR_API_TOKEN=api.token)
    assert (other.connections, other.received) == (0, b"")
    assert done.returncode == 1
    assert f"redirects to {other.url} (HTTP 308)" in done.stdout
    assert "Nothing is sent to where a redirect points" in done.stdout
    assert "b=c" not in done.stdout
