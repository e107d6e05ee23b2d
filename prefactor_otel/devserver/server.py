"""The server's life: a thread and loop of its own, or the foreground of the command line."""

import asyncio
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from aiohttp import web

from prefactor_otel.devserver import index, views
from prefactor_otel.devserver.access import Access, is_loopback
from prefactor_otel.devserver.account import Account, OnRun
from prefactor_otel.devserver.app import App
from prefactor_otel.devserver.faults import Faults
from prefactor_otel.devserver.form import Json
from prefactor_otel.devserver.operations import BY_NAME, perform
from prefactor_otel.devserver.record import RecordedRequest, Recorder
from prefactor_otel.devserver.screen import Screen, link_to
from prefactor_otel.devserver.sessions import LINK_LIFE, Sessions
from prefactor_otel.devserver.store import MEMORY, Store
from prefactor_otel.stats.own_logs import unheard

_RECORDED: Final = 10_000
_RECORDED_BYTES: Final = 64 * 2**20
_GRACE: Final = 0.5
_LINE: Final = 2**17
"""Bytes of a request's first line: somebody searches for a whole page of text."""


class DevServer:
    """A local Prefactor API on a real socket, in a thread of its own.

    ``db`` is a file that survives restarts, or ``:memory:``. ``port`` 0 takes a free one, kept
    over ``stop`` and ``start``. Without a ``token`` one is made, and kept in ``db``, which
    nobody else may read; a ``token`` that is given is never stored. Several servers may have one
    ``db`` at a time.
    ``allow_faults`` opens ``/__faults``. ``client_ids=False`` refuses span ids made by clients.
    ``lenient_cancel`` lets runs and spans that have begun be cancelled; else only what is pending
    can be, which is the stricter reading of the API. ``on_run`` is called, on the server's
    thread, with the id, the agent's name and the purpose of each run that is registered.
    Raises ``ValueError`` for a host beyond loopback, or another user's file, without a token.
    """

    def __init__(
        self,
        db: str | Path = MEMORY,
        host: str = "127.0.0.1",
        port: int = 0,
        token: str | None = None,
        allow_faults: bool = True,
        client_ids: bool = True,
        lenient_cancel: bool = False,
        on_run: OnRun | None = None,
    ) -> None:
        if not token and not is_loopback(host):
            raise ValueError(
                f"{host} can be reached from other machines: give a token of your own to bind it"
            )
        self.faults = Faults()
        self._host, self._port = host, port
        self._allow_faults = allow_faults
        self._recorder = Recorder(_RECORDED, _RECORDED_BYTES)
        self._running: tuple[threading.Thread, Callable[[], None]] | None = None
        self._held: socket.socket | None = None
        """Has the port while nobody listens."""
        self._store = Store(db)
        self._store.keep_up = index.keep_up
        self._account = Account(self._store, client_ids=client_ids, lenient_cancel=lenient_cancel)
        try:
            self.token = token or self._account.token()
            index.catch_up(self._store, lambda row: views.span(self._account, row))
        except ValueError:
            self._store.close()
            raise
        self._account.page = self._page_url
        if on_run is not None:
            self._account.on_run = on_run
        self._sessions = Sessions(lambda: self.on_session())
        self.on_session: Callable[[], None] = lambda: None
        """Called, on the server's thread, when a link to the page has been used, or was too old
        when somebody tried it."""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def url(self) -> str:
        """``http://HOST:PORT``; the port is known once the server has been started."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

    @property
    def account_id(self) -> str:
        return self._account.id

    @property
    def agent_id(self) -> str:
        """The default agent: that of the runs that name none, or the name of which was reported
        first."""
        return self._account.agent_id

    @property
    def environment_id(self) -> str:
        return self._account.environment_id

    @property
    def requests(self) -> list[RecordedRequest]:
        """What came in, oldest first: the newest 10,000 requests, or 64 MB of bodies."""
        return self._recorder.kept()

    def instances(self) -> list[Json]:
        """Every run as its detail shows it, oldest first."""
        with self._store.transaction():
            _, rows = self._store.page("agent_instance", {})
            return [views.instance(self._account, row) for row in rows]

    def spans(self, instance_id: str | None = None) -> list[Json]:
        """Every span, or those of one run, oldest first."""
        where = {} if instance_id is None else {"agent_instance_id =": instance_id}
        with self._store.transaction():
            _, rows = self._store.page("agent_span", where)
            return [views.span(self._account, row) for row in rows]

    def page_link(self, life: float = LINK_LIFE) -> str:
        """A link that opens the page in one browser, once, within so many seconds."""
        return link_to(self._page_url(), self._sessions.invite(life))

    def _page_url(self) -> str:
        """A browser needs an address where the server listens on all of them."""
        if self._host in ("0.0.0.0", "::"):
            return f"http://localhost:{self._port}"
        return self.url

    def terminate(self, instance_id: str, reason: str) -> None:
        """Terminate a run, as somebody on the platform's page would. Raises ``ApiError``."""
        operation = BY_NAME["agent_instances/terminate"]
        perform(self._account, operation, instance_id, {"reason": reason}, None)

    def wait_until(self, predicate: Callable[["DevServer"], object], timeout: float = 60.0) -> bool:
        """Block until the predicate holds, looked at now, after each request and when a fault
        strikes; False when the time runs out first."""
        deadline = time.monotonic() + timeout
        while True:
            happened = self._recorder.happened
            if predicate(self):
                return True
            if not self._recorder.wait_beyond(happened, max(0.0, deadline - time.monotonic())):
                return bool(predicate(self))

    def start(self) -> None:
        """Listen. Raises ``OSError`` when the port is taken."""
        if self._running is not None:
            raise RuntimeError("the server is running already")
        self._release_port()
        ready: Future[tuple[int, Callable[[], None]]] = Future()
        thread = threading.Thread(
            target=lambda: asyncio.run(self._serve(ready)), name="prefactor-devserver", daemon=True
        )
        thread.start()
        self._port, stop = ready.result()
        self._running = thread, stop

    def stop(self) -> None:
        """Refuse connections, and end those there are. The port stays taken, so that nobody else
        answers in the meantime; the data stays, and can still be read here."""
        if self._running is None:
            return
        thread, stop = self._running
        self._running = None
        stop()
        thread.join()
        self._held = _held(self._host, self._port)

    def close(self) -> None:
        """Stop, and let go of the port and of the data: what was in memory is gone, and the
        requests that came in."""
        self.stop()
        self._release_port()
        self._store.close()
        self._recorder.clear()  # aiohttp remembers whose handlers these were

    def _release_port(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            held.close()

    async def _serve(self, ready: Future[tuple[int, Callable[[], None]]]) -> None:
        loop, stopped = asyncio.get_running_loop(), asyncio.Event()
        access = Access(self.token, self._sessions, self._host)
        screen = Screen(self._account, access, self._sessions, self.page_link)
        app = App(self._account, access, screen, self.faults, self._recorder, self._allow_faults)
        runner = web.AppRunner(
            app.application,
            access_log=None,
            logger=unheard("prefactor_otel.devserver.http"),
            max_line_size=_LINE,
            shutdown_timeout=_GRACE,
        )
        try:
            await runner.setup()
            site = web.TCPSite(runner, _one_of(self._host), self._port, reuse_address=True)
            await site.start()
        except BaseException as error:
            await runner.cleanup()
            ready.set_exception(error)
            return

        def on_loop(call: Callable[[], None]) -> Callable[[], None]:
            def later() -> None:
                loop.call_soon_threadsafe(call)

            return later

        self.faults.on_clear = on_loop(app.release)
        self._account.on_change = screen.feed.wake
        port: int = runner.addresses[0][1]
        ready.set_result((port, on_loop(stopped.set)))
        await stopped.wait()
        self.faults.on_clear = self._account.on_change = lambda: None
        app.stop()
        connections = list(runner.server.connections) if runner.server is not None else []
        transports = [connection.transport for connection in connections]
        await runner.cleanup()
        # Closing waits for clients to read what was written; a loop that ends does not.
        for transport in transports:
            if transport is not None:
                transport.abort()
        await asyncio.sleep(0)


def serve(
    host: str = "127.0.0.1",
    port: int = 8787,
    db: str | Path = MEMORY,
    token: str | None = None,
    allow_faults: bool = False,
    on_ready: Callable[[str, str], None] = lambda url, token: None,
    *,
    on_run: OnRun | None = None,
    on_link: Callable[[str], None] = lambda link: None,
    lenient_cancel: bool = False,
) -> None:
    """Serve until SIGINT or SIGTERM, from the main thread. ``on_ready`` gets the URL and the
    token as soon as requests are taken, ``on_link`` then a link to the page that works once, and
    the next one when that has been used or was too old, ``on_run`` each run's id, agent and
    purpose as it is registered. Raises as ``DevServer`` does."""
    ended = threading.Event()
    before = {
        number: signal.signal(number, lambda *_: ended.set())
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        with DevServer(
            db, host, port, token, allow_faults, lenient_cancel=lenient_cancel, on_run=on_run
        ) as server:
            server.on_session = lambda: on_link(server.page_link())
            on_ready(server.url, server.token)
            on_link(server.page_link())
            ended.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _one_of(host: str) -> str:
    """Of localhost's two addresses one: two would get two different free ports."""
    return "127.0.0.1" if host == "localhost" else host


def _held(host: str, port: int) -> socket.socket | None:
    """A socket that has this port and does not listen, so that connections are refused."""
    found = socket.getaddrinfo(_one_of(host), port, type=socket.SOCK_STREAM)
    family, kind, protocol, _, address = found[0]
    held = socket.socket(family, kind, protocol)
    try:
        if os.name == "posix":  # there it takes a port whose last connections are not forgotten yet
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(address)
    except OSError:  # somebody was quicker
        held.close()
        return None
    return held
