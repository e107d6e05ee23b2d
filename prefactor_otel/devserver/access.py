"""Who may come in: whoever has the token, and the page by the cookie of its session."""

import hmac
import ipaddress
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

from prefactor_otel.devserver.errors import ApiError
from prefactor_otel.devserver.sessions import Sessions

PAGE_HEADER: Final = "X-Prefactor-Page"
"""What the page sends with every request that writes: no other site can make a browser send it."""
_READS: Final = frozenset({"GET", "HEAD"})
_OWN_SITE: Final = frozenset({None, "same-origin", "none"})


def is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Access:
    """Raises ``ApiError`` for whom it does not let in. ``host`` is the server's own name."""

    def __init__(self, token: str, sessions: Sessions, host: str) -> None:
        self._authorization = f"Bearer {token}".encode()
        self._sessions = sessions
        self._host = host

    def check(self, request: web.Request) -> None:
        """Let in who has the token, or else the page."""
        given = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
        if hmac.compare_digest(given, self._authorization):
            return
        session = request.cookies.get(cookie_name(request))
        if given or session is None or not self._sessions.knows(session):
            raise ApiError(401, "bad_authtoken", "The bearer token is missing or wrong")
        self.check_host(request)
        if request.headers.get("Sec-Fetch-Site") not in _OWN_SITE:
            raise ApiError(403, "forbidden", "Another site has made the browser ask this")
        if request.method not in _READS and request.headers.get(PAGE_HEADER) != "1":
            raise ApiError(403, "forbidden", f"A session writes with the header {PAGE_HEADER}: 1")

    def check_host(self, request: web.Request) -> None:
        """Refuse a name that is not the server's own: a site that lets its name point here would
        be the same site as the page."""
        try:
            name = urlsplit(f"//{request.headers.get('Host', '')}").hostname or ""
            if name in ("localhost", self._host.lower()):
                return
            ipaddress.ip_address(name)  # no name, and so nobody else's
        except ValueError:
            raise ApiError(
                403,
                "forbidden_host",
                "The page is served under this machine's address or localhost only",
            ) from None


def cookie_name(request: web.Request) -> str:
    """Browsers give cookies to every port of a host: each server needs a name of its own."""
    where = request.transport.get_extra_info("sockname") if request.transport else None
    return f"prefactor_session_{where[1] if where else 0}"
