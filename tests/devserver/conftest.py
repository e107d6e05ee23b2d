"""A server for each test, and somebody to call it."""

from collections.abc import Iterator

import pytest

from prefactor_otel.devserver import DevServer
from tests.devserver.calls import Caller


@pytest.fixture
def server(lenient_cancel: bool) -> Iterator[DevServer]:
    with DevServer(lenient_cancel=lenient_cancel) as running:
        yield running


@pytest.fixture
def call(server: DevServer) -> Caller:
    return Caller(server)
