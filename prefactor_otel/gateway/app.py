"""The requests: OTLP's, as its specification says how they are answered, and those that ask how the
gateway is."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from functools import partial
from hashlib import sha256
from typing import Final

from aiohttp import web

from prefactor_otel.gateway import body
from prefactor_otel.gateway.accounts import Accounts, RefusedError
from prefactor_otel.gateway.agents import Agents
from prefactor_otel.gateway.encoding import (
    CODES,
    ENCODINGS,
    JSON,
    NONE_REJECTED,
    Encoding,
    UnreadableError,
)
from prefactor_otel.gateway.exposition import CONTENT_TYPE, AccountState, Seen, exposition
from prefactor_otel.gateway.settings import Settings
from prefactor_otel.gateway.takings import Sent
from prefactor_otel.spans.otlp import Describe
from prefactor_otel.stats.log import QuietLog, place_of

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_BODY_WITHIN: Final = 30.0
"""Seconds in which a body has to come."""
_STORED_WITHIN: Final = 10.0
"""Seconds in which spans have to be on disk or acknowledged: that of most senders' patience."""
_SOON: Final = 1
"""Seconds after which a sender may try again that came amid too many others."""


class App:
    """The application of one gateway, on one event loop."""

    def __init__(self, settings: Settings, accounts: Accounts, log: QuietLog) -> None:
        self.is_ready = True
        """Whether requests are to be sent here; not while it ends."""
        self._accounts = accounts
        self._agents = Agents(settings.services)
        self._most = settings.max_request_bytes
        self._room = body.Room(settings.max_pending_bytes)
        self._log = log
        self._seen = Seen()
        self.application = web.Application(middlewares=[self._answer_always])
        self.application.add_routes(
            [
                web.post("/v1/traces", self._traces),
                web.post("/v1/metrics", self._unread),
                web.post("/v1/logs", self._logs),
                web.get("/healthz", self._health),
                web.get("/readyz", self._readiness),
                web.get("/metrics", self._metrics),
            ]
        )

    # -- OTLP -------------------------------------------------------------------------------------

    async def _traces(self, request: web.Request) -> web.Response:
        account = self._accounts.of(request.headers.get("Authorization"))
        encoding = _encoding_of(request)
        account.check_room()
        with ExitStack() as held:
            share = held.enter_context(body.Share(self._room, self._most, _sender_of(request)))
            describe = self._agents.describing(request.headers)
            content = await _body_of(request, share)
            received = account.admitted(encoding.read(content, describe))
            # What is rejected of it may be something else when it comes again.
            sent = None if received.rejected else Sent(partial(_name_of, content, describe), held)
            if received.spans:
                await account.take(received.spans, _STORED_WITHIN, sent)
        if received.rejected:
            self._seen.rejected += received.rejected
            subject = f"rejected, {account.name}"
            self._log.warn(subject, f"Spans of {account.called} were rejected: {received.why}")
        rejected = received.rejected, received.why
        return _answer(200, encoding, encoding.accepted(rejected, "rejectedSpans"))

    async def _logs(self, request: web.Request) -> web.Response:
        """What log records tell of spans is joined to these; nobody reads the others."""
        account = self._accounts.of(request.headers.get("Authorization"))
        encoding = _encoding_of(request)
        account.check_room()
        with body.Share(self._room, self._most, _sender_of(request)) as share:
            recorded = encoding.read_logs(await _body_of(request, share))
            account.hear(recorded.records)
        if recorded.rejected:
            self._log.warn(
                "rejected logs", f"Log records that cannot be read were rejected: {recorded.why}"
            )
        rejected = recorded.rejected, recorded.why
        return _answer(200, encoding, encoding.accepted(rejected, "rejectedLogRecords"))

    async def _unread(self, request: web.Request) -> web.Response:
        """Answer for a signal that Prefactor has no place for."""
        self._accounts.of(request.headers.get("Authorization"))
        self._seen.leave_unread(request.path.rpartition("/")[2])
        encoding = _encoding_of(request)
        return _answer(200, encoding, encoding.accepted(NONE_REJECTED, "rejectedSpans"))

    @web.middleware
    async def _answer_always(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Whatever happens, the sender is told in OTLP's way what to do, and nothing else."""
        try:
            response = await handler(request)
        except Exception as error:
            refused = _refused(error)
            response = _told(request, refused)
            self._tell(refused, error)
        if request.path.startswith("/v1/"):
            self._seen.answer(response.status)
        return response

    def _tell(self, refused: RefusedError, error: Exception) -> None:
        if refused.status >= 500 and not isinstance(error, RefusedError):
            self._log.warn("failed", f"A request failed: {place_of(error)}")
        elif refused.status not in (404, 405):
            about = f"{refused.whose}: " if refused.whose else ""
            text = f"{about}Requests refused ({refused.status}): {refused}"
            self._log.warn(f"{refused.status} {refused.whose}", text)

    # -- how it is --------------------------------------------------------------------------------

    async def _health(self, _: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def _readiness(self, _: web.Request) -> web.Response:
        """Whether what is sent here arrives. What Prefactor refuses of some senders is said, and
        keeps no other from sending."""
        accounts = self._accounts.all()
        in_memory = [each.name for each in accounts if not each.pipeline.stats().spooling]
        refused = [each for each in accounts if each.is_refused]
        is_ready = self.is_ready and not in_memory and not any(each.is_own for each in refused)
        agents = {each.name: sorted(each.pipeline.refused_agents) for each in accounts}
        told = {
            "status": "ok" if is_ready else "unready",
            "ending": not self.is_ready,
            "not_on_disk": in_memory,
            "token_refused": [each.name for each in refused],
            "agents_refused": {name: ids for name, ids in agents.items() if ids},
        }
        return web.json_response(told, status=200 if is_ready else 503)

    async def _metrics(self, _: web.Request) -> web.Response:
        accounts = [
            AccountState(
                *(each.name, each.pipeline.stats(), len(each.pipeline.refused_agents)),
                each.tallies,
            )
            for each in self._accounts.all()
        ]
        text = exposition(accounts, self._seen)
        return web.Response(body=text.encode(), headers={"Content-Type": CONTENT_TYPE})


def _name_of(content: bytes, describe: Describe) -> bytes:
    """What names a request and no other: its body, and what is said of its agent beside that."""
    said = repr(sorted(describe({}).items())).encode()
    return sha256(b"%d %b%b" % (len(said), said, content)).digest()


def _sender_of(request: web.Request) -> str:
    """What tells senders apart before anything of theirs is read; in memory only."""
    return request.headers.get("Authorization") or request.remote or ""


def _encoding_of(request: web.Request) -> Encoding:
    encoding = ENCODINGS.get(request.content_type)
    if encoding is None:
        raise RefusedError(415, f"a request is one of {', '.join(ENCODINGS)}")
    return encoding


async def _body_of(request: web.Request, share: body.Share) -> bytes:
    """The body, inflated. Raises ``RefusedError``."""
    compressed_by = request.headers.get("Content-Encoding", "").strip().lower()
    compressed_by = "" if compressed_by == "identity" else compressed_by
    if compressed_by and compressed_by not in body.CONTENT_ENCODINGS:
        raise RefusedError(415, f"a body is compressed by {' or '.join(body.CONTENT_ENCODINGS)}")
    if (request.content_length or 0) > share.most:
        raise body.TooLargeError
    try:
        async with asyncio.timeout(_BODY_WITHIN):
            return await body.read(request.content.iter_any(), compressed_by, share)
    except TimeoutError:
        raise RefusedError(408, "the body did not come in time") from None


def _refused(error: Exception) -> RefusedError:
    """What an error is to the sender."""
    if isinstance(error, RefusedError):
        return error
    if isinstance(error, web.HTTPException):
        return RefusedError(error.status, error.reason)
    if isinstance(error, UnreadableError):
        return RefusedError(400, str(error))
    if isinstance(error, (body.CorruptError, web.PayloadAccessError, ConnectionError)):
        return RefusedError(400, "the body cannot be read or inflated")
    if isinstance(error, body.TooLargeError):
        return RefusedError(413, "the body is larger than max_request_bytes of the gateway")
    if isinstance(error, body.FullError):
        return RefusedError(429, "too many requests at a time", _SOON)
    return RefusedError(500, "the gateway failed")


def _told(request: web.Request, refused: RefusedError) -> web.Response:
    encoding = ENCODINGS.get(request.content_type, JSON)
    code = CODES.get(refused.status, CODES[400])
    response = _answer(refused.status, encoding, encoding.refused(code, str(refused)))
    if refused.retry_after is not None:
        response.headers["Retry-After"] = str(refused.retry_after)
    if refused.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    if refused.status == 415:
        response.headers["Accept-Encoding"] = ", ".join(body.CONTENT_ENCODINGS)
    return response


def _answer(status: int, encoding: Encoding, content: bytes) -> web.Response:
    return web.Response(
        status=status, body=content, headers={"Content-Type": encoding.content_type}
    )
