"""The only user of aiohttp: sessions, TLS, DNS, and foreign errors mapped in one place."""

import math
import os
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from prefactor_http import _json
from prefactor_http.config import HttpClientConfig
from prefactor_http.exceptions import (
    PrefactorApiError,
    PrefactorAuthError,
    PrefactorHttpError,
    PrefactorNotFoundError,
    PrefactorResponseContractError,
    PrefactorValidationError,
)

CA_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""Variables that may name a file of certificate authorities, beside ``SSL_CERT_DIR``."""

SNIPPET_LENGTH = 200


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


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer, read whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class ExitProofResolver(AbstractResolver):
    """DNS that still works while the interpreter shuts down.

    asyncio resolves in an executor, and executors refuse work by the time atexit hooks run;
    then the name is resolved in the loop's own thread, which blocks nobody any more.
    """

    def __init__(self) -> None:
        self._threaded = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Addresses of a host, as aiohttp's connector wants them."""
        try:
            return await self._threaded.resolve(host, port, family)
        except RuntimeError:
            return _resolve_here(host, port, family)

    async def close(self) -> None:
        """Nothing is held open."""


def _resolve_here(host: str, port: int, family: socket.AddressFamily) -> list[ResolveResult]:
    found = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, family=family, flags=socket.AI_ADDRCONFIG
    )
    return [
        ResolveResult(
            hostname=host,
            host=str(address[0]),
            port=int(address[1]),
            family=found_family,
            proto=proto,
            flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
        )
        for found_family, _, proto, _, address in found
    ]


def open_session(config: HttpClientConfig) -> aiohttp.ClientSession:
    """A session with the configured timeouts, and the private certificate authorities
    that the environment names. Must be called on the loop that will use it."""
    return aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=config.request_timeout, connect=config.connect_timeout),
        connector=aiohttp.TCPConnector(resolver=ExitProofResolver(), ssl=_ssl_context(config)),
        json_serialize=_json.dumps,
    )


def proxy_for(url: str) -> str | None:
    """The proxy that ``HTTP_PROXY``, ``HTTPS_PROXY``, ``ALL_PROXY`` and ``NO_PROXY`` name for a
    URL. Not aiohttp's ``trust_env``: that also reads ~/.netrc, in an executor, and executors
    refuse work at interpreter shutdown."""
    parts = urlsplit(url)
    if not parts.hostname or proxy_bypass(parts.netloc):
        return None
    proxies = getproxies()
    return proxies.get(parts.scheme) or proxies.get("all")


def _ssl_context(config: HttpClientConfig) -> ssl.SSLContext | bool:
    """The system's authorities plus those that the environment names; plain HTTP needs none."""
    if not config.api_url.startswith("https:"):
        return True
    context = ssl.create_default_context()
    for variable in CA_VARIABLES:
        path = os.environ.get(variable)
        if path:
            _add_authorities(context, variable, Path(path))
    return context


def _add_authorities(context: ssl.SSLContext, variable: str, path: Path) -> None:
    try:
        if path.is_dir():
            context.load_verify_locations(capath=path)
        else:
            context.load_verify_locations(cafile=path)
    except (OSError, ssl.SSLError) as error:
        raise ValueError(f"{variable} names {path}, which cannot be read: {error}") from None


async def send(
    session: aiohttp.ClientSession,
    method: str,
    url: str,
    headers: dict[str, str],
    *,
    params: dict[str, Any] | None = None,
    json_data: dict[str, Any] | None = None,
    data: bytes | None = None,
) -> Reply:
    """One HTTP request. Raises ``aiohttp.ClientError`` and ``TimeoutError``."""
    body: dict[str, Any] = {"data": data} if data is not None else {"json": json_data}
    proxy = proxy_for(url)
    if proxy is not None:
        body["proxy"] = proxy
    try:
        async with session.request(method, url, params=params, headers=headers, **body) as response:
            return Reply(response.status, response.headers, await response.read())
    except aiohttp.ClientConnectorCertificateError as error:
        error.add_note(
            f"The certificate of {error.host} is not trusted. A private authority can be named "
            f"in {', '.join(CA_VARIABLES)} or SSL_CERT_DIR."
        )
        raise


def parse(reply: Reply, path: str) -> dict[str, Any]:
    """The JSON object of an answer. Raises the error of this client that the status means, or
    ``PrefactorResponseContractError`` when the body is no JSON object."""
    try:
        data = _json.loads(reply.body)
    except ValueError as cause:
        snippet = _snippet(reply.body)
        message = f"Expected JSON response from {path}, received invalid JSON"
        raise _with_wait(
            PrefactorResponseContractError(
                f"{message}: {snippet}" if snippet else message,
                status_code=reply.status,
                body_snippet=snippet,
                cause=cause,
            ),
            reply,
        ) from None
    if not isinstance(data, dict):
        raise _with_wait(
            PrefactorResponseContractError(
                f"Expected JSON object response from {path}",
                status_code=reply.status,
                body_snippet=_snippet(reply.body),
            ),
            reply,
        )
    if reply.status >= 400:
        raise _with_wait(api_error(reply.status, data), reply)
    return data


def api_error(status: int, data: dict[str, Any]) -> PrefactorApiError:
    """The error that a status and an error envelope mean (API contract, errors)."""
    code = data.get("code", "unknown")
    message = data.get("message", f"HTTP {status}")
    if status in (401, 403):
        return PrefactorAuthError(message, code, status)
    if status == 404:
        return PrefactorNotFoundError(message, code, status)
    if status in (400, 422):
        return PrefactorValidationError(message, code, status, data.get("errors") or {})
    return PrefactorApiError(message, code, status)


def _with_wait(error: PrefactorHttpError, reply: Reply) -> PrefactorHttpError:
    error.retry_after = retry_after(reply.headers.get("Retry-After"), time.time())
    return error


def retry_after(value: str | None, now: float) -> float | None:
    """Seconds to wait, from a ``Retry-After`` header (RFC 9110, 10.2.3: seconds or an HTTP
    date); None when there is none or it makes no sense. ``now`` in seconds since the epoch."""
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - now
        except ValueError:
            return None
        return max(0.0, seconds)
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def _snippet(body: bytes) -> str | None:
    text = " ".join(body.decode("utf-8", "replace").split())
    if not text:
        return None
    return f"{text[:SNIPPET_LENGTH]}..." if len(text) > SNIPPET_LENGTH else text
