"""What is kept of spans that have ended, and for how long."""

import dataclasses
import gc
import itertools
import json
import tracemalloc
from collections.abc import Mapping
from typing import Final

import pytest

from prefactor_otel.config.options import Config
from prefactor_otel.delivery.budget import Budget
from prefactor_otel.delivery.outbox import Outbox
from prefactor_otel.mapping import Capture
from prefactor_otel.runs.intake import Intake
from prefactor_otel.runs.run import Run
from prefactor_otel.runs.tenants import Tenants
from prefactor_otel.runs.tree import SpanTree
from prefactor_otel.span_types.span_filter import CompiledFilter, compiled
from prefactor_otel.spans.view import SpanKey, SpanView
from prefactor_otel.stats.counters import Counters
from prefactor_otel.stats.log import QuietLog
from tests.made_spans import ended, one_view, started
from tests.process.scripts import run_script
from tests.runs.test_tree import RUN, Api, begin, finish, start
from tests.span_types.test_span_filter import filtering

BUDGET = 4 * 1024 * 1024


class Followed:
    """A run of a process that forgets what its budget does not allow to be remembered."""

    def __init__(self, span_filter: CompiledFilter | None = None) -> None:
        self.budget = Budget(max_bytes=BUDGET)
        self.tree = SpanTree(
            RUN,
            Capture(),
            1_000_000,
            parent_timeout=0.0,
            span_filter=span_filter,
            budget=self.budget,
        )
        self.api = Api()

    def end(
        self, number: int, parent: int | None = None, *, trace: int = 1, name: str = "step"
    ) -> None:
        self.api.take(self.tree.end(span(number, parent, trace, name), 0.0))
        if self.budget.remembered.is_over:
            self.tree.forget()
        assert self.budget.remembered.items <= self.budget.remembered.max_items


def span(number: int, parent: int | None, trace: int, name: str) -> SpanView:
    return dataclasses.replace(
        one_view(),
        key=SpanKey(trace, number),
        parent=SpanKey(trace, parent) if parent is not None else None,
        name=name,
        start_ns=10**18,
        end_ns=10**18 + 1,
    )


def test_a_trace_that_is_over_is_forgotten_before_one_in_which_something_is_open() -> None:
    process = Followed()
    root = begin("root")
    start(process.tree, root, 0.0)
    trace, first = root.context.trace_id, root.context.span_id
    process.end(1, first, trace=trace, name="parent")
    for number in range(1, 5_000):
        process.end(number, trace=number)
    process.api.take(process.tree.due(60.0))
    process.end(2, 1, trace=trace, name="late child")
    assert process.api.parent_name("late child") == "parent"


def test_a_late_child_finds_a_parent_whose_trace_was_over_not_long_ago() -> None:
    process = Followed()
    for number in range(1, 5_000):
        process.end(number, trace=number, name="parent" if number == 4_900 else "step")
    process.end(5_000, 4_900, trace=4_900, name="late child")
    assert process.api.parent_name("late child") == "parent"


@pytest.mark.parametrize("parent", [None, 1])
def test_of_one_trace_that_never_ends_no_more_is_remembered(parent: int | None) -> None:
    process = Followed()
    root = begin("root")
    start(process.tree, root, 0.0)
    process.api.take(process.tree.due(60.0))
    above = root.context.span_id if parent is not None else None
    for number in range(1, 5_000):
        process.end(number, above, trace=root.context.trace_id)
    assert len(process.api.created) == 5_000
    assert process.budget.remembered.items > 0


def test_the_end_of_a_span_is_known_as_long_as_it_is_remembered() -> None:
    process = Followed()
    for number in range(1, 5_000):
        process.end(number, trace=number)
    assert process.tree.has_ended(SpanKey(4_999, 4_999))
    assert not process.tree.has_ended(SpanKey(1, 1))
    process.end(4_999, trace=4_999)
    assert process.tree.counts.duplicates == 1


def test_a_tree_that_is_left_remembers_nothing() -> None:
    process = Followed()
    for number in range(1, 100):
        process.end(number, 100)
    process.api.take(process.tree.close(0))
    process.tree.leave()
    assert (process.budget.remembered.items, process.budget.bytes) == (0, 0)


def test_what_outlives_a_span_that_was_left_out_and_forgotten_hangs_on_what_that_hung_on() -> None:
    process = Followed(compiled(lambda view: view.name != "left out", pytest.fail))
    root = begin("root")
    above = begin("left out", root)
    child = begin("child", above)
    for each in (root, above, child):
        start(process.tree, each, 0.0)
    process.api.take(process.tree.due(60.0))
    process.api.take(process.tree.end(finish(above), 0.0))
    for number in range(1, 5_000):
        process.end(number, root.context.span_id, trace=root.context.trace_id)
    process.api.take(process.tree.end(finish(child), 0.0))
    process.api.take(process.tree.end(finish(root), 0.0))
    assert process.api.parent_name("child") == "root"


def test_steps_deeper_than_the_recursion_limit_that_lie_between_nothing_are_left_out() -> None:
    spans = [begin("step")]
    for _ in range(2_000):
        spans.append(begin("step", spans[-1]))
    spans.append(begin("ai", spans[-1], "chat"))
    tree, api = filtering("agent"), Api()
    for each in reversed(spans):
        api.take(tree.end(finish(each), 0.0))
    assert len(api.created) == 1
    assert tree.counts.filtered == 2_001


CALL: Final[Mapping[str, str | int]] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.usage.output_tokens": 1,
}


class Service:
    """Agents that ask a model, one after the other, and of which everything is sent at once."""

    def __init__(self) -> None:
        config = Config(api_url="http://127.0.0.1:9", api_token="t")
        budget, counters, log = Budget(max_bytes=BUDGET), Counters(), QuietLog()
        self._outbox = Outbox(budget, counters, log)
        tenant = Tenants(config, log, dict)
        self._intake = Intake(tenant, Run(), self._outbox, budget, counters, log)
        self._numbers = itertools.count()

    def work(self, agents: int) -> int:
        """Returns the bytes that are in use afterwards, of those that are traced."""
        for _ in range(agents):
            agent = begin("agent", operation="invoke_agent")
            answer = f"answer {next(self._numbers)}"
            call = begin("chat", agent, attributes={**CALL, "gen_ai.response.id": answer})
            for span in (agent, call):
                self._intake.take(started(span, 0.0))
            call.end()
            agent.end()
            self._intake.take(ended([call, agent], None))
            self._intake.store()
            self._outbox.drain()
        gc.collect()
        return tracemalloc.get_traced_memory()[0]


WORK = """
import json, tracemalloc
from tests.runs.test_memory import Service

service = Service()
service.work(600)
tracemalloc.start()
print(json.dumps([service.work(1_000), service.work(1_000)]))
"""


def test_when_as_many_are_remembered_as_may_be_more_spans_take_no_more_memory() -> None:
    ended = run_script(WORK, "http://127.0.0.1:9", "t")
    assert ended.code == 0, ended.stderr
    early, late = json.loads(ended.stdout)
    assert late - early < 128 * 1024
