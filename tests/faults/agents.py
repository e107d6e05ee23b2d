"""Agents that tell which spans were accepted, one line each, until something ends them."""

import os
import random
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    SimpleSpanProcessor,
    SpanExporter,
    SpanExportResult,
)
from opentelemetry.trace import Tracer

from prefactor_otel import PrefactorExporter, TracerProvider


@dataclass
class Accepted:
    """What agents said before they ended: span id to parent id, both in hexadecimal."""

    parents: dict[str, str] = field(default_factory=dict)

    def hear(self, line: str) -> None:
        span, parent = line.split()
        self.parents[span] = parent


class Telling(SpanExporter):
    """Exports, and tells of each span that was accepted, in one write that nothing can split."""

    def __init__(self, exporter: PrefactorExporter, descriptor: int) -> None:
        self.exporter = exporter
        self._descriptor = descriptor

    def export(self, spans: "list[ReadableSpan]") -> SpanExportResult:  # type: ignore[override]
        result = self.exporter.export(spans)
        if result is SpanExportResult.SUCCESS:
            lines = [_line(span) for span in spans]
            os.write(self._descriptor, "".join(lines).encode())
        return result

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self.exporter.force_flush(timeout_millis)

    def shutdown(self) -> None:
        self.exporter.shutdown()


def _line(span: ReadableSpan) -> str:
    assert span.context is not None
    parent = f"{span.parent.span_id:016x}" if span.parent is not None else "-"
    return f"{span.context.span_id:016x} {parent}\n"


def work(tracer: Tracer, chance: random.Random, spans: int) -> None:
    """Trees of random shape, with about as many spans."""
    for _ in range(spans // 5):
        with tracer.start_as_current_span("task"):
            for _ in range(chance.randint(1, 3)):
                with tracer.start_as_current_span("step") as step:
                    step.set_attribute("text", "x" * chance.randint(1, 3000))
                    if chance.random() < 0.5:
                        tracer.start_span("leaf").end()


def forked(child: Callable[[int], None]) -> tuple[int, int]:
    """Run ``child`` in a fork, with the end of a pipe to write to; returns its process id and
    the end to read from."""
    read, write = os.pipe()
    pid = os.fork()
    if pid:
        os.close(write)
        return pid, read
    code = 1
    try:
        os.close(read)
        child(write)
        code = 0
    finally:
        os._exit(code)


def agent(api_url: str, token: str, folder: Path, seed: int, descriptor: int) -> None:
    """One agent's life, under a simple or a batch processor by its seed."""
    exporter = PrefactorExporter(api_url, token, spool_dir=folder, shutdown_timeout=2.0)
    telling = Telling(exporter, descriptor)
    processor = (
        BatchSpanProcessor(telling, schedule_delay_millis=20)
        if seed % 2
        else SimpleSpanProcessor(telling)
    )
    provider = TracerProvider(span_processors=[processor], shutdown_on_exit=False)
    work(provider.get_tracer("agent"), random.Random(seed), spans=300)
    provider.shutdown()


def listen(pid: int, descriptor: int, accepted: Accepted, lines_to_live: int | None) -> None:
    """Hear an agent out; after so many lines it is killed, wherever it is."""
    with os.fdopen(descriptor) as told:
        for number, line in enumerate(told):
            accepted.hear(line)
            if number == lines_to_live:
                os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
