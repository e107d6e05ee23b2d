"""The way of a span gets no longer unnoticed; ``hot_path`` counts it."""

import pytest

from tests.benchmarks.hot_path import RECORDED, VERSION, Counts, counts, recorded

pytestmark = pytest.mark.xdist_group("steps")

ALLOWED = 1.2


@pytest.fixture(scope="module")
def counted() -> Counts:
    return counts()


@pytest.mark.skipif(not recorded(), reason=f"nothing is recorded for Python {VERSION}")
def test_a_span_takes_hardly_more_steps_than_when_they_were_last_counted(counted: Counts) -> None:
    last = recorded()
    longer = {
        part: f"{last.get(part)} steps a span became {value}"
        for part, value in counted.items()
        if value > ALLOWED * last.get(part, 0.0)
    }
    assert not longer, f"if that is worth it, renew {RECORDED.name}: see CONTRIBUTING.md"


def test_counting_twice_differs_by_less_than_a_hundredth(counted: Counts) -> None:
    assert counts() == pytest.approx(counted, rel=0.01)
