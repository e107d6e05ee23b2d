"""A server between a client and the local API that reads the API's documents in another way."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.error import HTTPError
from urllib.parse import parse_qsl, urlencode, urlsplit
from urllib.request import Request, urlopen

from prefactor_otel.devserver import DevServer
from tests.serving import serving

Json = dict[str, Any]
Query = dict[str, str]


class Refused(Exception):
    """The API does not take this query."""


def as_it_is(answer: Json) -> Json:
    return answer


@contextmanager
def between(
    api: DevServer,
    path: str,
    query: Callable[[Query], Query] = lambda query: query,
    answer: Callable[[Json], Json] = as_it_is,
) -> Iterator[dict[str, str]]:
    """Serve the API, with this done to queries and answers of one path; yields the variables with
    which a client finds it. A query that raises ``Refused`` is answered with 422."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            asked = dict(parse_qsl(parts.query))
            is_changed = parts.path == f"/api/v1{path}"
            try:
                asked = query(asked) if is_changed else asked
            except Refused:
                self._answer(422, {"status": "error", "code": "validation_errors", "message": "no"})
                return
            status, body = self._forwarded(f"{parts.path}?{urlencode(asked)}")
            self._answer(status, answer(body) if is_changed else body)

        def _forwarded(self, path: str) -> tuple[int, Json]:
            headers = {"Authorization": f"Bearer {api.token}"}
            try:
                with urlopen(Request(api.url + path, headers=headers)) as found:
                    return found.status, json.load(found)
            except HTTPError as error:
                return error.code, json.load(error)

        def _answer(self, status: int, body: Json) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as server:
        url = f"http://127.0.0.1:{server.server_port}"
        yield {"PREFACTOR_API_URL": url, "PREFACTOR_API_TOKEN": api.token}


def of(api: DevServer) -> dict[str, str]:
    """The variables with which a client finds the API itself."""
    return {"PREFACTOR_API_URL": api.url, "PREFACTOR_API_TOKEN": api.token}


HOSTILE = "\x1b[2J\x1b]0;owned\x07\x9b31m\u202egnp.exe\u2066"
"""Clears a terminal, names it, colours it, and turns the direction of its text."""


def drives_a_terminal(text: str) -> bool:
    """Whether it still would."""
    return bool(set(text) & set(HOSTILE) - set("[2J]0;owned31mgnp.exe"))
