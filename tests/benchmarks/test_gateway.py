"""The gateway's measurement at its smallest: it cannot rot. Not how long anything took."""

import pytest

from tests.benchmarks.gateway import MEASURED, main


@pytest.mark.slow
def test_everything_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    main(64)
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(": ")[2] for line in lines] == list(MEASURED)
