"""Sessions, and one HTTP exchange. All that aiohttp does, it does here."""

import time
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from multidict import CIMultiDict, CIMultiDictProxy

from prefactor_otel_transport.addresses import origin
from prefactor_otel_transport.environment import CA_VARIABLES, Proxy, tls_context
from prefactor_otel_transport.resolver import ExitProofResolver
from prefactor_otel_transport.waits import retry_after, server_time

Session = aiohttp.ClientSession

LARGEST_ANSWER: Final = 64 * 1024 * 1024
"""Bytes of an answer that are read, at most: what is larger is none of the API's."""

_REDIRECTS: Final = range(300, 400)
_PIECE: Final = 256 * 1024
"""Bytes of a request that are written at once: what a socket takes at a time, about."""


class JsonBody(aiohttp.Payload):
    """A request's body that is JSON already. It goes out as it lies there, in pieces, and as often
    as it is asked for; of long ``bytes`` aiohttp warns, and a stream it would copy."""

    _value: bytes
    _autoclose = True  # it is memory alone

    def __init__(self, content: bytes) -> None:
        super().__init__(content, content_type="application/json")
        self._size = len(content)

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return self._value.decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        content = memoryview(self._value)
        for begin in range(0, len(content), _PIECE):
            await writer.write(content[begin : begin + _PIECE])


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer, read whole. ``retry_after``: seconds that it asks to wait. ``redirect``: the
    scheme, host and port to which it points."""

    status: int
    body: bytes
    charset: str | None = None
    retry_after: float | None = None
    redirect: str | None = None

    @property
    def is_redirect(self) -> bool:
        """Whether it is somebody else who is to be asked; whoever that is, is not."""
        return self.status in _REDIRECTS

    @property
    def text(self) -> str:
        """The body, as far as its charset lets itself be read."""
        try:
            return self.body.decode(self.charset or "utf-8", "replace")
        except LookupError:
            return self.body.decode("utf-8", "replace")


class UntrustedCertificateError(aiohttp.ClientConnectorCertificateError):
    """The host's certificate is not trusted; says how to trust a private authority."""

    def __str__(self) -> str:
        return (
            f"The certificate of {self.host}:{self.port} is not trusted: "
            f"{self.certificate_error}. A private certificate authority can be named in one of "
            f"{', '.join(CA_VARIABLES)}"
        )


def open_session(
    url: str, *, request_timeout: float, connect_timeout: float, **options: Any
) -> Session:
    """A session for requests to this address, which trusts the environment's authorities. Times in
    seconds. Must be opened on the event loop that will use it."""
    is_secure = url.lower().startswith("https:")
    return Session(
        timeout=aiohttp.ClientTimeout(total=request_timeout, connect=connect_timeout),
        connector=aiohttp.TCPConnector(
            resolver=ExitProofResolver(), ssl=tls_context() if is_secure else True
        ),
        **options,
    )


async def exchange(
    session: Session,
    method: str,
    url: str,
    headers: dict[str, str],
    *,
    proxy: Proxy | None = None,
    **content: Any,
) -> Reply:
    """One HTTP exchange; ``content`` as aiohttp's ``request`` takes it. A redirect is an answer,
    and never followed: whoever answers could have what is sent go anywhere. Raises
    ``aiohttp.ClientError`` and ``TimeoutError``."""
    try:
        async with session.request(
            method=method, allow_redirects=False, **content, **_through(proxy, url, headers)
        ) as response:
            body = await _body(response)
            if response.status < 300:
                # Successes need no header, and so stand-ins for the session need none either.
                return Reply(response.status, body, _charset(response))
            names = ("Retry-After", "Date", "Location")
            wait, date, there = (_header(response, name) for name in names)
            return Reply(
                response.status,
                body,
                _charset(response),
                retry_after(wait, server_time(date, time.time())),
                origin(there, url) if there is not None else None,
            )
    except aiohttp.ClientConnectorCertificateError as error:
        raise UntrustedCertificateError(*error.args) from error
    except aiohttp.ClientResponseError as error:
        _forget_secrets(error)
        raise


async def _body(response: aiohttp.ClientResponse) -> bytes:
    """Raises ``aiohttp.ClientPayloadError`` for one without end."""
    stream = getattr(response, "content", None)
    if not isinstance(stream, aiohttp.StreamReader):  # a stand-in answers with stand-ins
        return (await response.text()).encode("utf-8", "surrogatepass")
    pieces, size = list[bytes](), 0
    while piece := await stream.readany():
        pieces.append(piece)
        size += len(piece)
        if size > LARGEST_ANSWER:
            raise aiohttp.ClientPayloadError(f"The answer exceeds {LARGEST_ANSWER} bytes")
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _charset(response: aiohttp.ClientResponse) -> str | None:
    charset = getattr(response, "charset", None)
    return charset if isinstance(charset, str) else None


def _header(response: aiohttp.ClientResponse, name: str) -> str | None:
    value = response.headers.get(name)
    return value if isinstance(value, str) else None


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
