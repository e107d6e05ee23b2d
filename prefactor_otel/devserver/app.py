"""The HTTP face: routes, the bearer token, the error envelope, faults and the request log."""

import asyncio
import hmac
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import orjson
from aiohttp import web

from prefactor_http import pfid
from prefactor_otel.devserver import operations, reads, rules
from prefactor_otel.devserver.faults import Fault, Faults, from_json
from prefactor_otel.devserver.operations import Operation
from prefactor_otel.devserver.rules import ApiError, Json
from prefactor_otel.devserver.store import Store

MAX_BODY: Final = 64 * 1024 * 1024
LOG_LENGTH: Final = 10_000
API: Final = "/api/v1"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """A request that came in, and the status that it was answered with (None: not at all)."""

    method: str
    path: str
    body: Any
    headers: dict[str, str]
    status: int | None


class Api:
    """The application over one store."""

    def __init__(
        self,
        store: Store,
        token: str,
        faults: Faults,
        *,
        allow_faults: bool,
        client_ids: bool,
        after_request: Callable[[], None] = lambda: None,
    ) -> None:
        self.store = store
        self.requests: deque[RecordedRequest] = deque(maxlen=LOG_LENGTH)
        self._token = token
        self._faults = faults
        self._client_ids = client_ids
        self._after_request = after_request
        self.application = web.Application(
            middlewares=[self._record, self._envelope, self._authorize, self._fail],
            client_max_size=MAX_BODY,
        )
        self._route()
        if allow_faults:
            self._route_faults()

    def _route(self) -> None:
        router = self.application.router
        writes: dict[tuple[str, str], tuple[str, Operation]] = {
            ("POST", "/agent"): ("agents/create", operations.create_agent),
            ("PUT", "/agent/{agent_id}"): ("agents/update", operations.update_agent),
            ("DELETE", "/agent/{agent_id}"): ("agents/delete", operations.delete_agent),
            ("POST", "/agent/{agent_id}/retire"): ("agents/retire", operations.retire_agent),
            ("POST", "/agent/{agent_id}/reinstate"): (
                "agents/reinstate",
                operations.reinstate_agent,
            ),
            ("POST", "/agent_instance/register"): (
                "agent_instances/register",
                operations.register,
            ),
            ("PUT", "/agent_instance/{agent_instance_id}"): (
                "agent_instances/update",
                operations.update_instance,
            ),
            ("POST", "/agent_spans"): ("agent_spans/create", operations.create_span),
            ("POST", "/agent_spans/{agent_span_id}/finish"): (
                "agent_spans/finish",
                operations.finish_span,
            ),
        }
        for name in ("start", "finish", "terminate", "record_quality"):
            writes["POST", f"/agent_instance/{{agent_instance_id}}/{name}"] = (
                f"agent_instances/{name}",
                getattr(operations, name),
            )
        shown = {
            "/ping": lambda r: {"status": "success", "details": {"token_type": "api"}},
            "/account": lambda r: reads.account(self.store),
            "/alerts/count": lambda r: reads.alerts_count(self.store),
            "/risk_profile": lambda r: reads.risk_profiles(self.store),
            "/agent": lambda r: reads.agents(self.store, r.query),
            "/agent/show": lambda r: reads.agent_shown(self.store, r.query),
            "/agent/{id}": lambda r: reads.agent_detail(self.store, r.match_info["id"]),
            "/agent_instance": lambda r: reads.instances(self.store, r.query),
            "/agent_instance/{id}": lambda r: reads.instance_detail(self.store, r.match_info["id"]),
            "/agent_spans": lambda r: reads.spans(self.store, r.query),
        }
        for path, read in shown.items():
            router.add_get(API + path, _reader(read))
        for (method, path), (name, operation) in writes.items():
            router.add_route(method, API + path, self._writer(name, operation))
        router.add_post(f"{API}/bulk", self._bulk)
        router.add_post(f"{API}/pfid/generate", self._generate)

    def _route_faults(self) -> None:
        router = self.application.router
        router.add_get("/__faults", self._list_faults)
        router.add_post("/__faults", self._add_fault)
        router.add_delete("/__faults", self._clear_faults)

    def _writer(self, name: str, operation: Operation) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            body = await _body(request) | dict(request.match_info)
            if name == "agent_spans/create":
                self._check_client_id(body)
            header = request.headers.get("Idempotency-Key")
            return _json(operations.once(self.store, name, operation, body, header))

        return handle

    async def _bulk(self, request: web.Request) -> web.StreamResponse:
        return _json(operations.bulk(self.store, await _body(request), self._intercept))

    def _intercept(self, index: int, item: Json) -> None:
        refusal = self._faults.take_for_item(orjson.dumps(item))
        if refusal is not None:
            raise refusal
        if item["_type"] == "agent_spans/create":
            self._check_client_id(item)

    def _check_client_id(self, body: Json) -> None:
        fields = body.get("details") or body
        if not self._client_ids and isinstance(fields, dict) and fields.get("id") is not None:
            raise rules.invalid("id", "is made by the server")

    async def _generate(self, request: web.Request) -> web.StreamResponse:
        count = (await _body(request)).get("count", 1)
        if not isinstance(count, int) or not 1 <= count <= 1000:
            raise rules.invalid("count", "must be a whole number from 1 to 1000")
        made = [pfid.generate(self.store.partition) for _ in range(count)]
        return _json(operations.details({"pfids": made}))

    async def _list_faults(self, request: web.Request) -> web.StreamResponse:
        return _json({"status": "success", "faults": self._faults.pending()})

    async def _add_fault(self, request: web.Request) -> web.StreamResponse:
        self._faults.add(from_json(await _body(request)))
        return await self._list_faults(request)

    async def _clear_faults(self, request: web.Request) -> web.StreamResponse:
        self._faults.clear()
        return await self._list_faults(request)

    # -- middlewares, outermost first -----------------------------------------------------

    @web.middleware
    async def _record(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        status: int | None = None
        try:
            response = await handler(request)
            status = None if isinstance(response, _Cut) else response.status
            return response
        finally:
            self.requests.append(
                RecordedRequest(
                    request.method,
                    request.path,
                    _quietly_parsed(request),
                    {
                        name: value
                        for name, value in request.headers.items()
                        if name != "Authorization"
                    },
                    status,
                )
            )
            self._after_request()

    @web.middleware
    async def _envelope(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except ApiError as error:
            return _json(error.envelope, error.status)
        except web.HTTPException as error:
            code = "not_found" if error.status == 404 else (error.reason or "error").lower()
            return _json(
                ApiError(error.status, code.replace(" ", "_"), error.reason or "").envelope,
                error.status,
            )

    @web.middleware
    async def _authorize(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.headers.get("Authorization", "").encode("utf-8", "replace")
        if not hmac.compare_digest(given, f"Bearer {self._token}".encode()):
            raise rules.bad_token()
        return await handler(request)

    @web.middleware
    async def _fail(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        body = await request.read()
        if request.path == "/__faults":
            return await handler(request)
        fault = self._faults.take(request.path, len(body))
        if fault is None:
            return await handler(request)
        if fault.delay:
            await asyncio.sleep(fault.delay)
        if fault.hang:
            await asyncio.Event().wait()
        if fault.drop == "before":
            return _cut(request)
        if fault.drop == "after":
            await handler(request)
            return _cut(request)
        answer = _answer_of(fault)
        return answer if answer is not None else await handler(request)


class _Cut(web.Response):
    """No answer: the connection has been closed."""


def _cut(request: web.Request) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return _Cut()


def _answer_of(fault: Fault) -> web.StreamResponse | None:
    status = fault.status or (413 if fault.max_body is not None else None)
    headers = {"Retry-After": fault.retry_after} if fault.retry_after is not None else {}
    if fault.body is not None:
        return web.Response(status=status or 200, text=fault.body, headers=headers)
    if status is None:
        return None
    response = _json(ApiError(status, fault.code, "scripted fault").envelope, status)
    response.headers.update(headers)
    return response


def _reader(read: Callable[[web.Request], Json]) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        return _json(read(request))

    return handle


def _json(body: Json, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(body), status=status, content_type="application/json")


async def _body(request: web.Request) -> Json:
    """The JSON object of a request; no body at all is an empty one."""
    raw = await request.read()
    if not raw:
        return {}
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise ApiError(400, "validation_errors", "the body is not JSON") from None
    if not isinstance(body, dict):
        raise ApiError(400, "validation_errors", "the body is not a JSON object")
    return body


def _quietly_parsed(request: web.Request) -> Any:
    raw = request._read_bytes
    try:
        return orjson.loads(raw) if raw else None
    except orjson.JSONDecodeError:
        return None
