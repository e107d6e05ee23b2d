"""What odd spans cost: ``python -m tests.benchmarks.bad_data``.

CPU time from a span to its item, of a batch of a hundred, with one odd span of each kind in turn.
"""

import statistics
import time
from collections.abc import Sequence

from opentelemetry.sdk.trace import ReadableSpan
from rich.console import Console
from rich.table import Table

from prefactor_otel.mapping import Capture
from prefactor_otel.runs.tree import SpanTree
from prefactor_otel.spans.sdk import view_of
from prefactor_otel.spans.view import ended
from tests.faults.poison import POISONED, POISONS, batch, span_of

ROUNDS = 5
MAX_BYTES = 2**20 - 4096
HUGE = frozenset({"10 MB", "a million numbers", "a million texts", "very many members"})


def cost(spans: Sequence[ReadableSpan]) -> float:
    """Milliseconds of CPU."""
    rounds = []
    for _ in range(ROUNDS):
        tree = SpanTree("run", Capture(), MAX_BYTES, parent_timeout=600.0)
        begun = time.process_time_ns()
        for span in spans:
            tree.end(ended(view_of(span)), 0.0)
        rounds.append((time.process_time_ns() - begun) / 1e6)
    return statistics.median(rounds)


def main() -> None:
    """Measure and print."""
    clean = cost(batch())
    table = Table("odd span", "added, ms")
    table.add_row("none: the whole batch", f"{clean:.1f}")
    for poison in POISONS:
        table.add_row(str(poison), f"{cost(batch(**poison.changes)) - clean:.1f}")
    small = [poison for poison in POISONS if poison.name not in HUGE]
    odd = [span_of(POISONED + n, **poison.changes) for n, poison in enumerate(small)]
    table.add_row(
        "all but the huge, together", f"{cost([*batch()[: -len(odd)], *odd]) - clean:.1f}"
    )
    Console().print(table)


if __name__ == "__main__":
    main()
