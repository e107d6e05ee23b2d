"""The server: which API an address belongs to, and how many calls were answered."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Self

from tests.model import (
    chat,
    conversations,
    converse,
    embeddings,
    generate_content,
    messages,
    responses,
)
from tests.model.script import Json, Reply

Api = Callable[[int, str, Json], Reply]

APIS: Final[dict[str, Api]] = {
    "/chat/completions": chat.reply,
    "/responses": responses.reply,
    "/embeddings": embeddings.reply,
    "/v1/messages": messages.reply,
    "/v1/conversations": conversations.reply,
    "/converse": converse.reply,
    ":generateContent": generate_content.reply,
    ":streamGenerateContent": generate_content.reply,
}
"""By how the path ends: OpenAI's three, Anthropic's, Mistral's, Bedrock's, Gemini's."""


class FakeModel:
    """Asks for the weather when a person has spoken, and answers when a tool has.

    Serves while entered. ``url`` is what the clients of OpenAI call their base URL, ``host`` what
    others do; ``answered`` counts the calls that were answered, streamed or whole. It thinks for
    as long as ``think`` takes.
    """

    def __init__(self, think: Callable[[], object] = lambda: None) -> None:
        self.answered = 0
        self._think = think
        self._counting = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def port(self) -> int:
        return self._server.server_port

    @property
    def host(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.host}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _number(self) -> int:
        """Which call this is, once the model has thought about it."""
        self._think()
        with self._counting:
            self.answered += 1
            return self.answered

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        number = self._number

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                asked = json.loads(b"".join(_body(self)) or b"{}")
                path = self.path.partition("?")[0]
                api = next((APIS[end] for end in APIS if path.endswith(end)), None)
                if api is None:
                    self.send_error(404)
                else:
                    self._answer(api(number(), path, asked))

            def _answer(self, reply: Reply) -> None:
                body = reply.body.encode()
                self.send_response(reply.status)
                self.send_header("Content-Type", reply.content_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                """Nothing: standard error belongs to the tests."""

        return Handler


def _body(request: BaseHTTPRequestHandler) -> Iterator[bytes]:
    """The body, of known length or in chunks."""
    length = request.headers.get("Content-Length")
    if length is not None:
        yield request.rfile.read(int(length))
        return
    while size := int(request.rfile.readline(), 16):
        yield request.rfile.read(size)
        request.rfile.readline()
    request.rfile.readline()
