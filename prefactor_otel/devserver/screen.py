"""The page over HTTP: its files, its session, and what it asks for."""

import asyncio
import gzip
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Final
from urllib.parse import quote

import orjson
from aiohttp import web

from prefactor_otel.devserver import pages
from prefactor_otel.devserver.access import Access, cookie_name
from prefactor_otel.devserver.account import Account
from prefactor_otel.devserver.errors import ApiError, not_found
from prefactor_otel.devserver.feed import Feed
from prefactor_otel.devserver.form import Json
from prefactor_otel.devserver.sessions import Sessions

PREFIX: Final = "/page/"
_FOLDER: Final = Path(__file__).parent / "page"
_TYPES: Final[Mapping[str, str]] = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
}
_CONTENT: Final = "; ".join(
    (
        *("default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'"),
        *("img-src 'self'", "base-uri 'none'", "form-action 'none'"),
        "frame-ancestors 'none'",
    )
)
_HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": _CONTENT,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_LINK_LENGTH: Final = 1000
_WORTH_PACKING: Final = 2_000


class Screen:
    """The routes of the page, for one listening period of the server. ``link`` makes a link to
    the page that works once."""

    def __init__(
        self,
        account: Account,
        access: Access,
        sessions: Sessions,
        link: Callable[[], str],
    ) -> None:
        self._account, self._access, self._sessions = account, access, sessions
        self._link = link
        self._files = {
            path.relative_to(_FOLDER).as_posix(): path
            for path in _FOLDER.rglob("*")
            if path.suffix in _TYPES
        }
        self.feed = Feed(account)

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Add the routes."""
        router.add_get("/", self._shell)
        router.add_post(f"{PREFIX}session", self._open_session)
        router.add_post(f"{PREFIX}link", self._new_link)
        router.add_get(f"{PREFIX}runs", self._runs)
        router.add_get(f"{PREFIX}runs/{{run}}", self._run)
        router.add_get(f"{PREFIX}runs/{{run}}/spans", self._spans)
        router.add_get(f"{PREFIX}spans/{{span}}", self._span)
        router.add_get(f"{PREFIX}events", self._events, allow_head=False)
        router.add_get(f"{PREFIX}{{file:.+}}", self._file)

    def is_open(self, request: web.Request) -> bool:
        """Whether anybody may ask this: the files hold no data, and the session is opened so."""
        return request.match_info.handler in (self._shell, self._file, self._open_session)

    def sent_to_nowhere(self, request: web.Request) -> web.StreamResponse | None:
        """What a person sees at an address where nothing is: the page, which says so and leads
        back. None for a program, that asks for no page."""
        is_nowhere = isinstance(request.match_info.http_exception, web.HTTPNotFound)
        if not (is_nowhere and "text/html" in request.headers.get("Accept", "")):
            return None
        response = self._sent(request, "index.html")
        response.set_status(404)
        return response

    async def _shell(self, request: web.Request) -> web.StreamResponse:
        return self._sent(request, "index.html")

    async def _file(self, request: web.Request) -> web.StreamResponse:
        return self._sent(request, request.match_info["file"])

    def _sent(self, request: web.Request, name: str) -> web.StreamResponse:
        self._access.check_host(request)
        path = self._files.get(name)
        if path is None:
            raise not_found("file")
        content, packed, tag = _read(path, path.stat().st_mtime_ns)
        headers = {**_HEADERS, "Cache-Control": "no-cache", "ETag": f'"{tag}"'}
        if any(etag.value in (tag, "*") for etag in request.if_none_match or ()):
            return web.Response(status=304, headers=headers)
        headers["Vary"] = "Accept-Encoding"
        if _takes_packed(request):
            content = packed
            headers["Content-Encoding"] = "gzip"
        kind = _TYPES[path.suffix]
        return web.Response(body=content, headers=headers, content_type=kind, charset="utf-8")

    async def _open_session(self, request: web.Request) -> web.StreamResponse:
        """A session's cookie for the secret of a link, which then works no more."""
        self._access.check_host(request)
        try:
            body = orjson.loads(await request.read())
            secret = body["secret"]
        except (ValueError, KeyError, TypeError):
            secret = None
        known = isinstance(secret, str) and len(secret) <= _LINK_LENGTH
        session = self._sessions.open(secret) if known else None
        if session is None:
            raise ApiError(401, "bad_secret", "The link has been used, or is too old")
        response = web.Response(status=204, headers=_HEADERS)
        response.set_cookie(
            cookie_name(request), session, path="/", httponly=True, samesite="Strict"
        )
        return response

    async def _new_link(self, request: web.Request) -> web.StreamResponse:
        return await _json(request, {"status": "success", "link": self._link()})

    async def _runs(self, request: web.Request) -> web.StreamResponse:
        return await _json(request, pages.runs(self._account, dict(request.query)))

    async def _run(self, request: web.Request) -> web.StreamResponse:
        return await _json(request, pages.run(self._account, request.match_info["run"]))

    async def _spans(self, request: web.Request) -> web.StreamResponse:
        pieces = pages.spans(self._account, request.match_info["run"])
        return await _json(request, await _beside(pieces))

    async def _span(self, request: web.Request) -> web.StreamResponse:
        return await _json(request, pages.span(self._account, request.match_info["span"]))

    async def _events(self, request: web.Request) -> web.StreamResponse:
        headers = {**_HEADERS, "Cache-Control": "no-store", "Content-Type": "text/event-stream"}
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        last = request.headers.get("Last-Event-ID") or request.query.get("after")
        try:
            async for events in self.feed.events(request.query.get("run"), last):
                await response.write(events)
        except ConnectionError:
            pass  # whoever listened has gone
        return response


def link_to(url: str, secret: str) -> str:
    """The link to the page: browsers send no server what stands behind the sign."""
    return f"{url}/#secret={quote(secret)}"


@lru_cache
def _read(path: Path, changed: int) -> tuple[bytes, bytes, str]:
    """A file as it was when it last changed, the same packed, and what names this content."""
    content = path.read_bytes()
    return content, gzip.compress(content), blake2b(content, digest_size=12).hexdigest()


def _takes_packed(request: web.Request) -> bool:
    return "gzip" in request.headers.get("Accept-Encoding", "")


async def _beside(pieces: Iterator[bytes]) -> bytes:
    """All of what is made beside the loop, which has its turn between two pieces."""
    made: list[bytes] = []
    while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
        made.append(piece)
    return b"".join(made)


async def _json(request: web.Request, body: Json | bytes) -> web.StreamResponse:
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    headers = {**_HEADERS, "Cache-Control": "no-store"}
    if len(content) > _WORTH_PACKING and _takes_packed(request):
        content = await asyncio.to_thread(gzip.compress, content, 1)
        headers |= {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
    return web.Response(body=content, headers=headers, content_type="application/json")
