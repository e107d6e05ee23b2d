"""What mapping a span costs: ``python -m tests.benchmarks.mapping``.

CPU time of this process, median of the rounds, garbage collection included.
"""

import dataclasses
import statistics
import time
from collections.abc import Sequence

from rich.console import Console
from rich.table import Column, Table

from prefactor_otel import hygiene
from prefactor_otel.mapping import Capture, agent_span
from prefactor_otel.span import SpanView
from tests.recorded import NAMES, recorded

ROUNDS = 31
HUGE = "openai__openinference_openai__chat_huge_message"
AROUND_1_3_KB = range(1_000, 1_700)


def size(view: SpanView) -> int:
    """Bytes of JSON that the attributes and events of a span take."""
    return len(hygiene.encode([view.attributes, [e.attributes for e in view.events]]))


def cost(views: Sequence[SpanView], *, encode: bool) -> float:
    """Microseconds of CPU a span. The result is let go at once, as the exporter does."""
    rounds = []
    for _ in range(ROUNDS):
        begun = time.process_time_ns()
        for view in views:
            span = agent_span(view, Capture())
            if encode:
                hygiene.encode(span.payload)
        rounds.append((time.process_time_ns() - begun) / len(views) / 1000)
    return statistics.median(rounds)


def groups() -> dict[str, list[SpanView]]:
    """What is measured, by what it is called."""
    views = [view for name in NAMES if name != HUGE for view in recorded(name).views]
    dialects = {recorded(name).instrumentation for name in NAMES}
    middle = [view for view in views if size(view) in AROUND_1_3_KB]
    found = {"spans of 1.0 to 1.7 KB": middle * 8, "all recorded spans": views}
    for dialect in sorted(dialects):
        runs = [name for name in NAMES if recorded(name).instrumentation == dialect]
        found[f"  {dialect}"] = [v for name in runs if name != HUGE for v in recorded(name).views]
    huge = recorded(HUGE).views[0]
    found["one prompt of 300 kB"] = [dataclasses.replace(huge)] * 20
    return found


def main() -> None:
    """Measure and print."""
    table = Table(
        Column("spans", no_wrap=True), "count", "bytes of JSON", "map, µs", "map and encode, µs"
    )
    for name, views in groups().items():
        if views:
            alone, both = cost(views, encode=False), cost(views, encode=True)
            average = statistics.mean(size(view) for view in views)
            table.add_row(name, f"{len(views)}", f"{average:.0f}", f"{alone:.1f}", f"{both:.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()
