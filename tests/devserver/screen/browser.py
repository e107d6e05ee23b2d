"""What a browser does with a server: it opens a link, keeps cookies, and sends them."""

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

from prefactor_otel.devserver import DevServer

Json = dict[str, Any]
Answered = tuple[int, bytes, dict[str, str]]


class Browser:
    """One browser that has no token, only what it is given."""

    def __init__(self, server: DevServer) -> None:
        self.server = server
        self.cookies: dict[str, str] = {}

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: dict[str, str] | None = None,
    ) -> Answered:
        address = urlsplit(self.server.url)
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)
        given = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        given = (given if self.cookies else {}) | (headers or {})
        try:
            data = None if body is None else json.dumps(body).encode()
            connection.request(method, path, data, given)
            response = connection.getresponse()
            received = dict(response.getheaders())
            self._keep(received.get("Set-Cookie"))
            return response.status, response.read(), received
        finally:
            connection.close()

    def _keep(self, cookie: str | None) -> None:
        if cookie is not None:
            name, _, value = cookie.partition(";")[0].partition("=")
            self.cookies[name] = value

    def open(self, link: str) -> int:
        """Follow a link; how the exchange of its secret was answered."""
        secret = urlsplit(link).fragment.removeprefix("secret=")
        return self.send("POST", "/page/session", {"secret": secret})[0]

    def opened(self) -> "Browser":
        """This browser, with a session."""
        assert self.open(self.server.page_link()) == 204
        return self

    def read(self, path: str) -> Json:
        status, text, _ = self.send("GET", path)
        assert status == 200, (status, text)
        found: Json = json.loads(text)
        return found
