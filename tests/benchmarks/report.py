"""What the benchmarks have found: as tables, as JSON, as a chart."""

import json
import os
import platform
import statistics
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from tests.benchmarks.measure import Lab, Row
from tests.benchmarks.peers import REFERENCE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PACKAGES: Final = (
    "prefactor-otel",
    "opentelemetry-sdk",
    "opentelemetry-exporter-otlp-proto-http",
    "aiohttp",
    "orjson",
)

_DIFFERENCE: Final = "growth"
"""Metrics that begin so may be zero or less: multiples of them say nothing."""


def ratios(rows: Sequence[Row]) -> dict[int, float]:
    """By index, each row's value as a multiple of the reference's in the same case: the median
    over the rounds, whose neighbours have seen the same machine."""
    reference = {(r.benchmark, r.case, r.metric): r.values for r in rows if r.peer == REFERENCE}
    found: dict[int, float] = {}
    for number, row in enumerate(rows):
        theirs = reference.get((row.benchmark, row.case, row.metric))
        if theirs is None or row.peer == REFERENCE or row.metric.startswith(_DIFFERENCE):
            continue
        pairs = [a / b for a, b in zip(row.values, theirs, strict=False) if b > 0]
        if pairs:
            found[number] = statistics.median(pairs)
    return found


def ordered(rows: Iterable[Row]) -> list[Row]:
    """The peers of a metric side by side, else in the order in which they were measured."""
    places: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        places.setdefault((row.benchmark, row.case, row.metric), []).append(row)
    return [row for found in places.values() for row in found]


def show(lab: Lab, console: Console) -> None:
    """A table a benchmark, then the notes, then loudly what was lost."""
    rows = ordered(lab.rows)
    multiples = ratios(rows)
    for benchmark, numbered in groupby(enumerate(rows), lambda pair: pair[1].benchmark):
        table = Table(
            "case",
            "metric",
            Column("peer", no_wrap=True),
            Column("median", justify="right"),
            Column("min to max", justify="right"),
            Column(f"÷ {REFERENCE}", justify="right"),
            Column("lost", justify="right"),
            title=benchmark,
        )
        shown = ("", "")
        for number, row in numbered:
            ratio = multiples.get(number)
            table.add_row(
                row.case if row.case != shown[0] else "",
                row.metric if (row.case, row.metric) != shown else "",
                row.peer,
                _figure(row.median),
                f"{_figure(min(row.values))} to {_figure(max(row.values))}",
                f"{ratio:.2f}" if ratio is not None else "",
                f"[bold red]{row.lost}[/]" if row.lost else "",
            )
            shown = (row.case, row.metric)
        console.print(table)
    for note in lab.notes:
        console.print(f"Note: {note}")
    for failure in lab.failures:
        console.print(f"[bold red]FAILED[/] {escape(failure)}")
    for loss in lost(lab.rows):
        console.print(f"[bold red]SPANS LOST[/] {escape(loss)}")


def _figure(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def lost(rows: Iterable[Row]) -> list[str]:
    """The measurements that do not count, because not every span has arrived."""
    lines = {f"{r.benchmark}, {r.case}, {r.peer}: {r.lost}": None for r in rows if r.lost}
    return list(lines)


def as_json(lab: Lab) -> dict[str, object]:
    """Everything, for machines."""
    rows = ordered(lab.rows)
    multiples = ratios(rows)
    return {
        "machine": _machine(),
        "notes": lab.notes,
        "failures": lab.failures,
        "rows": [
            {
                "benchmark": row.benchmark,
                "case": row.case,
                "metric": row.metric,
                "peer": row.peer,
                "values": list(row.values),
                "median": row.median,
                "ratio": multiples.get(number),
                "lost": row.lost,
                "x": row.x,
            }
            for number, row in enumerate(rows)
        ],
    }


def write_json(lab: Lab, path: Path) -> None:
    """The report as a file."""
    path.write_text(json.dumps(as_json(lab), indent=1) + "\n")


def _machine() -> Mapping[str, object]:
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "processors": os.cpu_count(),
        "packages": {name: _version(name) for name in _PACKAGES},
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


# -- chart --------------------------------------------------------------------------------


def write_chart(lab: Lab, path: Path) -> None:
    """Ratios as bars, one panel a benchmark, and growth as curves."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot

    bars = _bars(lab.rows)
    curves = [row for row in lab.rows if row.x is not None and row.metric.startswith("CPU")]
    heights = [1 + 0.25 * len(found) for found in bars.values()] + ([4.0] if curves else [])
    if not heights:
        return
    figure, panels = pyplot.subplots(
        len(heights),
        1,
        figsize=(10, sum(heights) + 1),
        height_ratios=heights,
        squeeze=False,
        layout="constrained",
    )
    for panel, (benchmark, found) in zip(panels[:, 0], bars.items(), strict=False):
        _draw_bars(panel, benchmark, found)
    if curves:
        _draw_curves(panels[-1, 0], curves)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _bars(rows: Sequence[Row]) -> dict[str, list[tuple[str, float]]]:
    """By benchmark: what is measured, and its ratio to the reference."""
    found: dict[str, list[tuple[str, float]]] = {}
    for number, ratio in ratios(rows).items():
        row = rows[number]
        if row.x is None and ratio > 0:
            label = f"{row.peer}: {row.case}: {row.metric}"
            found.setdefault(row.benchmark, []).append((label, ratio))
    return found


def _draw_bars(panel: "Axes", benchmark: str, found: Sequence[tuple[str, float]]) -> None:
    labels, values = zip(*reversed(found), strict=True)
    colours = ["tab:blue" if label.startswith("prefactor:") else "tab:gray" for label in labels]
    drawn = panel.barh(labels, [value - 1 for value in values], left=1, color=colours)
    panel.bar_label(drawn, [f"{value:.2f}" for value in values], padding=2, fontsize=7)
    panel.set_xscale("log", base=2)
    panel.xaxis.set_major_formatter("{x:g}")
    panel.set_xlim(min(0.5, *values) * 0.8, max(2.0, *values) * 1.25)
    panel.axvline(1, color="black", linewidth=0.8)
    panel.tick_params(axis="y", labelsize=7)
    panel.set_title(f"{benchmark}: multiples of {REFERENCE}", fontsize=9)


def _draw_curves(panel: "Axes", rows: Sequence[Row]) -> None:
    for (peer, what), points in groupby(sorted(rows, key=_curve), _curve):
        line = sorted((row.x or 0.0, row.median) for row in points)
        panel.plot(*zip(*line, strict=True), marker="o", label=f"{peer}: {what}")
    panel.set_xscale("log")
    panel.set_ylim(bottom=0)
    panel.set_ylabel("CPU, µs/span")
    panel.set_title("growth", fontsize=9)
    panel.legend(fontsize=7)


def _curve(row: Row) -> tuple[str, str]:
    """The peer, and the case without its number."""
    return row.peer, row.case.split(" ", 1)[1]
