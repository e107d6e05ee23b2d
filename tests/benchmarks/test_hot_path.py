"""The way of a span gets no longer unnoticed; ``hot_path`` counts it."""

import pytest

from prefactor_otel.mapping import Capture, agent_span
from prefactor_otel.spans.view import SpanView
from tests.benchmarks.hot_path import RECORDED, VERSION, Counts, counts, recorded, steps_of
from tests.made_spans import one_view, with_attributes

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


def conversation(length: int) -> SpanView:
    told: dict[str, object] = {"openinference.span.kind": "LLM", "llm.model_name": "m"}
    for number in range(length):
        begin = f"llm.input_messages.{number}.message"
        told |= {f"{begin}.role": "user", f"{begin}.content": f"message {number}"}
    return with_attributes(one_view("grows"), told)


def test_a_flattened_conversation_that_grows_by_a_message_compiles_no_plan_anew() -> None:
    def mapped(length: int) -> int:
        view = conversation(length)
        return steps_of(lambda: agent_span(view, Capture()))

    first, again, longer = mapped(40), mapped(40), mapped(41)
    assert longer - again < (first - again) / 2
