"""The sink's process: ``python -m tests.benchmarks.sink.server`` prints its port, and ends when
its standard input does.

HTTP by hand, for what the measured clients send: this process shares the machine with them.
"""

import asyncio
import json
import sys
from dataclasses import dataclass, field
from typing import Final

from tests.benchmarks.sink.answers import Tally, answer

_END_OF_HEAD: Final = b"\r\n\r\n"


@dataclass
class State:
    """What the command sets and reads."""

    delay: float = 0.0
    status: int = 200
    tally: Tally = field(default_factory=Tally)

    def control(self, body: bytes) -> bytes:
        """Settings reset the counts; nothing asks for them."""
        if not body:
            return self.tally.shown()
        settings = json.loads(body)
        self.delay, self.status, self.tally = settings["delay"], settings["status"], Tally()
        return self.tally.shown()


class Connection(asyncio.Protocol):
    """One connection of a client, kept alive; its requests are answered in turn."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._buffer = bytearray()
        self._wanted = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= self._wanted:
            end = self._buffer.find(_END_OF_HEAD)
            if end < 0:
                return
            path, headers = _head(bytes(self._buffer[:end]).decode("latin-1"))
            begin = end + len(_END_OF_HEAD)
            self._wanted = begin + int(headers.get("content-length", 0))
            if len(self._buffer) < self._wanted:
                return
            body = bytes(self._buffer[begin : self._wanted])
            del self._buffer[: self._wanted]
            self._wanted = 0
            self._handle(path, body, headers.get("content-encoding", ""))

    def _handle(self, path: str, body: bytes, encoding: str) -> None:
        state = self._state
        if path == "/sink":
            self._reply(200, "application/json", state.control(body))
        elif state.status != 200:
            self._later(state.status, "application/json", b"{}")
        else:
            self._later(200, *answer(path, body, encoding, state.tally))

    def _later(self, status: int, content_type: str, body: bytes) -> None:
        if self._state.delay:
            loop = asyncio.get_running_loop()
            loop.call_later(self._state.delay, self._reply, status, content_type, body)
        else:
            self._reply(status, content_type, body)

    def _reply(self, status: int, content_type: str, body: bytes) -> None:
        if not self._transport.is_closing():
            head = (
                f"HTTP/1.1 {status} Said\r\nContent-Type: {content_type}\r\n"
                f"Content-Length: {len(body)}\r\n\r\n"
            )
            self._transport.write(head.encode() + body)


def _head(text: str) -> tuple[str, dict[str, str]]:
    """The path and the headers of a request, names in lower case."""
    first, *lines = text.split("\r\n")
    headers = (line.split(":", 1) for line in lines)
    return first.split(" ")[1].split("?")[0], {n.lower(): v.strip() for n, v in headers}


async def serve() -> None:
    """Serve on a free port until standard input ends."""
    state = State()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(state), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(serve())
