"""Every answer of a model is counted once, in whatever batches and order spans arrive."""

import dataclasses
from collections.abc import Mapping, Sequence
from itertools import permutations

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prefactor_otel.delivery.operation import Item
from prefactor_otel.mapping import Capture
from prefactor_otel.runs.tree import SpanTree
from prefactor_otel.spans.view import SpanKey, SpanView
from tests.made_spans import one_view
from tests.recorded import NAMES, recorded

RUN = "0123456789abcdef0123456789abcdef"


def payloads(items: Sequence[Item]) -> list[dict[str, object]]:
    return [orjson.loads(b"{" + item.body + b"}")["payload"] for item in items]


def run_through(views: Sequence[SpanView]) -> list[Item]:
    tree = SpanTree(RUN, Capture(), max_item_bytes=1_000_000, parent_timeout=60.0)
    items = [item for view in views for item in tree.end(view, 0.0)]
    return items + tree.close(0)


def total(items: Sequence[Item]) -> int:
    usages = [payload["token_usage"] for payload in payloads(items)]
    return sum(usage["total_tokens"] for usage in usages if isinstance(usage, dict))


def call(number: int, parent: int | None, scope: str, response: str) -> SpanView:
    return dataclasses.replace(
        one_view(),
        key=SpanKey(1, number),
        parent=SpanKey(1, parent) if parent is not None else None,
        scope_name=scope,
        attributes={
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": "m",
            "gen_ai.response.id": response,
            "gen_ai.usage.input_tokens": 120,
            "gen_ai.usage.output_tokens": 30,
        },
    )


def test_a_model_call_inside_a_model_call_counts_once() -> None:
    items = run_through([call(2, 1, "inner", "r"), call(1, None, "outer", "r2")])
    assert total(items) == 150
    outer = next(p for p in payloads(items) if p["span_id"] == f"{1:016x}")
    metadata = outer["metadata"]
    assert isinstance(metadata, dict)
    assert metadata["uncounted_token_usage"]["prompt_tokens"] == 120


def test_a_step_between_two_tellings_of_one_call_changes_nothing() -> None:
    step = dataclasses.replace(call(2, 1, "app", "x"), attributes={})
    items = run_through([call(3, 2, "inner", "r"), step, call(1, None, "outer", "r2")])
    assert total(items) == 150


ASKED = {"gen_ai.input.messages": '[{"role": "user", "content": "hi"}]'}
THOUGHT = {"gen_ai.usage.reasoning.output_tokens": 7}


def saying(view: SpanView, more: Mapping[str, object]) -> SpanView:
    return dataclasses.replace(view, attributes={**view.attributes, **more})


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_three_tellings_of_one_call_count_once(order: tuple[int, ...]) -> None:
    frame = dataclasses.replace(call(1, None, "app", ""), attributes={})
    outer = saying(call(2, 1, "framework", "r"), ASKED)
    inner = saying(call(3, 2, "provider", ""), ASKED)
    beside = saying(call(4, 1, "sdk", "r"), THOUGHT)
    told = [(outer, inner, beside)[number] for number in order]
    items = run_through([*told, frame])
    assert total(items) == 150
    (usage,) = [used for p in payloads(items) if isinstance(used := p["token_usage"], dict)]
    assert usage["reasoning_tokens"] == 7


@pytest.mark.parametrize("content_first", [True, False])
def test_of_two_roots_the_one_with_the_content_counts_and_knows_all(content_first: bool) -> None:
    told = [saying(call(1, None, "lib", "r"), ASKED), saying(call(2, None, "sdk", "r"), THOUGHT)]
    items = run_through(told if content_first else told[::-1])
    usages = {p["span_id"]: p["token_usage"] for p in payloads(items)}
    assert usages[f"{2:016x}"] is None
    assert usages[f"{1:016x}"]["reasoning_tokens"] == 7  # type: ignore[index]
    assert total(items) == 150


@pytest.mark.parametrize("operation", ["execute_tool", "invoke_agent"])
def test_a_call_by_a_tool_that_a_call_ran_counts_too(operation: str) -> None:
    between = {"gen_ai.operation.name": operation}
    step = dataclasses.replace(call(2, 1, "app", "x"), attributes=between)
    items = run_through([call(3, 2, "inner", "r"), step, call(1, None, "outer", "r2")])
    assert total(items) == 300


