"""The gateway's measurement at its smallest: it cannot rot. Not how long anything took."""

from pathlib import Path

import pytest

from tests.benchmarks.gateway import GROWTH, MEASURED, main


@pytest.mark.slow
def test_everything_is_measured_and_drawn(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    chart = tmp_path / "growth.svg"
    main(["--size", "smoke", "--chart", str(chart)])
    lines = capsys.readouterr().out.splitlines()
    costs, rest = lines[: len(MEASURED)], lines[len(MEASURED) :]
    assert [line.partition(": ")[2] for line in costs] == list(MEASURED)
    told = ["spans a second", "for an answer", "open traces", *GROWTH, *GROWTH]
    assert len(rest) == len(told)
    assert all(any(what in line for line in rest) for what in told)
    assert all(what in chart.read_text() for what in GROWTH)
