"""A proxy before the API that does to answers what no HTTP server can."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from urllib.parse import urlsplit

Mangle = Callable[[bytes], bytes]
"""From the answer's bytes to what is sent; then the connection is cut."""


@contextmanager
def mangled(api_url: str, path: str, mangle: Mangle, times: int) -> Iterator[str]:
    """The URL of a proxy that passes everything on, but mangles the answers to the first requests
    whose line holds ``path``."""
    address = urlsplit(api_url)
    assert address.hostname is not None
    assert address.port is not None
    target = (address.hostname, address.port)
    listener = socket.create_server(("127.0.0.1", 0))
    left = [mangle] * times

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    def answer(connection: socket.socket) -> None:
        with closing(connection):
            request = _message(connection)
            if not request:
                return
            with socket.create_connection(target) as upstream:
                upstream.sendall(_last_of_its_connection(request))
                reply = _everything(upstream)
            is_meant = path.encode() in request.partition(b"\r\n")[0] and left
            connection.sendall(left.pop()(reply) if is_meant else reply)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def _message(connection: socket.socket) -> bytes:
    """A whole request with its body."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65_536)
        if not piece:
            return b""
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        (
            int(line.split(b":")[1])
            for line in head.lower().split(b"\r\n")
            if line.startswith(b"content-length:")
        ),
        0,
    )
    while len(body) < length:
        body += connection.recv(65_536)
    return head + b"\r\n\r\n" + body


def _last_of_its_connection(request: bytes) -> bytes:
    head, _, body = request.partition(b"\r\n\r\n")
    return head + b"\r\nConnection: close\r\n\r\n" + body


def _everything(connection: socket.socket) -> bytes:
    data = b""
    while piece := connection.recv(65_536):
        data += piece
    return data