def test_a_step_of_an_unknown_name_repeats_what_the_call_in_it_told() -> None:
    step = call(1, None, "framework", "")
    told = {"gen_ai.operation.name": "run_loop", "gen_ai.input.messages": "[]"}
    step = dataclasses.replace(step, attributes={**step.attributes, **told})
    items = run_through([call(2, 1, "provider", "r"), step])
    assert total(items) == 150
    types = [orjson.loads(b"{" + item.body + b"}")["schema_name"] for item in items]
    assert sorted(types) == ["otel:llm", "otel:span"]


@pytest.mark.parametrize(
    ("inner", "shown"),
    [("worker", ["orchestrator", "worker"]), ("orchestrator", ["orchestrator"])],
)
def test_agents_that_only_their_spans_names_tell_are_one_agent_span_each(
    inner: str, shown: list[str]
) -> None:
    told = {"gen_ai.operation.name": "invoke_agent"}
    views = [
        dataclasses.replace(call(number, parent, "s", ""), name=name, attributes=told)
        for number, parent, name in (
            (2, 1, f"invoke_agent {inner}"),
            (1, None, "invoke_agent orchestrator"),
        )
    ]
    rows = [orjson.loads(b"{" + item.body + b"}") for item in run_through(views)]
    agents = [row["payload"]["name"] for row in rows if row["schema_name"] == "otel:agent"]
    assert sorted(agents) == shown


def test_two_instrumentations_telling_of_one_response_count_it_once() -> None:
    items = run_through([call(2, None, "one", "same"), call(3, None, "other", "same")])
    assert total(items) == 150


@pytest.mark.parametrize(
    ("response", "counted"),
    [
        ('{"id":"same","content":[]}', 150),
        ('{"id": "same", "content": []}', 150),
        ('{"id":"other"}', 300),
        ('{"id":7,"same":"same"}', 300),
        ('{"id":"sa', 300),
    ],
)
def test_a_response_is_known_by_the_id_in_it(response: str, counted: int) -> None:
    told = call(3, None, "other", "")
    whole = dataclasses.replace(told, attributes={**told.attributes, "output.value": response})
    assert total(run_through([call(2, None, "one", "same"), whole])) == counted


def test_one_instrumentation_telling_of_two_calls_counts_both() -> None:
    items = run_through([call(2, None, "one", "same"), call(3, None, "one", "same")])
    assert total(items) == 300


def with_content(view: SpanView) -> SpanView:
    asked = '[{"role": "user", "parts": [{"type": "text", "content": "Why?"}]}]'
    return dataclasses.replace(view, attributes={**view.attributes, "gen_ai.input.messages": asked})


def counted_ids(items: Sequence[Item]) -> set[object]:
    return {p["span_id"] for p in payloads(items) if p["token_usage"] is not None}


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["child first", "parent first"])
def test_a_nested_call_counts_once_in_either_order(order: tuple[int, int]) -> None:
    views = [call(2, 1, "inner", "r"), call(1, None, "outer", "r2")]
    assert total(run_through([views[number] for number in order])) == 150


def test_the_telling_with_the_content_keeps_the_tokens_of_a_nested_call() -> None:
    items = run_through([call(2, 1, "http", "r"), with_content(call(1, None, "framework", "r2"))])
    assert (total(items), counted_ids(items)) == (150, {f"{1:016x}"})


def test_two_calls_under_a_step_that_repeats_their_sum_keep_their_own_tokens() -> None:
    inner = [call(2, 1, "http", "r2"), call(3, 1, "http", "r3")]
    items = run_through([*inner, with_content(call(1, None, "framework", "r1"))])
    assert (total(items), counted_ids(items)) == (300, {f"{2:016x}", f"{3:016x}"})


def test_the_telling_with_the_content_keeps_the_tokens_of_a_response() -> None:
    root = dataclasses.replace(call(1, None, "app", "x"), attributes={})
    told = [call(2, 1, "one", "same"), with_content(call(3, 1, "other", "same"))]
    items = run_through([*told, root])
    assert (total(items), counted_ids(items)) == (150, {f"{3:016x}"})


@pytest.mark.parametrize("name", [name for name in NAMES if "huge" not in name])
@settings(
    max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_a_recorded_run_arrives_whole_in_any_order(name: str, data: st.DataObject) -> None:
    views = recorded(name).views
    in_order = run_through(views)
    shuffled = run_through(data.draw(st.permutations(views)))
    for items in (in_order, shuffled):
        assert len(items) == len(views)
        created = set()
        for item in items:
            assert item.parent is None or item.parent in created
            created.add(item.span)
    assert {i.key for i in shuffled} == {i.key for i in in_order}
    known = {view.key for view in views}
    linked = [v for v in views if not v.is_local_root and v.parent in known]
    assert sum(item.parent is not None for item in shuffled) == len(linked)
