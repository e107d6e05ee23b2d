"""A server for each test, a caller with the token, and a browser without."""

from collections.abc import Iterator

import pytest

from prefactor_otel.devserver import DevServer
from tests.devserver.calls import Caller
from tests.devserver.screen.browser import Browser


@pytest.fixture
def server() -> Iterator[DevServer]:
    with DevServer() as running:
        yield running


@pytest.fixture
def call(server: DevServer) -> Caller:
    return Caller(server)


@pytest.fixture
def browser(server: DevServer) -> Browser:
    return Browser(server)
