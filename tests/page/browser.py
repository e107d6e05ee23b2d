"""The page in a real browser: opened by its link, with what it must never do watched over."""

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Protocol

from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Response, expect

from tests.patience import PATIENCE

CHROMIUM: Final = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
NO_BROWSER: Final = "there is no Chromium here: apt-get install chromium brings one"
ARGUMENTS: Final = (
    "--no-sandbox",  # which root cannot have
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
SCREENSHOTS: Final = Path(__file__).parent / "screenshots"
WIDE: Final = (1280, 800)
NARROW: Final = (390, 844)

expect.set_options(timeout=PATIENCE * 1000)


class Served(Protocol):
    """Where the page is, and a link that opens it once."""

    @property
    def url(self) -> str: ...

    def page_link(self) -> str: ...


class Watched:
    """What a page has done that it must not: errors, refused content, requests to other hosts."""

    def __init__(self, page: Page, server: Served) -> None:
        self.faults: list[str] = []
        self.refusals: list[int] = []
        """Answers of the server that are no success, in their order."""
        self._server = server
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        page.on("request", self._asked)
        page.on("response", self._answered)
        page.on("dialog", lambda dialog: self.faults.append(f"dialog: {dialog.message}"))

    def _said(self, message: ConsoleMessage) -> None:
        is_about_answer = message.text.startswith("Failed to load resource")
        if message.type in ("error", "warning") and not is_about_answer:
            self.faults.append(f"{message.type}: {message.text}")

    def _asked(self, request: Request) -> None:
        if not request.url.startswith((f"{self._server.url}/", "data:")):
            self.faults.append(f"request: {request.url}")

    def _answered(self, response: Response) -> None:
        if response.status >= 400:
            self.refusals.append(response.status)


@contextmanager
def visited(
    browser: Browser,
    server: Served,
    view: str = "",
    *,
    size: tuple[int, int] = WIDE,
    theme: Any = "light",
    may_be_refused: bool = False,
) -> Iterator[Page]:
    """The page as a person sees it who has followed a link of this server, at a view of it."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, color_scheme=theme, locale="en-GB"
    )
    context.set_default_timeout(PATIENCE * 1000)
    try:
        page = context.new_page()
        watched = Watched(page, server)
        page.goto(server.page_link())
        expect(page.locator(".connection")).to_have_text("Live")
        if view:
            page.goto(f"{server.url}/{view}")
        yield page
        assert watched.faults == []
        assert may_be_refused or watched.refusals == []
    finally:
        context.close()


def kept(page: Page, name: str) -> None:
    """Keep a picture of it, for people to look at."""
    SCREENSHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png")


@contextmanager
def beside(work: Callable[[], object]) -> Iterator[None]:
    """Have something done in a thread of its own, whose end is waited for: to an agent in this
    thread the browser's event loop would look like its own."""
    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        thread.join(PATIENCE)
        assert not thread.is_alive()


def apart(work: Callable[[], object]) -> None:
    """Do it there, and wait."""
    with beside(work):
        pass
