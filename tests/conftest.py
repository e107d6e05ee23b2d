"""A clean environment, the API on a real socket, and how the tests share the machine."""

import os
import signal
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

import prefactor_otel
from prefactor_otel.devserver import DevServer
from tests.patience import PATIENCE

WORKERS_A_CORE = 1.5
"""More than one: many tests only wait, for a process or for a timeout that they are about."""

settings.register_profile(
    "busy machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("busy machine")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """How many processes run the tests; none but this one for single files and tests, which would
    be over before others are up, for writing snapshots, and where nothing is run."""
    places = [config.invocation_params.dir / each.partition("::")[0] for each in config.args]
    options = config.option
    if all(map(Path.is_file, places)) or options.update_snapshots or options.collectonly:
        return 0
    return round(WORKERS_A_CORE * (os.cpu_count() or 1))


Figure = Callable[[str], None]


@pytest.fixture
def figure(record_property: Callable[[str, object], None]) -> Figure:
    """Have a line with what was measured shown at the end, whichever process measured it."""
    return partial(record_property, "figure")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed"):
        for name, line in report.user_properties:
            if name == "figure":
                terminalreporter.write_line(str(line))


@pytest.fixture(scope="session", autouse=True)
def signals_reach_children() -> None:
    """A shell has its background jobs ignore signals, and children inherit that. A handler that
    does nothing is as good here, and is not inherited."""
    for number in signal.valid_signals():
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the machine reaches a test."""
    for name in list(os.environ):
        if name.startswith(("PREFACTOR_", "OTEL_", "OPENINFERENCE_")) or name.lower().endswith(
            "_proxy"
        ):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def nothing_outlives_its_test(clean_environment: None) -> Iterator[None]:
    """What a test has left open would look for its API for ever, and find that of another test
    which has got the port."""
    yield
    prefactor_otel.shutdown(timeout_millis=0)


@pytest.fixture
def lenient_cancel() -> bool:
    """Whether the API lets what has begun be cancelled. The stricter reading is the default, and
    ``under_either_reading`` runs a test under both."""
    return False


@pytest.fixture
def api(lenient_cancel: bool) -> Iterator[DevServer]:
    """A strict local API with scripted faults."""
    with DevServer(lenient_cancel=lenient_cancel) as server:
        yield server


@pytest.fixture
def cancelled(lenient_cancel: bool) -> str:
    """The status that the API has of what was cancelled after it had begun."""
    return "cancelled" if lenient_cancel else "failed"


@pytest.fixture
def api_environment(api: DevServer, monkeypatch: pytest.MonkeyPatch) -> DevServer:
    """The same, with the two variables that users set, and all the time for what is to be sent."""
    monkeypatch.setenv("PREFACTOR_API_URL", api.url)
    monkeypatch.setenv("PREFACTOR_API_TOKEN", api.token)
    monkeypatch.setenv("PREFACTOR_SHUTDOWN_TIMEOUT", str(PATIENCE))
    return api
