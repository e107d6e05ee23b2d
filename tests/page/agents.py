"""Runs to look at: of real agents through the real exporter, and of the demo's."""

from contextlib import AbstractContextManager
from threading import Event
from typing import Any, Final

from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import Span, Tracer

from prefactor_otel import PrefactorExporter, PrefactorSpanProcessor, TracerProvider
from prefactor_otel.cli.agent import QUESTION, TravelAgent
from prefactor_otel.devserver import DevServer
from tests.page.browser import apart
from tests.patience import PATIENCE
from tests.recorded import readable

REVIEW: Final[dict[str, Any]] = {
    "name": "review",
    "title": "Review by a person",
    "schema": {
        "type": "object",
        "description": "What the desk looks at.",
        "required": ["score", "tone", "is_polite"],
        "properties": {
            "score": {"type": "integer", "minimum": 1, "maximum": 5, "description": "5 is best."},
            "tone": {"$ref": "#/$defs/Tone", "title": "Tone of voice"},
            "is_polite": {"type": "boolean"},
            "share": {"anyOf": [{"type": "number"}, {"type": "null"}], "default": None},
            "comment": {"type": "string", "maxLength": 20},
            "labels": {"type": "array", "items": {"type": "string"}},
        },
        "$defs": {"Tone": {"enum": ["warm", "cold"], "type": "string"}},
    },
}
"""A quality that a run declares."""


def replay(server: DevServer, *names: str) -> None:
    """Recorded runs, each as a run of its own."""

    def send() -> None:
        for name in names:
            exporter = PrefactorExporter(server.url, server.token)
            exporter.export(readable(name))
            exporter.shutdown(timeout_millis=int(PATIENCE * 1000))

    apart(send)


def travel(server: DevServer) -> None:
    """The demo's agent, from question to answer."""

    def work() -> None:
        with working(server) as tracer:
            TravelAgent(tracer, pace=0.0).run(QUESTION)

    apart(work)


class working:
    """A tracer whose spans become a run of this server while they happen, and its end."""

    def __init__(self, server: DevServer) -> None:
        self._processor = PrefactorSpanProcessor(
            server.url, server.token, schedule_delay=0.1, on_terminate="raise", poll_interval=0.2
        )
        self._provider = TracerProvider(
            span_processors=[self._processor],
            resource=Resource.create({"service.name": "travel-agent", "service.version": "1.0"}),
            shutdown_on_exit=False,
        )

    def __enter__(self) -> Tracer:
        return self._provider.get_tracer("tests", "1.0")

    def __exit__(self, *_: object) -> None:
        self._processor.shutdown()


class SlowAgent:
    """Works as far as it is let."""

    def __init__(self, server: DevServer) -> None:
        self._server = server
        self.may_go_on = Event()
        self.may_end = Event()

    def work(self) -> None:
        with working(self._server) as tracer, _step(tracer, "invoke_agent", "slow agent"):
            with _step(tracer, "execute_tool", "first"):
                pass
            assert self.may_go_on.wait(PATIENCE)
            with _step(tracer, "execute_tool", "second"):
                pass
            assert self.may_end.wait(PATIENCE)


def _step(tracer: Tracer, operation: str, name: str) -> AbstractContextManager[Span]:
    key = "gen_ai.tool.name" if operation == "execute_tool" else "gen_ai.agent.name"
    attributes = {"gen_ai.operation.name": operation, key: name}
    return tracer.start_as_current_span(f"{operation} {name}", attributes=attributes)
