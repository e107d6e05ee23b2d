"""Requests to the API as the exporter makes them: once each, with bodies that are JSON already.

Not by ``prefactor_http``, in whose place another distribution may have put its own: that one
follows redirects, knows no proxies, and starts threads where none can be had.
"""

import json
from collections.abc import Mapping
from types import TracebackType
from typing import Final, Self

import orjson

from prefactor_otel.config.token import UNREAD
from prefactor_otel.version import PACKAGE, __version__
from prefactor_otel_transport.environment import Proxy, proxy_for
from prefactor_otel_transport.session import JsonBody, Reply, Session, exchange, open_session

_CONNECT_TIMEOUT: Final = 10.0


class ApiError(Exception):
    """An answer that is not the success that was asked for. ``answer`` is its JSON object, None
    where it holds none; it may quote what was sent, so ``str()`` tells the status alone."""

    def __init__(self, reply: Reply, answer: Mapping[str, object] | None = None) -> None:
        super().__init__(f"HTTP {reply.status}")
        self.status = reply.status
        self.retry_after = reply.retry_after
        self.redirect = (reply.redirect or "nowhere") if reply.is_redirect else None
        """Where the answer points, which is not followed: scheme, host and port."""
        self.answer = answer

    @property
    def code(self) -> object:
        """What the API calls the error."""
        return self.answer.get("code") if self.answer is not None else None

    @property
    def errors(self) -> Mapping[str, object]:
        """What is wrong with which field."""
        errors = self.answer.get("errors") if self.answer is not None else None
        return errors if isinstance(errors, dict) else {}


class ApiClient:
    """A session with the API, an async context manager. ``token`` may change at any time; times in
    seconds."""

    def __init__(self, url: str, *, request_timeout: float, token: str = UNREAD) -> None:
        self.token = token
        self._url = url
        self._timeout = request_timeout
        self._session: Session | None = None
        self._proxy: Proxy | None = None

    async def __aenter__(self) -> Self:
        self._proxy = proxy_for(self._url)
        self._session = open_session(
            self._url,
            request_timeout=self._timeout,
            connect_timeout=min(_CONNECT_TIMEOUT, self._timeout),
        )
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def get(
        self, path: str, params: Mapping[str, str | int] | None = None
    ) -> dict[str, object]:
        """The JSON object of a success. Raises ``ApiError`` for every other answer;
        ``aiohttp.ClientError`` and ``TimeoutError`` where there is none. ``path`` begins below the
        API's prefix, with a slash."""
        return await self._request("GET", path, params=params)

    async def post(self, path: str, body: bytes) -> dict[str, object]:
        """As ``get``, with a body that is JSON."""
        return await self._request("POST", path, data=JsonBody(body))

    async def put(self, path: str, body: bytes) -> dict[str, object]:
        """As ``post``, in place of what is there."""
        return await self._request("PUT", path, data=JsonBody(body))

    async def _request(self, method: str, path: str, **content: object) -> dict[str, object]:
        assert self._session is not None
        headers = {
            "Authorization": f"Bearer {self.token}",
            "Content-Type": "application/json",
            "Accept": "application/json",
            "X-Prefactor-SDK": f"{PACKAGE}@{__version__}",
        }
        url = f"{self._url}/api/v1{path}"
        reply = await exchange(self._session, method, url, headers, proxy=self._proxy, **content)
        answer = _object(reply)
        if answer is None or reply.status >= 300:
            raise ApiError(reply, answer)
        return answer


def _object(reply: Reply) -> dict[str, object] | None:
    """The JSON object of an answer, whatever its content type."""
    try:
        found = orjson.loads(reply.body)
    except ValueError:  # another charset, lone surrogates and NaN, which the standard library takes
        try:
            found = json.loads(reply.text)
        except (ValueError, RecursionError):
            return None
    return found if isinstance(found, dict) else None
