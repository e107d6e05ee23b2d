"""One browser for the tests of a file, and pages in it."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from prefactor_otel.devserver import DevServer
from tests.devserver.calls import Caller
from tests.page.browser import ARGUMENTS, CHROMIUM, NO_BROWSER, visited

Visit = Callable[..., AbstractContextManager[Page]]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Ends with the file: while it is open, no other event loop can run in this thread."""
    if CHROMIUM is None:
        pytest.skip(NO_BROWSER)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield running
        running.close()


@pytest.fixture
def visit(browser: Browser, api: DevServer) -> Visit:
    """Opens the page of this test's server, at the view that is named."""
    return partial(visited, browser, api)


@pytest.fixture
def call(api: DevServer) -> Caller:
    return Caller(api)
