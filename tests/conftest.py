"""A clean environment, and the API on a real socket."""

import os
from collections.abc import Iterator

import pytest

from prefactor_otel.devserver import DevServer


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the machine reaches a test."""
    for name in list(os.environ):
        if name.startswith(("PREFACTOR_", "OTEL_", "OPENINFERENCE_")) or name.lower().endswith(
            "_proxy"
        ):
            monkeypatch.delenv(name)


@pytest.fixture
def api() -> Iterator[DevServer]:
    """A strict local API with scripted faults."""
    with DevServer() as server:
        yield server


@pytest.fixture
def api_environment(api: DevServer, monkeypatch: pytest.MonkeyPatch) -> DevServer:
    """The same, with the two variables that users set."""
    monkeypatch.setenv("PREFACTOR_API_URL", api.url)
    monkeypatch.setenv("PREFACTOR_API_TOKEN", api.token)
    return api
