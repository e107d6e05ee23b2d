"""Measures the exporter beside its peers: ``python -m tests.benchmarks``.

    python -m tests.benchmarks                        # everything; more than an hour
    python -m tests.benchmarks --quick cpu thread     # a part, in minutes
    python -m tests.benchmarks --json r.json --chart r.png

Ends with code 1 when a measurement failed, or when a span did not arrive where all must.
"""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from rich.console import Console

from tests.benchmarks import report
from tests.benchmarks.environments import Environments
from tests.benchmarks.measure import Lab
from tests.benchmarks.peers import peers
from tests.benchmarks.sink import Sink
from tests.benchmarks.sizes import FULL, QUICK, SMOKE

BENCHMARKS = (
    *("cpu", "thread", "burst", "throughput", "memory", "startup", "growth", "runs"),
    *("mapping", "records"),
)
_WIDTH = 150
"""Columns of the tables in a file."""
SIZES = {"full": FULL, "quick": QUICK, "smoke": SMOKE}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and write what was asked for."""
    asked = _parser().parse_args(arguments)
    console = Console(stderr=True)
    with Sink() as sink, console.status("") as status:
        say = status.update if console.is_terminal else console.print
        lab = Lab(
            sizes=SIZES[asked.size],
            peers=[peer for peer in peers() if not asked.peer or peer.name in asked.peer],
            sink=sink,
            environments=Environments(),
            say=say,
        )
        try:
            for name in asked.benchmark or BENCHMARKS:
                import_module(f"tests.benchmarks.suite.{name}").measure(lab)
        except KeyboardInterrupt:
            lab.failures.append("interrupted; the rest was not measured")
    report.show(lab, Console(width=None if sys.stdout.isatty() else _WIDTH))
    if asked.json:
        report.write_json(lab, asked.json)
    if asked.chart:
        report.write_chart(lab, asked.chart)
    return 1 if lab.failures or report.lost(lab.rows) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks")
    parser.add_argument(
        "benchmark", nargs="*", type=_benchmark, help=f"of {', '.join(BENCHMARKS)}; default: all"
    )
    parser.add_argument("--size", choices=SIZES, default="full", help="how much is measured")
    parser.add_argument("--quick", dest="size", action="store_const", const="quick")
    parser.add_argument("--peer", action="append", help="only these peers; may be repeated")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report")
    parser.add_argument("--chart", type=Path, metavar="FILE.png", help="draw the report")
    return parser


def _benchmark(name: str) -> str:
    # Not ``choices``: in Python 3.11 argparse refuses to find none among them.
    if name not in BENCHMARKS:
        raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(BENCHMARKS)}")
    return name


if __name__ == "__main__":
    sys.exit(main())
