"""What a span costs a gateway from its request to its acknowledgement by the platform, beside the
exporter in process and what OTLP's exporter spends on sending it: ``python -m
tests.benchmarks.gateway [SPANS]``. Batches of 512, protobuf by gzip, each trace a run."""

import gzip
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan

from prefactor_otel import PrefactorExporter
from tests.benchmarks.clock import clocked
from tests.benchmarks.driving import FLUSH_MILLIS, readable
from tests.benchmarks.sink import Sink
from tests.benchmarks.suite.cpu import BATCH
from tests.benchmarks.workload import runs
from tests.gateway.process import Gateway, running
from tests.patience import comes_true

ROUNDS: Final = 3
_TICKS: Final = os.sysconf("SC_CLK_TCK")
Spans = Sequence[ReadableSpan]


def batches(spans: Spans) -> list[Spans]:
    """The spans, as they are sent together."""
    return [spans[begin : begin + BATCH] for begin in range(0, len(spans), BATCH)]


def in_process(sink: Sink, spans: Spans, **options: str) -> float:
    """Microseconds of CPU a span, of the exporter in this process."""
    exporter = PrefactorExporter(
        sink.url,
        "token",
        run_scope="trace",
        shutdown_timeout=600.0,
        **options,  # type: ignore[arg-type]
    )
    with clocked() as took:
        for some in batches(spans):
            exporter.export(some)
        exporter.force_flush(FLUSH_MILLIS)
    exporter.shutdown(timeout_millis=FLUSH_MILLIS)
    return took.cpu / len(spans) * 1e6


def on_disk(sink: Sink, spans: Spans) -> float:
    """The same with a spool, as a gateway has one."""
    with tempfile.TemporaryDirectory() as folder:
        return in_process(sink, spans, spool_dir=folder)


def by_otlp(sink: Sink, spans: Spans) -> float:
    """The same of OTLP's exporter."""
    exporter = OTLPSpanExporter(f"{sink.url}/v1/traces", compression=Compression.Gzip)
    with clocked() as took:
        for some in batches(spans):
            exporter.export(some)
    exporter.shutdown()  # type: ignore[no-untyped-call]
    return took.cpu / len(spans) * 1e6


def by_gateway(sink: Sink, spans: Spans) -> float:
    """The same of a gateway, which gets them in requests that are made beforehand."""
    bodies = [gzip.compress(encode_spans(some).SerializeToString()) for some in batches(spans)]
    settings = {"PREFACTOR_API_URL": sink.url, "PREFACTOR_API_TOKEN": "token"}
    with (
        tempfile.TemporaryDirectory() as folder,
        running("--spool-dir", str(Path(folder, "spool")), **settings) as gateway,
    ):
        begun = _cpu(gateway)
        for body in bodies:
            answer = gateway.post(body, Content_Encoding="gzip")
            assert answer.status == 200
        assert comes_true(lambda: sink.counts().spans >= len(spans))
        return (_cpu(gateway) - begun) / len(spans) * 1e6


def _cpu(gateway: Gateway) -> float:
    """Seconds of CPU that its process has taken."""
    fields = Path(f"/proc/{gateway.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


MEASURED: Final[dict[str, Callable[[Sink, Spans], float]]] = {
    "OTLP's exporter, sending": by_otlp,
    "exporter in process": in_process,
    "exporter in process, with a spool": on_disk,
    "gateway": by_gateway,
}


def main(count: int) -> None:
    """Measure all of them in turn, and print the medians."""
    found: dict[str, list[float]] = {name: [] for name in MEASURED}
    with Sink() as sink:
        for number in range(ROUNDS):
            for name, measure in MEASURED.items():
                sink.reset()
                found[name].append(measure(sink, readable(runs("GenAI", "1 KB", count, number))))
    for name, values in found.items():
        print(f"{statistics.median(values):7.1f} µs of CPU a span: {name}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 8_192)
