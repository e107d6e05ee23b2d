"""APIs that are no help: nobody listens or answers, the answer is always 503, or it is away."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

from prefactor_otel.devserver import DevServer
from tests.process.scripts import localhost


@contextmanager
def refusing() -> Iterator[str]:
    with closing(socket.socket()) as unused:
        unused.bind(("127.0.0.1", 0))
        yield f"http://localhost:{unused.getsockname()[1]}"


@contextmanager
def never_answering() -> Iterator[str]:
    accepted: list[socket.socket] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        while True:
            try:
                accepted.append(listener.accept()[0])
            except OSError:
                return

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
        for connection in accepted:
            connection.close()


@contextmanager
def unavailable() -> Iterator[str]:
    with DevServer(token="pf_some_token") as api:
        api.faults.add(status=503, times=None)
        yield localhost(api)


@contextmanager
def away(api: DevServer) -> Iterator[None]:
    """Nobody listens there until the end."""
    api.stop()
    try:
        yield
    finally:
        api.start()
