"""The HTTP face: routes, the bearer token, the error envelope, scripted faults."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import orjson
from aiohttp import web

from prefactor_otel.devserver import bulk, operations
from prefactor_otel.devserver.access import Access
from prefactor_otel.devserver.account import Account
from prefactor_otel.devserver.errors import ApiError
from prefactor_otel.devserver.faults import Fault, Faults, from_json
from prefactor_otel.devserver.form import Json
from prefactor_otel.devserver.operations import OPERATIONS, Operation
from prefactor_otel.devserver.record import RecordedRequest, Recorder, parsed
from prefactor_otel.devserver.screen import PREFIX, Screen

API: Final = "/api/v1"
FAULTS_PATH: Final = "/__faults"
BODY_LIMIT: Final = 64 * 2**20

_SECRET: Final = frozenset({"authorization", "cookie"})
"""Headers that are in no record."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

logger: Final = logging.getLogger("prefactor_otel.devserver")


class App:
    """One listening period of the server. Made, used and dropped on its loop."""

    def __init__(
        self,
        account: Account,
        access: Access,
        screen: Screen,
        faults: Faults,
        recorder: Recorder,
        allow_faults: bool,
    ) -> None:
        self._account = account
        self._access, self._screen = access, screen
        self._faults = faults
        self._recorder = recorder
        self._release = asyncio.Event()
        self._stopping = asyncio.Event()
        self.application = web.Application(
            middlewares=[self._recorded, self._enveloped], client_max_size=BODY_LIMIT
        )
        router = self.application.router
        for operation in OPERATIONS:
            router.add_route(operation.method, API + operation.path, self._handler(operation))
        router.add_post(f"{API}/bulk", self._bulk)
        screen.add_to(router)
        if allow_faults:
            router.add_get(FAULTS_PATH, self._faults_in_force)
            router.add_post(FAULTS_PATH, self._add_fault)
            router.add_delete(FAULTS_PATH, self._clear_faults)

    def stop(self) -> None:
        """Cut what hangs or is delayed, and end what is being told. Call it on the loop."""
        self._screen.feed.close()
        self._stopping.set()
        self.release()

    def release(self) -> None:
        """Cut what hangs. Call it on the loop."""
        self._release.set()
        self._release = asyncio.Event()

    def _handler(self, operation: Operation) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            if operation.method == "GET":
                fields, key = dict(request.query), None
            else:
                fields, key = operations.rest_fields(operation, await _body(request))
            if key is None:
                key = request.headers.get("Idempotency-Key")
            target = request.match_info.get(operation.target, "")
            return _json(operations.perform(self._account, operation, target, fields, key))

        return handle

    async def _bulk(self, request: web.Request) -> web.StreamResponse:
        def intercept(number: int, item: Json) -> None:
            self._faults.strike_item(number, lambda: _text(item))

        return _json(bulk.execute(self._account, await _body(request), intercept))

    async def _faults_in_force(self, request: web.Request) -> web.StreamResponse:
        return _json({"status": "success", "faults": self._faults.pending()})

    async def _add_fault(self, request: web.Request) -> web.StreamResponse:
        """A fault; or ``{"terminate": instance id, "reason": ...}``, done at once."""
        body = await _body(request)
        if "terminate" in body:
            operation = operations.BY_NAME["agent_instances/terminate"]
            target, fields = str(body["terminate"]), {"reason": body.get("reason")}
            return _json(operations.perform(self._account, operation, target, fields, None))
        self._faults.add(from_json(body))
        return await self._faults_in_force(request)

    async def _clear_faults(self, request: web.Request) -> web.StreamResponse:
        self._faults.clear()
        return await self._faults_in_force(request)

    @web.middleware
    async def _recorded(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Outermost: takes the body in, lets a fault strike, keeps a record of the end. What is
        asked for the page is no request of an agent's, and no record holds its secrets."""
        if request.path in (FAULTS_PATH, "/") or request.path.startswith(PREFIX):
            return await handler(request)
        try:
            raw = await request.read()
        except web.HTTPRequestEntityTooLarge:
            raw = b""  # refused below, where it is read again
        except ConnectionResetError:
            return _Cut()  # the client has gone
        fault = self._faults.strike(request.method, request.path, len(raw))
        record = _Record(self._recorder, request, raw)
        response = await self._struck(fault, request, handler, record)
        record.close(None if isinstance(response, _Cut) else response.status)
        return response

    async def _struck(
        self, fault: Fault | None, request: web.Request, handler: Handler, record: "_Record"
    ) -> web.StreamResponse:
        if fault is None:
            return await handler(request)
        self._recorder.note()
        if fault.delay:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), fault.delay)
                return _cut(request)
        if fault.hang:
            record.close(None)
            await self._release.wait()
            return _cut(request)
        if fault.drop == "after":
            await handler(request)
        if fault.drop is not None:
            return _cut(request)
        return _scripted(fault) or await handler(request)

    @web.middleware
    async def _enveloped(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            nowhere = self._screen.sent_to_nowhere(request)
            if nowhere is not None:
                return nowhere
            if not self._screen.is_open(request):
                self._access.check(request)
            return await handler(request)
        except ApiError as error:
            return _json(error.envelope(), error.status)
        except web.HTTPException as error:
            code = (error.reason or "error").lower().replace(" ", "_")
            return _json(ApiError(error.status, code, str(error.reason)).envelope(), error.status)
        except Exception:
            logger.exception("%s %s failed", request.method, request.path)
            return _json(ApiError(500, "internal_error", "see the server's log").envelope(), 500)


class _Record:
    """The record of one request, written once."""

    def __init__(self, recorder: Recorder, request: web.Request, raw: bytes) -> None:
        self._recorder, self._request, self._raw = recorder, request, raw
        self._open = True

    def close(self, status: int | None) -> None:
        if not self._open:
            return
        self._open = False
        request = self._request
        headers = {n: v for n, v in request.headers.items() if n.lower() not in _SECRET}
        self._recorder.add(
            RecordedRequest(
                method=request.method,
                path=request.path,
                query=dict(request.query),
                body=parsed(self._raw),
                raw=self._raw,
                headers=headers,
                status=status,
            ),
            len(self._raw),
        )


class _Cut(web.Response):
    """No answer: the connection has been closed."""


def _cut(request: web.Request) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return _Cut()


def _scripted(fault: Fault) -> web.Response | None:
    """What a fault answers in place of the operation; None for one that only delays."""
    status = fault.status or (413 if fault.max_body is not None else None)
    if status is None and fault.body is None:
        return None
    if fault.body is not None:
        response = web.Response(status=status or 200, text=fault.body)
    else:
        response = _json(ApiError(status or 500, fault.code, fault.message).envelope(), status)
    if fault.retry_after is not None:
        response.headers["Retry-After"] = str(fault.retry_after)
    if fault.location is not None:
        response.headers["Location"] = fault.location
    return response


async def _body(request: web.Request) -> Json:
    """The JSON object of a request. Clients also send none at all, which is an empty one."""
    raw = await request.read()
    if not raw:
        return {}
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise ApiError(400, "bad_request", "The body is not JSON") from None
    if not isinstance(body, dict):
        raise ApiError(400, "bad_request", "The body is not a JSON object")
    return body


def _text(item: Json) -> str:
    """What a fault looks for its text in; nothing for what is too deep, which is refused anyway."""
    try:
        return orjson.dumps(item).decode()
    except orjson.JSONEncodeError:
        return ""


def _json(body: Json, status: int | None = None) -> web.Response:
    return web.Response(
        body=orjson.dumps(body), status=status or 200, content_type="application/json"
    )
