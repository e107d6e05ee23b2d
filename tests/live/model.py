"""A scripted model behind the OpenAI chat API, on a loopback socket."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Self

Json = dict[str, Any]

ANSWER: Final = "It is sunny, 21C in Paris."
TOOL: Final = "get_weather"
PROMPT_TOKENS: Final = 120
COMPLETION_TOKENS: Final = 30
CACHED_TOKENS: Final = 64
REASONING_TOKENS: Final = 16

_USAGE: Final = {
    "prompt_tokens": PROMPT_TOKENS,
    "completion_tokens": COMPLETION_TOKENS,
    "total_tokens": PROMPT_TOKENS + COMPLETION_TOKENS,
    "prompt_tokens_details": {"cached_tokens": CACHED_TOKENS},
    "completion_tokens_details": {"reasoning_tokens": REASONING_TOKENS},
}


class FakeModel:
    """Asks for the weather when a person has spoken, and answers when a tool has.

    Serves while entered. ``url`` is what the clients call their base URL; ``answered`` counts the
    calls that were answered, streamed or whole. It thinks for as long as ``think`` takes.
    """

    def __init__(self, think: Callable[[], object] = lambda: None) -> None:
        self.answered = 0
        self._think = think
        self._counting = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/v1"

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
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if self.path != "/v1/chat/completions":
                    self.send_error(404)
                elif asked.get("stream"):
                    self._reply("text/event-stream", _event_stream(number(), asked))
                else:
                    self._reply("application/json", json.dumps(_whole(number(), asked)))

            def _reply(self, content_type: str, text: str) -> None:
                body = text.encode()
                self.send_response(200)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                """Nothing: standard error belongs to the tests."""

        return Handler


def _whole(number: int, asked: Json) -> Json:
    message = _message(number, asked["messages"])
    reason = "tool_calls" if "tool_calls" in message else "stop"
    choice = {"index": 0, "message": message, "finish_reason": reason}
    head = _head(number, asked, "chat.completion")
    return {**head, "choices": [choice], "usage": _USAGE}


def _event_stream(number: int, asked: Json) -> str:
    events = [*map(json.dumps, _chunks(number, asked)), "[DONE]"]
    return "".join(f"data: {event}\n\n" for event in events)


def _chunks(number: int, asked: Json) -> Iterator[Json]:
    head = _head(number, asked, "chat.completion.chunk")
    whole = _message(number, asked["messages"])
    for delta in ({"role": "assistant", "content": ""}, *_deltas(whole)):
        yield {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    reason = "tool_calls" if "tool_calls" in whole else "stop"
    yield {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}
    if (asked.get("stream_options") or {}).get("include_usage"):
        yield {**head, "choices": [], "usage": _USAGE}


def _deltas(whole: Json) -> list[Json]:
    """The message in several pieces, as models speak."""
    if "tool_calls" not in whole:
        half = len(ANSWER) // 2
        return [{"content": ANSWER[:half]}, {"content": ANSWER[half:]}]
    [call] = whole["tool_calls"]
    arguments = call["function"]["arguments"]
    begun = {**call, "index": 0, "function": {"name": TOOL, "arguments": arguments[:5]}}
    rest = {"index": 0, "function": {"arguments": arguments[5:]}}
    return [{"tool_calls": [begun]}, {"tool_calls": [rest]}]


def _message(number: int, messages: list[Json]) -> Json:
    if messages[-1]["role"] != "user":
        return {"role": "assistant", "content": ANSWER}
    city = "Atlantis" if "Atlantis" in json.dumps(messages[-1]["content"]) else "Paris"
    function = {"name": TOOL, "arguments": json.dumps({"city": city})}
    call = {"id": f"call_{number}", "type": "function", "function": function}
    return {"role": "assistant", "content": None, "tool_calls": [call]}


def _head(number: int, asked: Json, kind: str) -> Json:
    return {"id": f"chatcmpl-{number}", "object": kind, "created": 1, "model": asked["model"]}
