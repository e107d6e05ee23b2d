"""A host to which nothing is to be sent."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Elsewhere:
    """Takes connections on a port of its own, and every byte that comes on them."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._take_all, daemon=True)
        self._thread.start()
        self.connections = 0
        self.received = b""

    def _take_all(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            with connection:
                head = connection.recv(65536)
                if not head:
                    return  # ``close`` has nothing to say
                self.connections += 1
                self.received += head
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    def close(self) -> None:
        """Returns when everything that was sent before has been taken."""
        socket.create_connection(self._listener.getsockname()).close()
        self._thread.join()
        self._listener.close()


@contextmanager
def elsewhere() -> Iterator[Elsewhere]:
    """Such a host; inside, and after, it tells what it was sent."""
    host = Elsewhere()
    try:
        yield host
    finally:
        host.close()
