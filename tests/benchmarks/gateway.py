"""What a span costs a gateway from its request to its acknowledgement by the platform, beside the
exporter in process and what OTLP's exporter spends on sending it; then what one core carries, what
memory it takes, and how the cost grows with the work.

    python -m tests.benchmarks.gateway                    # all of it; half an hour
    python -m tests.benchmarks.gateway --quick cost       # a part, in a minute or two
    python -m tests.benchmarks.gateway --chart docs/images/gateway.svg

Batches of 512, protobuf by gzip, each trace of four spans a run, which is finished as well.
"""

import argparse
import statistics
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

from prefactor_otel import PrefactorExporter
from tests.benchmarks.clock import clocked
from tests.benchmarks.driving import FLUSH_MILLIS
from tests.benchmarks.gateway_load import (
    BATCH,
    Spans,
    bodies_of,
    carried,
    cost_by_open_traces,
    cost_by_senders,
    cost_by_tenants,
    loaded,
    made,
    memory_of,
)
from tests.benchmarks.sink import Sink

Points = Sequence[tuple[int, float]]
"""A curve: how much there was, and microseconds of CPU a span."""


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    rounds: int
    spans: int
    senders: Sequence[int]
    open_traces: Sequence[int]
    tenants: Sequence[int]


SIZES: Final = {
    "full": Sizes(
        rounds=5,
        spans=8_192,
        senders=(1, 10, 100, 1_000),
        open_traces=(10, 100, 1_000, 10_000, 100_000),
        tenants=(1, 10, 100, 1_000),
    ),
    "quick": Sizes(3, 4_096, (1, 10, 100), (10, 100, 1_000), (1, 10, 100)),
    "smoke": Sizes(1, 64, (1, 2), (1, 2), (1, 2)),
}


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
    with loaded(sink) as gateway:
        return gateway.serve(bodies_of(spans), spans=len(spans)).cpu / len(spans) * 1e6


MEASURED: Final[dict[str, Callable[[Sink, Spans], float]]] = {
    "OTLP's exporter, sending": by_otlp,
    "exporter in process": in_process,
    "exporter in process, with a spool": on_disk,
    "gateway": by_gateway,
}
GROWTH: Final[dict[str, Callable[[Sink, int, int], float]]] = {
    "senders": cost_by_senders,
    "open traces": cost_by_open_traces,
    "tenants": cost_by_tenants,
}


def costs(sink: Sink, sizes: Sizes) -> None:
    """Measure all of them in turn, and print the medians and what they are of the exporter's."""
    found: dict[str, list[float]] = {name: [] for name in MEASURED}
    for number in range(sizes.rounds):
        for name, measure in MEASURED.items():
            sink.reset()
            found[name].append(measure(sink, made(sizes.spans, number)))
    usual = {name: statistics.median(values) for name, values in found.items()}
    ours, theirs = usual["exporter in process"], usual["OTLP's exporter, sending"]
    for name, value in usual.items():
        print(
            f"{value:7.1f} µs of CPU a span, {value / ours:.2f} of the exporter's, "
            f"{value / theirs:.2f} of OTLP's: {name}"
        )


def capacity(sink: Sink, sizes: Sizes) -> None:
    """What one core carries, and how soon it answers at half of that."""
    found = carried(sink, 2 * sizes.spans)
    print(f"{found.spans_per_second:7,.0f} spans a second on one core, {found.busy:.0%} of it used")
    print(
        f"{found.answer_p99:7.1f} ms for an answer (p99) at half of that; "
        f"the sink takes {found.round_trip:.1f} ms for such a request"
    )


def memory(sink: Sink, sizes: Sizes) -> None:
    """What memory it takes at its most."""
    tenants, traces = sizes.tenants[-1], 10 * sizes.tenants[-1]
    took = memory_of(sink, tenants, traces)
    print(f"{took:7.1f} MB with {tenants:,} agents and {traces:,} open traces")


def growth(sink: Sink, sizes: Sizes) -> dict[str, Points]:
    """How the cost of a span grows with the work, by what there is more of."""
    counts = {
        "senders": sizes.senders,
        "open traces": sizes.open_traces,
        "tenants": sizes.tenants,
    }
    found: dict[str, Points] = {}
    for what, measure in GROWTH.items():
        found[what] = [(count, measure(sink, count, sizes.spans)) for count in counts[what]]
        for count, cost in found[what]:
            print(f"{cost:7.1f} µs of CPU a span with {count:,} {what}")
    return found


def draw(curves: dict[str, Points], path: Path) -> None:
    """The growth as a chart."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.fonttype"] = "none"  # text stays text, and the file small
    from matplotlib import pyplot

    figure, panel = pyplot.subplots(figsize=(7, 3.5), layout="constrained")
    for what, points in curves.items():
        panel.plot(*zip(*points, strict=True), marker="o", label=what)
    panel.set_xscale("log")
    panel.set_ylim(bottom=0)
    panel.set_xlabel("how many")
    panel.set_ylabel("CPU of the gateway, µs a span")
    panel.legend(frameon=False)
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


PARTS: Final[dict[str, Callable[[Sink, Sizes], object]]] = {
    "cost": costs,
    "capacity": capacity,
    "memory": memory,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print what was asked for, and draw the growth."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.gateway")
    names = [*PARTS, "growth"]
    parser.add_argument("part", nargs="*", help=f"of {', '.join(names)}; default: all")
    parser.add_argument("--size", choices=SIZES, default="full")
    parser.add_argument("--quick", dest="size", action="store_const", const="quick")
    parser.add_argument("--chart", type=Path, metavar="FILE.svg", help="draw the growth")
    asked = parser.parse_args(arguments)
    parts, sizes = asked.part or names, SIZES[asked.size]
    if unknown := set(parts) - set(names):
        parser.error(f"{', '.join(sorted(unknown))}: none of {', '.join(names)}")
    with Sink() as sink:
        for name, measure in PARTS.items():
            if name in parts:
                measure(sink, sizes)
        curves = growth(sink, sizes) if "growth" in parts else {}
    if asked.chart is not None:
        draw(curves, asked.chart)


if __name__ == "__main__":
    main()
