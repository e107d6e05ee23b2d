"""The way to the wire: sessions, one HTTP exchange. All that aiohttp does, it does here."""

import io
from typing import Any, Final, Protocol

import aiohttp
from multidict import CIMultiDict, CIMultiDictProxy

from prefactor_http import _json
from prefactor_http.config import HttpClientConfig
from prefactor_http.environment import CA_VARIABLES, Proxy, tls_context
from prefactor_http.replies import Reply
from prefactor_http.resolver import ExitProofResolver

Session = aiohttp.ClientSession

LARGEST_ANSWER: Final = 64 * 1024 * 1024
"""Bytes of an answer that are read, at most: what is larger is none of the API's."""


class Requester(Protocol):
    """What the endpoint clients need of the client that holds them."""

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: dict[str, Any] | None = None,
        json_data: dict[str, Any] | None = None,
        idempotency_key: str | None = None,
    ) -> dict[str, Any]:
        """One API call, retried as configured; the JSON object of its answer."""
        ...

    async def request_raw(self, method: str, path: str, body: bytes) -> dict[str, Any]:
        """The same with a body that is JSON already."""
        ...


class UntrustedCertificateError(aiohttp.ClientConnectorCertificateError):
    """The host's certificate is not trusted; says how to trust a private authority."""

    def __str__(self) -> str:
        return (
            f"The certificate of {self.host}:{self.port} is not trusted: "
            f"{self.certificate_error}. A private certificate authority can be named in one of "
            f"{', '.join(CA_VARIABLES)}"
        )


def open_session(config: HttpClientConfig) -> Session:
    """A session with the configured timeouts, which trusts the environment's authorities. Must
    be opened on the event loop that will use it."""
    is_secure = config.api_url.lower().startswith("https:")
    return Session(
        timeout=aiohttp.ClientTimeout(total=config.request_timeout, connect=config.connect_timeout),
        connector=aiohttp.TCPConnector(
            resolver=ExitProofResolver(), ssl=tls_context() if is_secure else True
        ),
        json_serialize=_json.dumps,
    )


async def send(
    session: Session,
    method: str,
    url: str,
    headers: dict[str, str],
    *,
    params: dict[str, Any] | None = None,
    body: dict[str, Any] | bytes | None = None,
    proxy: Proxy | None = None,
) -> Reply:
    """One HTTP exchange; ``body`` is JSON when it is bytes. Raises ``aiohttp.ClientError`` and
    ``TimeoutError``."""
    # A stream, for aiohttp warns about long bytes.
    content: dict[str, Any] = (
        {"data": io.BytesIO(body)} if isinstance(body, bytes) else {"json": body}
    )
    try:
        async with session.request(
            method=method, params=params, **content, **_through(proxy, url, headers)
        ) as response:
            text = await _text(response)
            # Successes need no header, and so stand-ins for the session need none either.
            wait = response.headers.get("Retry-After") if response.status >= 400 else None
            return Reply(response.status, text, wait if isinstance(wait, str) else None)
    except aiohttp.ClientConnectorCertificateError as error:
        raise UntrustedCertificateError(*error.args) from error
    except aiohttp.ClientResponseError as error:
        _forget_secrets(error)
        raise


async def _text(response: aiohttp.ClientResponse) -> str:
    """The body, as far as its charset lets itself be read. Raises ``aiohttp.ClientPayloadError``
    for one without end."""
    stream = getattr(response, "content", None)
    if not isinstance(stream, aiohttp.StreamReader):
        return await response.text()  # a stand-in for a session answers with stand-ins
    body = bytearray()
    async for piece in stream.iter_any():
        body += piece
        if len(body) > LARGEST_ANSWER:
            raise aiohttp.ClientPayloadError(f"The answer exceeds {LARGEST_ANSWER} bytes")
    try:
        return body.decode(response.charset or "utf-8", "replace")
    except LookupError:
        return body.decode("utf-8", "replace")


def _through(proxy: Proxy | None, url: str, headers: dict[str, str]) -> dict[str, Any]:
    """The keywords that bring a request there, by way of the proxy if there is one."""
    if proxy is None:
        return {"url": url, "headers": headers}
    authorization = {"Proxy-Authorization": proxy.authorization} if proxy.authorization else {}
    if url.lower().startswith("https:"):  # only the request for the tunnel is for the proxy's eyes
        own = {"proxy_headers": authorization}
        return {"url": url, "headers": headers, "proxy": proxy.url, **own}
    return {"url": url, "headers": headers | authorization, "proxy": proxy.url}


def _forget_secrets(error: aiohttp.ClientResponseError) -> None:
    """aiohttp shows the request's headers in the ``repr`` of such an error: without secrets."""
    info = error.request_info
    headers = CIMultiDict(info.headers)
    for name in ("Authorization", "Proxy-Authorization"):
        headers.popall(name, None)
    shown = CIMultiDictProxy(headers)
    error.request_info = aiohttp.RequestInfo(info.url, info.method, shown, info.real_url)
    error.args = (error.request_info, *error.args[1:])
