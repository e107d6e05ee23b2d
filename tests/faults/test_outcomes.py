"""Any mix of outcomes in a bulk answer: each span is acknowledged or counted, once."""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prefactor_otel import PrefactorSpanProcessor, TracerProvider
from tests.patience import PATIENCE
from tests.serving import serving

INSTANCE = "01m86pz9fjw2ftnd4bhzcyq7534s2zea"
OUTCOMES = ("success", "refused", "transient", "missing", "no object", "finished already")


class Scripted(ThreadingHTTPServer):
    """An API whose bulk answers follow a script of outcomes, then are all well."""

    daemon_threads = True

    def __init__(self, script: list[str]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script = script
        self.lock = threading.Lock()
        self.acknowledged: Counter[str] = Counter()
        self.refused: set[str] = set()

    def output(self, key: str) -> Any:
        outcome = self.script.pop(0) if self.script else "success"
        if outcome == "success":
            self.acknowledged[key] += 1
            return {"status": "success", "details": {"id": key}}
        if outcome == "refused":
            self.refused.add(key)
            return {"status": "error", "code": "validation_errors", "message": "no"}
        if outcome == "transient":
            return {"status": "error", "code": "service_unavailable", "message": "later"}
        if outcome == "finished already":
            return {"status": "error", "code": "invalid_action", "message": "finished"}
        return "?" if outcome == "no object" else None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Scripted

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        reply: dict[str, Any] = {"status": "success", "details": {"id": INSTANCE}}
        if self.path.endswith("/bulk"):
            with self.server.lock:
                keys = [item["idempotency_key"] for item in body["items"]]
                outputs = {key: self.server.output(key) for key in keys}
            reply = {"status": "success", "outputs": {k: o for k, o in outputs.items() if o}}
        data = json.dumps(reply).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: pytest's output is not for this."""


@contextmanager
def scripted(script: list[str]) -> Iterator[Scripted]:
    with serving(Scripted(script)) as server:
        yield server


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.sampled_from(OUTCOMES), max_size=15), st.integers(1, 15))
def test_every_span_is_acknowledged_or_refused_and_never_both(
    script: list[str], batch: int
) -> None:
    with scripted(list(script)) as api:
        address = f"http://127.0.0.1:{api.server_port}"
        processor = PrefactorSpanProcessor(
            address,
            "pf_token",
            schedule_delay=0.0,
            max_batch_size=batch,
            agent_name="a",
            shutdown_timeout=PATIENCE,
        )
        provider = TracerProvider(span_processors=[processor], shutdown_on_exit=False)
        tracer = provider.get_tracer("agent")
        for _ in range(3):
            with tracer.start_as_current_span("root"):
                for number in range(4):
                    tracer.start_span(f"step {number}").end()
        provider.shutdown()  # which does not wait as long between two tries as a flush would
        stats = processor.stats()
    assert stats.accepted == 15
    # "Finished already" is no answer to a creation: it is refused as such.
    assert stats.acknowledged == len(api.acknowledged)
    assert max(api.acknowledged.values(), default=1) == 1
    assert stats.acknowledged + sum(stats.dropped.values()) == 15
    assert stats.waiting == 0
    assert not api.refused & api.acknowledged.keys()
