"""A thousand senders of OTLP at once, and what stands between them and gateways that are killed."""

import asyncio
import gzip
import random
import secrets
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import aiohttp
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from prefactor_otel.devserver import DevServer
from prefactor_otel.spool import folder
from tests.gateway.made import ids, request
from tests.gateway.process import Gateway, before
from tests.patience import PATIENCE

TRACES = "/v1/traces"
TRANSIENT = (429, 502, 503, 504)
"""What is tried again, as OTLP says."""
LONGEST_WAIT = 2.0
_NOTHING_WAITS = 'prefactor_spans_waiting{account="own"} 0\n'
Span = tuple[bytes, bytes, bytes]
"""Trace id, span id and the parent's."""


class Replica:
    """A gateway with a spool of its own, in one process after the other."""

    def __init__(self, api: DevServer, spool: Path, **variables: str) -> None:
        self._api = api
        self._spool = spool
        self._variables = variables
        self._life = ExitStack()
        self.gateway: Gateway | None = None
        """None while it is dead."""

    def start(self) -> None:
        self.gateway = self._life.enter_context(before(self._api, self._spool, **self._variables))

    @property
    def metrics(self) -> str:
        """What it counts."""
        assert self.gateway is not None
        return self.gateway.ask("/metrics").body.decode()

    def is_through(self) -> bool:
        """Whether nothing waits here, nor in what those before it have left."""
        return len(folder.files(self._spool)) == 1 and _NOTHING_WAITS in self.metrics

    def kill(self) -> None:
        gateway, self.gateway = self.gateway, None
        assert gateway is not None
        gateway.kill()
        self._life.close()

    def end(self) -> int:
        gateway, self.gateway = self.gateway, None
        assert gateway is not None
        with self._life:
            return gateway.end()


@contextmanager
def replicas(api: DevServer, path: Path, count: int, **variables: str) -> Iterator[list[Replica]]:
    """So many that run."""
    made = [Replica(api, path / f"spool-{number}", **variables) for number in range(count)]
    try:
        for each in made:
            each.start()
        yield made
    finally:
        for each in made:
            if each.gateway is not None:
                each.kill()


class Balancer:
    """Hands each request to the replica of its trace, and answers 503 while that is dead."""

    def __init__(self, behind: Sequence[Replica], session: aiohttp.ClientSession) -> None:
        self._behind = behind
        self._session = session

    async def answer(self, received: web.Request) -> web.Response:
        body = await received.read()
        inflated = ExportTraceServiceRequest.FromString(gzip.decompress(body))
        trace = inflated.resource_spans[0].scope_spans[0].spans[0].trace_id
        gateway = self._behind[trace[-1] % len(self._behind)].gateway
        try:
            if gateway is None:
                raise ConnectionError
            kept = {name: received.headers[name] for name in ("Content-Type", "Content-Encoding")}
            async with self._session.post(gateway.url + TRACES, data=body, headers=kept) as answer:
                wait = {k: v for k, v in answer.headers.items() if k == "Retry-After"}
                return web.Response(status=answer.status, body=await answer.read(), headers=wait)
        except (aiohttp.ClientError, OSError, TimeoutError):
            return web.Response(status=503)


@asynccontextmanager
async def balancing(behind: Sequence[Replica]) -> AsyncIterator[tuple[str, aiohttp.ClientSession]]:
    """The address of a balancer in front of these, and a session for whoever sends."""
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        timeout=aiohttp.ClientTimeout(PATIENCE),
    ) as session:
        application = web.Application()
        application.router.add_post(TRACES, Balancer(behind, session).answer)
        runner = web.AppRunner(application, access_log=None, auto_decompress=False)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, backlog=2048)
        await site.start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}{TRACES}", session
        finally:
            await runner.cleanup()


class Sender:
    """Sends one trace after another, its steps before its root, and each request until it is
    answered with 200. ``answered`` has the spans by their ids."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.answered: dict[str, Span] = {}
        self.refused: list[int] = []
        """What else it was answered that is not to be tried again."""
        self.retried = 0
        self._url = url
        self._session = session

    async def run(self, is_over: asyncio.Event, pause: float) -> None:
        """Until it is over; then the trace that has begun is ended."""
        while not is_over.is_set():
            (trace, root), steps = ids(), [secrets.token_bytes(8) for _ in range(2)]
            await self._send([(trace, step, root) for step in steps])
            await self._send([(trace, root, b"")])
            try:
                await asyncio.wait_for(is_over.wait(), pause * random.uniform(0.5, 1.5))
            except TimeoutError:
                continue

    async def _send(self, spans: Sequence[Span]) -> None:
        made = request(*(span[:2] for span in spans), parent=spans[0][2], service_name="storm")
        body = gzip.compress(made.SerializeToString())
        wait = 0.1
        while (status := await self._post(body)) in TRANSIENT:
            self.retried += 1
            await asyncio.sleep(wait * random.uniform(0.5, 1.5))
            wait = min(LONGEST_WAIT, wait * 2)
        if status == 200:
            self.answered.update((span[1].hex(), span) for span in spans)
        else:
            self.refused.append(status)

    async def _post(self, body: bytes) -> int:
        headers = {"Content-Type": "application/x-protobuf", "Content-Encoding": "gzip"}
        try:
            async with self._session.post(self._url, data=body, headers=headers) as answer:
                return answer.status
        except (aiohttp.ClientError, OSError, TimeoutError):
            return 503
