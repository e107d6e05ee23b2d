"""A server that answers in no sensible way costs as little as can be, and floods no log."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from prefactor_otel import PrefactorSpanProcessor, TracerProvider
from prefactor_otel.devserver import DevServer
from tests.patience import comes_true
from tests.serving import serving

INSTANCE = "01m86pz9fjw2ftnd4bhzcyq7534s2zea"
Answer = tuple[int, Any]
FAILURE: Answer = (500, {"status": "error", "code": "internal_server_error", "message": "boom"})


class Odd(ThreadingHTTPServer):
    """An API that registers runs well, and answers to bulk requests as a function says."""

    daemon_threads = True

    def __init__(self, answer: Callable[[bytes], Answer | None]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer
        self.delivered: list[str] = []
        self.asked = 0
        """How often it was asked for a run."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Odd

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status, reply = 200, {"status": "success", "details": {"id": INSTANCE}}
        if self.path.endswith("/bulk"):
            status, reply = self.server.answer(body) or self._all_well(body)
        self._reply(status, reply)

    def do_GET(self) -> None:
        self.server.asked += 1
        self._reply(200, {"status": "success", "details": {"id": INSTANCE, "status": "active"}})

    def _reply(self, status: int, reply: Any) -> None:
        data = json.dumps(reply).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _all_well(self, body: bytes) -> Answer:
        items = json.loads(body)["items"]
        self.server.delivered += [i["details"]["payload"]["name"] for i in items if "details" in i]
        keys = [item["idempotency_key"] for item in items]
        return 200, {"status": "success", "outputs": {k: {"status": "success"} for k in keys}}

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: pytest's output is not for this."""


@contextmanager
def odd(answer: Callable[[bytes], Answer | None]) -> Iterator[Odd]:
    with serving(Odd(answer)) as server:
        yield server


def emit(url: str, names: list[str]) -> PrefactorSpanProcessor:
    processor = PrefactorSpanProcessor(url, "pf_secret_token", schedule_delay=0.0)
    tracer = TracerProvider(span_processors=[processor], shutdown_on_exit=False).get_tracer("a")
    for name in names:
        tracer.start_span(name).end()
    return processor


def test_a_span_over_which_the_server_fails_holds_up_no_other() -> None:
    failures: list[None] = []

    def answer(body: bytes) -> Answer | None:
        if b"POISON" not in body:
            return None
        failures.append(None)
        return FAILURE

    with odd(answer) as api:
        names = [*(f"step {n}" for n in range(60)), "POISON", *(f"later {n}" for n in range(60))]
        processor = emit(api.url, names)
        assert comes_true(lambda: len(api.delivered) == 120)
        assert len(failures) <= 9  # two of all spans, and one a halving
        processor.shutdown()
    assert sorted(api.delivered) == sorted(set(names) - {"POISON"})
    stats = processor.stats()
    assert (stats.acknowledged, stats.dropped) == (120, {"refused": 1})


def test_a_server_that_fails_over_everything_loses_nothing() -> None:
    left = [FAILURE] * 4
    with odd(lambda _: left.pop() if left else None) as api:
        processor = emit(api.url, [f"step {n}" for n in range(30)])
        assert processor.force_flush()
        processor.shutdown()
        assert len(api.delivered) == 30
    assert processor.stats().dropped == {}


@pytest.mark.parametrize("code", [["a"], {"a": 1}, 7, None, "x" * 5_000, "pf_secret_token\n"])
def test_a_code_that_is_none_refuses_its_item_alone(
    code: object, caplog: pytest.LogCaptureFixture
) -> None:
    def answer(body: bytes) -> Answer:
        keys = [item["idempotency_key"] for item in json.loads(body)["items"]]
        error = {"status": "error", "code": code, "message": "m", "errors": {"p\nf_secret": []}}
        return 200, {"status": "success", "outputs": dict.fromkeys(keys, error)}

    with odd(answer) as api:
        processor = emit(api.url, ["one", "two", "three"])
        processor.force_flush()
        processor.shutdown()
    stats = processor.stats()
    assert stats.dropped == {"refused": 3}
    assert stats.worker_restarts == 0
    assert "secret" not in caplog.text + repr(stats)
    assert max(len(record.getMessage()) for record in caplog.records) < 200


def test_for_all_that_one_answer_refuses_its_run_is_asked_once() -> None:
    requests: list[bytes] = []

    def answer(body: bytes) -> Answer:
        requests.append(body)
        keys = [item["idempotency_key"] for item in json.loads(body)["items"]]
        error = {"status": "error", "code": "bad_request", "message": "m"}
        return 200, {"status": "success", "outputs": dict.fromkeys(keys, error)}

    with odd(answer) as api:
        processor = emit(api.url, [f"step {n}" for n in range(50)])
        processor.force_flush()
        processor.shutdown()
    assert processor.stats().dropped == {"refused": 50}
    assert api.asked == len(requests) < 50


def test_refusals_of_many_kinds_are_told_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    def answer(body: bytes) -> Answer:
        keys = [item["idempotency_key"] for item in json.loads(body)["items"]]
        errors = [{f"payload.messages.{n}.content": ["no"]} for n in range(len(keys))]
        return 200, {
            "status": "success",
            "outputs": {
                key: {"status": "error", "code": "validation_errors", "errors": error}
                for key, error in zip(keys, errors, strict=True)
            },
        }

    with odd(answer) as api:
        processor = emit(api.url, [f"step {n}" for n in range(100)])
        processor.force_flush()
        processor.shutdown()
    assert processor.stats().dropped == {"refused": 100}
    lines = [r.getMessage() for r in caplog.records if "refused a" in r.getMessage()]
    assert lines == [
        "Prefactor refused a create item: validation_errors (payload.messages.0.content); "
        "it is dropped and counted"
    ]


def test_an_api_that_fails_every_other_time_is_told_of_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    count = iter(range(10_000))
    down: Answer = (503, {"status": "error", "code": "unavailable", "message": "m"})
    with odd(lambda _: down if next(count) % 2 else None) as api:
        processor = emit(api.url, ["first"])
        tracer = TracerProvider(span_processors=[processor], shutdown_on_exit=False).get_tracer("a")
        for number in range(6):
            tracer.start_span(f"step {number}").end()
            assert processor.force_flush()
        processor.shutdown()
    assert next(count) > 8
    lines = [record.getMessage().split(" (")[0] for record in caplog.records]
    assert lines == [
        "Prefactor cannot be reached",
        "Prefactor answers again; delivery goes on",
    ]


@pytest.mark.parametrize("path", ["/register", "/bulk"])
@pytest.mark.parametrize("status", [400, 404, 405, 410, 499])
def test_what_a_proxy_answers_in_between_refuses_nothing(
    api: DevServer, path: str, status: int
) -> None:
    if (path, status) == ("/bulk", 400):
        pytest.skip("a firewall may refuse what a request holds: then it is tried apart")
    api.faults.add(path=path, status=status, body="<html>a deployment goes on</html>")
    processor = PrefactorSpanProcessor(api.url, api.token, schedule_delay=0.0)
    tracer = TracerProvider(span_processors=[processor], shutdown_on_exit=False).get_tracer("a")
    tracer.start_span("one").end()
    assert processor.force_flush()
    processor.shutdown()
    assert processor.stats().acknowledged == 1
