"""The whole command at its smallest: it cannot rot. Not how long anything took."""

import json
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tests.benchmarks import report
from tests.benchmarks.__main__ import BENCHMARKS, main
from tests.benchmarks.environments import Environments
from tests.benchmarks.measure import Case, Lab
from tests.benchmarks.peers import peers
from tests.benchmarks.sink import Sink
from tests.benchmarks.sizes import SMOKE

BOTH = {"prefactor", "otlp"}
METRICS = {
    "cpu": {"CPU, µs/span", "wall, µs/span"},
    "thread": {"p50, µs", "p99, µs", "p99.9, µs"},
    "throughput": {
        "acknowledged, spans/s",
        "highest rate without loss, spans/s",
        "made, spans/s",
        "dropped, spans",
        "drained after, s",
    },
    "memory": {
        "MB for 10,000 spans",
        "growth, KB/life",
        "threads left",
        "RSS, MB",
        "growth, MB",
    },
    "startup": {"CPU, ms", "wall, ms"},
    "growth": {"CPU, µs/span", "wall, µs/span"},
    "runs": {"CPU, µs/run", "acknowledged, runs/s"},
    "mapping": {"map, µs/span", "map and encode, µs/span"},
    "records": {"CPU, µs/record"},
}
OURS_ALONE = {"mapping", "records"}
CASES = {
    "cpu": 2,
    "thread": 2,
    "throughput": 3,
    "memory": 3,
    "startup": 4,
    "growth": 2,
    "runs": 1,
    "records": 3,
}


def report_of(folder: Path, *arguments: str) -> Mapping[str, Any]:
    """What the command writes; it must end well."""
    path = folder / "report.json"
    assert main(["--size", "smoke", "--json", str(path), *arguments]) == 0
    content: Mapping[str, Any] = json.loads(path.read_text())
    return content


@pytest.mark.slow
def test_every_benchmark_reports_both_exporters_and_loses_nothing(tmp_path: Path) -> None:
    chart = tmp_path / "chart.png"
    written = report_of(tmp_path, "--peer", "prefactor", "--peer", "otlp", "--chart", str(chart))
    rows = written["rows"]

    assert chart.read_bytes().startswith(b"\x89PNG")
    assert written["failures"] == []
    assert {row["benchmark"] for row in rows} == set(BENCHMARKS)
    assert all(row["values"] and row["lost"] == 0 for row in rows)
    for benchmark, metrics in METRICS.items():
        own = [row for row in rows if row["benchmark"] == benchmark]
        assert {row["metric"] for row in own} == metrics
        for metric in {(row["case"], row["metric"]) for row in own if benchmark not in OURS_ALONE}:
            found = {row["peer"] for row in own if (row["case"], row["metric"]) == metric}
            assert found == BOTH, metric
    for benchmark, count in CASES.items():
        assert len({row["case"] for row in rows if row["benchmark"] == benchmark}) == count


def test_spans_that_do_not_arrive_are_said_loudly() -> None:
    refused = Case(
        "cpu", "refused", "cpu:export", {"dialect": "GenAI", "size": "1 KB", "spans": 8}, status=400
    )
    shown = StringIO()
    with Sink() as sink:
        both = [peer for peer in peers() if peer.name in BOTH]
        lab = Lab(SMOKE, both, sink, Environments(), say=lambda text: None)
        lab.compare(refused, both)
        report.show(lab, Console(file=shown, width=200))

    assert {(row.peer, row.lost) for row in lab.rows} == {("prefactor", 12), ("otlp", 12)}
    assert "SPANS LOST cpu, refused, prefactor: 12" in shown.getvalue()
    assert "SPANS LOST cpu, refused, otlp: 12" in shown.getvalue()


@pytest.mark.slow
def test_the_peers_with_environments_of_their_own_deliver_their_spans(tmp_path: Path) -> None:
    written = report_of(tmp_path, "cpu")

    assert {row["peer"] for row in written["rows"]} == {peer.name for peer in peers()}
    assert all(row["values"] and row["lost"] == 0 for row in written["rows"])
