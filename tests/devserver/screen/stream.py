"""A browser's stream of server-sent events, read one at a time."""

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from prefactor_otel.devserver import DevServer
from tests.patience import PATIENCE


class Event(NamedTuple):
    """``number`` is what a browser would send as ``Last-Event-ID`` after this one."""

    name: str
    number: int
    data: Any


@contextmanager
def listening(server: DevServer, query: str = "", last: str | None = None) -> Iterator["Stream"]:
    """A stream that has begun: what happens from now on is told in it."""
    address = urlsplit(server.url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=PATIENCE)
    headers = {"Authorization": f"Bearer {server.token}"}
    headers |= {} if last is None else {"Last-Event-ID": last}
    try:
        connection.request("GET", f"/page/events{query}", headers=headers)
        response = connection.getresponse()
        assert response.status == 200
        assert response.headers["Content-Type"] == "text/event-stream"
        stream = Stream(response)
        stream.begin()
        yield stream
    finally:
        connection.close()


class Stream:
    """Reads as the standard says that browsers do."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self._response = response
        self.number = 0
        self.met: Event | None = None
        """What came before the stream was ready."""

    def begin(self) -> None:
        """Read until it says where it begins."""
        while True:
            block = self._block()
            if "data" in block:
                self.met = self._event(block)
            else:
                self.number = int(block["id"])
                return

    def next(self) -> Event:
        """The next event; what is no event is passed over."""
        while True:
            block = self._block()
            if "data" in block:
                return self._event(block)

    def until(self, name: str, **shown: Any) -> Event:
        """The first event of this name that shows these values."""
        while True:
            event = self.next()
            if event.name == name and shown.items() <= event.data.items():
                return event

    def ends(self) -> bool:
        """Whether the server ends it; what came before that is passed over."""
        while self._response.readline():
            pass
        return True

    def _event(self, block: dict[str, str]) -> Event:
        self.number = int(block["id"])
        return Event(block["event"], self.number, json.loads(block["data"]))

    def _block(self) -> dict[str, str]:
        lines: list[str] = []
        while (text := self._response.readline().decode()) != "\n":
            assert text, "the stream has ended"
            lines.append(text.rstrip("\n"))
        fields = (line.partition(": ") for line in lines if not line.startswith(":"))
        return {name: value for name, _, value in fields}
