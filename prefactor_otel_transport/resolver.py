"""DNS on threads of its own, the only ones of this package."""

import asyncio
import socket
from typing import Final

from aiohttp.abc import AbstractResolver, ResolveResult

from prefactor_otel_transport.daemon import in_daemon

NUMERIC: Final = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV


class ExitProofResolver(AbstractResolver):
    """DNS that still works while the interpreter shuts down, and keeps no process from ending.

    A lookup has a daemon thread of its own, for a name server may never answer. By the time atexit
    hooks run no thread can be had; then the name is looked up in the loop's thread, where nobody is
    kept waiting.
    """

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of a host. Raises ``OSError``."""
        try:
            found = in_daemon(lambda: _look_up(host, port, family), "prefactor-dns")
        except RuntimeError:
            return _look_up(host, port, family)
        return await asyncio.wrap_future(found)

    async def close(self) -> None:
        """Nothing is held open."""


def _look_up(host: str, port: int, family: socket.AddressFamily) -> list[ResolveResult]:
    # A machine without a network has no address but that of localhost.
    flags = 0 if host == "localhost" else socket.AI_ADDRCONFIG
    # As bytes: of a text, Python imports a codec, and a child forked just then waits for ever for
    # the lock of that import.
    name = host.encode() if host.isascii() else host
    found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM, family=family, flags=flags)
    return [
        ResolveResult(
            hostname=host,
            host=socket.getnameinfo(address, NUMERIC)[0],  # with the scope of a local IPv6 address
            port=port,
            family=found_family,
            proto=proto,
            flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
        )
        for found_family, _, proto, _, address in found
    ]
