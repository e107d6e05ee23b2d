"""A recording HTTP server on a real socket, with scripted answers."""

import asyncio
import gzip
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from multidict import CIMultiDict

from prefactor_http import HttpClientConfig

TOKEN = "pf_0123456789abcdef"


@dataclass(frozen=True)
class Answer:
    """What the server does with one request. ``body`` is sent as JSON unless text or bytes."""

    status: int = 200
    body: object = field(default_factory=lambda: {"status": "success"})
    headers: dict[str, str] = field(default_factory=dict)
    gzipped: bool = False
    dropped: bool = False
    truncated: bool = False
    hanging: bool = False


def error(status: int, code: str = "some_code", message: str = "some message") -> Answer:
    """The API's error envelope."""
    return Answer(status, {"status": "error", "code": code, "message": message})


def details(**fields: Any) -> Answer:
    """The API's success envelope."""
    return Answer(200, {"status": "success", "details": fields})


@dataclass(frozen=True)
class Received:
    """A request as it arrived; ``target`` is what stood in the request line."""

    method: str
    target: str
    path: str
    query: dict[str, str]
    headers: CIMultiDict[str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class RecordingApi:
    """Answers in the scripted order; the last answer is repeated."""

    def __init__(self) -> None:
        self.url = ""
        self.received: list[Received] = []
        self._answers = [Answer()]

    def answers(self, *answers: Answer) -> None:
        self._answers = list(answers)

    @property
    def last(self) -> Received:
        return self.received[-1]

    def config(self, **changes: Any) -> HttpClientConfig:
        """A configuration for this server, with retries that take no time."""
        quick: dict[str, Any] = {"initial_retry_delay": 0.001, "max_retry_delay": 0.01}
        return HttpClientConfig(self.url, TOKEN, **(quick | changes))

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.content.read()  # knows no limit, unlike request.read()
        self.received.append(
            Received(
                request.method,
                request.raw_path,
                request.raw_path.partition("?")[0],
                dict(request.query),
                CIMultiDict(request.headers),
                body,
            )
        )
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if answer.hanging:
            await asyncio.Event().wait()
        if answer.dropped or answer.truncated:
            return _cut_off(request, answer)
        return _response(answer)


def _cut_off(request: web.Request, answer: Answer) -> web.StreamResponse:
    assert request.transport is not None
    if answer.truncated:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n"
        request.transport.write(head + b'{"status"')
    request.transport.close()
    return web.Response()


def _response(answer: Answer) -> web.Response:
    body = answer.body
    if isinstance(body, str):
        body = body.encode()
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"} | answer.headers
    if answer.gzipped:
        content, headers = gzip.compress(content), headers | {"Content-Encoding": "gzip"}
    return web.Response(status=answer.status, body=content, headers=headers)


@asynccontextmanager
async def serving(
    api: RecordingApi, tls: ssl.SSLContext | None = None
) -> AsyncIterator[RecordingApi]:
    """The server on a free port of this machine."""
    runner = web.ServerRunner(web.Server(api.handle), shutdown_timeout=0.01)  # type: ignore[arg-type]
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    host, port = runner.addresses[0][:2]
    api.url = f"{'https' if tls else 'http'}://{host}:{port}"
    try:
        yield api
    finally:
        await runner.cleanup()
