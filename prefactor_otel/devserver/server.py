"""The server's life: a thread and loop of its own, or the foreground of the command line."""

import asyncio
import ipaddress
import secrets
import signal
import socket
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from aiohttp import web

from prefactor_otel.devserver import operations, reads
from prefactor_otel.devserver.app import Api, RecordedRequest
from prefactor_otel.devserver.faults import Faults
from prefactor_otel.devserver.rules import Json
from prefactor_otel.devserver.store import Store, now


class DevServer:
    """A local Prefactor API in a thread of its own.

    ``db`` is a file that survives restarts, or ``:memory:``. ``port`` 0 takes a free one, kept
    over ``stop`` and ``start``. Without a ``token`` one is made. ``client_ids=False`` refuses
    span ids made by clients. Raises ``ValueError`` for a host beyond loopback without a token.
    """

    def __init__(
        self,
        db: str = ":memory:",
        host: str = "127.0.0.1",
        port: int = 0,
        token: str | None = None,
        *,
        allow_faults: bool = True,
        client_ids: bool = True,
    ) -> None:
        check_bind(host, token)
        self.token = token or f"pf_dev_{secrets.token_urlsafe(24)}"
        self.faults = Faults()
        self._host = host
        self._port = port
        self._changed = threading.Condition()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._stop = asyncio.Event()
        self._store = Store(db)
        self._seed()
        self._make_api: Callable[[], Api] = lambda: Api(
            self._store,
            self.token,
            self.faults,
            allow_faults=allow_faults,
            client_ids=client_ids,
            after_request=self._notify,
        )
        self._requests: list[RecordedRequest] = []
        self._current: Api | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        self.stop()
        self._store.close()

    @property
    def url(self) -> str:
        """``http://HOST:PORT``."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._port

    @property
    def account_id(self) -> str:
        """The account's id."""
        return self._store.account_id

    @property
    def agent_id(self) -> str:
        """The default agent: runs that name none belong to it."""
        return self._store.agent_id

    @property
    def environment_id(self) -> str:
        """The one environment."""
        return self._store.environment_id

    @property
    def requests(self) -> list[RecordedRequest]:
        """The requests since the construction, oldest first; at most the last 10,000."""
        return [*self._requests, *(self._current.requests if self._current else ())]

    def start(self) -> None:
        """Listen. Raises ``OSError`` when the port is taken."""
        listener = socket.create_server((self._host, self._port), backlog=256)
        self._port = listener.getsockname()[1]
        ready = threading.Event()
        self._current = self._make_api()
        self._thread = threading.Thread(
            target=self._work, args=(listener, ready), name="prefactor-devserver", daemon=True
        )
        self._thread.start()
        ready.wait()

    def stop(self) -> None:
        """Close the port and every connection; the data stays."""
        if self._thread is None or self._loop is None:
            return
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._requests = self.requests
        self._thread = self._loop = self._current = None

    def instances(self) -> list[Json]:
        """Every run, as its detail shows it, oldest first."""
        return self._on_loop(
            lambda: [
                row | reads.instance_counts(self._store, row["id"])
                for row in self._store.page("agent_instance", {})[0]
            ]
        )

    def spans(self, instance_id: str | None = None) -> list[Json]:
        """Every span, or those of one run, oldest first."""
        filters = {"agent_instance_id": instance_id} if instance_id is not None else {}
        return self._on_loop(lambda: self._store.page("agent_span", filters)[0])

    def terminate(self, instance_id: str, reason: str) -> None:
        """Terminate a run, as somebody on the platform's page would."""
        body: Json = {"agent_instance_id": instance_id, "reason": reason}
        self._on_loop(lambda: [operations.terminate(self._store, body)])

    def wait_until(self, predicate: Callable[["DevServer"], object], timeout: float = 5.0) -> bool:
        """Wait until the predicate holds, looked at after every request; False after
        ``timeout`` seconds."""
        deadline = time.monotonic() + timeout
        while not predicate(self):
            with self._changed:
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                self._changed.wait(min(left, 0.2))
        return True

    def _on_loop(self, read: Callable[[], list[Json]]) -> list[Json]:
        """Run on the loop that owns the store; on this thread when the server is stopped."""
        if self._loop is None:
            return read()

        async def call() -> list[Json]:
            return read()

        return asyncio.run_coroutine_threadsafe(call(), self._loop).result()

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _seed(self) -> None:
        if self._store.get("agent", self._store.agent_id) is None:
            moment = now()
            self._store.put_agent(
                {
                    "type": "agent",
                    "id": self._store.agent_id,
                    "account_id": self._store.account_id,
                    "name": "Local agent",
                    "description": None,
                    "external_identifier": None,
                    "status": "active",
                    "inserted_at": moment,
                    "updated_at": moment,
                }
            )

    def _work(self, listener: socket.socket, ready: threading.Event) -> None:
        loop = asyncio.new_event_loop()
        try:
            loop.run_until_complete(self._serve(listener, ready))
        finally:
            loop.close()

    async def _serve(self, listener: socket.socket, ready: threading.Event) -> None:
        assert self._current is not None
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        runner = web.AppRunner(
            self._current.application,
            access_log=None,
            shutdown_timeout=0.1,
            handler_cancellation=True,
        )
        await runner.setup()
        await web.SockSite(runner, listener).start()
        ready.set()
        await self._stop.wait()
        await runner.cleanup()


def check_bind(host: str, token: str | None) -> None:
    """Raises ``ValueError`` for a host that others can reach, unless the token is the user's."""
    if token is None and not _is_loopback(host):
        raise ValueError(
            f"{host} can be reached from other machines: pass a token of your own with it"
        )


def serve(
    host: str = "127.0.0.1",
    port: int = 8787,
    db: str = ":memory:",
    token: str | None = None,
    *,
    allow_faults: bool = False,
    on_ready: Callable[[str, str], None] = lambda url, token: None,
) -> None:
    """Serve until SIGINT or SIGTERM. ``on_ready`` gets the URL and the token."""
    stop = threading.Event()
    before = {
        number: signal.signal(number, lambda *_: stop.set())
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        with DevServer(db, host, port, token, allow_faults=allow_faults) as server:
            on_ready(server.url, server.token)
            stop.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
