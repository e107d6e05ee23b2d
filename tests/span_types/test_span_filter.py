"""What is left out leaves no hole: every span that is sent hangs on its nearest kept ancestor."""

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.trace import Span
from opentelemetry.trace import StatusCode

from prefactor_otel.mapping import Capture
from prefactor_otel.runs.parking import STEP_GRACE
from prefactor_otel.runs.tree import SpanTree
from prefactor_otel.span_types.span_filter import SpanFilter, compiled, usable_filter
from prefactor_otel.spans.sdk import view_of
from prefactor_otel.spans.view import SpanView
from tests.runs.test_tree import RUN, Api, begin, finish, late_tracer, provider, shapes, start

noise = provider.get_tracer("opentelemetry.instrumentation.httpx")


def silence(text: str) -> None:
    raise AssertionError(text)


def filtering(span_filter: SpanFilter, warn: Callable[[str], None] = silence) -> SpanTree:
    chosen = compiled(usable_filter(span_filter), warn)
    return SpanTree(
        RUN, Capture(), max_item_bytes=1_000_000, parent_timeout=600.0, span_filter=chosen
    )


def mixed_family(shape: Sequence[int], kept: Sequence[bool]) -> list[Span]:
    """Spans s0, s1, ... of two scopes; ``shape[i]`` picks the parent of span i + 1."""
    spans: list[Span] = []
    for index, is_kept in enumerate(kept):
        parent = spans[shape[index - 1] % index] if index else None
        spans.append(begin(f"s{index}", parent, tracer=late_tracer if is_kept else noise))
    return spans


def nearest_kept(index: int, shape: Sequence[int], kept: Sequence[bool]) -> str | None:
    while index:
        index = shape[index - 1] % index
        if kept[index]:
            return f"s{index}"
    return None


def wanted(view: SpanView) -> bool:
    return view.scope_name.startswith("openinference")


FILTERS: list[SpanFilter] = [["openinference"], ["-opentelemetry.instrumentation"], wanted]
DEPTH_SIX = ([0, 1, 2, 3, 4], [False, True, False, False, True, True])


def check(api: Api, tree: SpanTree, shape: Sequence[int], kept: Sequence[bool]) -> None:
    assert len(api.ended) == len(api.created) == sum(kept)
    assert tree.counts.filtered == len(kept) - sum(kept)
    assert tree.counts.orphaned == len(tree.parking) == 0
    for index, is_kept in enumerate(kept):
        if is_kept:
            assert api.parent_name(f"s{index}") == nearest_kept(index, shape, kept)


@st.composite
def families(draw: st.DrawFn) -> tuple[list[int], list[bool]]:
    shape = draw(st.one_of(shapes, st.just(DEPTH_SIX[0])))
    if shape == DEPTH_SIX[0]:
        return shape, DEPTH_SIX[1]
    size = len(shape) + 1
    return shape, draw(st.lists(st.booleans(), min_size=size, max_size=size))


@pytest.mark.parametrize("span_filter", FILTERS, ids=["names", "not-names", "function"])
@settings(deadline=None)
@given(family=families(), data=st.data())
def test_without_starts_a_kept_span_hangs_on_its_nearest_kept_ancestor(
    span_filter: SpanFilter, family: tuple[list[int], list[bool]], data: st.DataObject
) -> None:
    shape, kept = family
    spans = mixed_family(shape, kept)
    tree, api = filtering(span_filter), Api()
    for span in data.draw(st.permutations(spans)):
        api.take(tree.end(finish(span), now=0.0))
    check(api, tree, shape, kept)


@pytest.mark.parametrize("span_filter", FILTERS, ids=["names", "not-names", "function"])
@settings(deadline=None)
@given(family=families(), data=st.data())
def test_with_starts_it_does_so_whenever_it_is_sent(
    span_filter: SpanFilter, family: tuple[list[int], list[bool]], data: st.DataObject
) -> None:
    shape, kept = family
    spans = mixed_family(shape, kept)
    tree, api, now = filtering(span_filter), Api(), 0.0
    for span in spans:
        start(tree, span, now)
    for span in data.draw(st.permutations(spans)):
        now += data.draw(st.sampled_from([0.0, 0.5, 20.0]))
        api.take(tree.due(now))
        if data.draw(st.booleans()):
            api.take(tree.flush())
        if data.draw(st.booleans()):
            api.take(tree.end(finish(span), now))
    left = tree.open
    api.take(tree.close(2**60))
    assert tree.counts.cancelled == left
    check(api, tree, shape, kept)


def agent_family(kinds: Sequence[str]) -> list[Span]:
    """Spans one below the other: of AI, of own code, of HTTP traffic."""
    spans: list[Span] = []
    for index, kind in enumerate(kinds):
        parent = spans[-1] if spans else None
        traffic = {"http.request.method": "GET"} if kind == "http" else None
        spans.append(
            begin(f"s{index}", parent, "apply_guardrail" if kind == "ai" else None, traffic)
        )
    return spans


def sent_of(kinds: Sequence[str]) -> list[int]:
    ai = [index for index, kind in enumerate(kinds) if kind == "ai"]
    return [
        index
        for index, kind in enumerate(kinds)
        if kind == "ai" or (kind == "step" and ai and ai[0] < index < ai[-1])
    ]


def check_line(api: Api, tree: SpanTree, kinds: Sequence[str]) -> None:
    sent = sent_of(kinds)
    assert len(api.ended) == len(api.created) == len(sent)
    assert tree.counts.filtered == len(kinds) - len(sent)
    for above, index in zip([None, *sent], sent, strict=False):
        assert api.parent_name(f"s{index}") == (None if above is None else f"s{above}")


lines = st.lists(st.sampled_from(["ai", "step", "http"]), min_size=1, max_size=8)


@settings(deadline=None)
@given(kinds=lines)
def test_agent_keeps_ai_and_own_steps_between_without_starts(kinds: list[str]) -> None:
    tree, api = filtering("agent"), Api()
    for span in reversed(agent_family(kinds)):
        api.take(tree.end(finish(span), now=0.0))
    check_line(api, tree, kinds)


@settings(deadline=None)
@given(kinds=lines, data=st.data())
def test_agent_keeps_the_same_with_starts(kinds: list[str], data: st.DataObject) -> None:
    tree, api, now = filtering("agent"), Api(), 0.0
    spans = agent_family(kinds)
    for span in spans:
        start(tree, span, now)
    ended = data.draw(st.integers(min_value=0, max_value=len(spans)))
    for span in list(reversed(spans))[:ended]:
        now += data.draw(st.sampled_from([0.0, 0.5, 20.0]))
        api.take(tree.due(now))
        api.take(tree.end(finish(span), now))
    api.take(tree.close(2**60))
    check_line(api, tree, kinds)


def test_a_child_of_what_is_left_out_does_not_wait_for_its_end() -> None:
    tree, api = filtering(["-opentelemetry.instrumentation"]), Api()
    request = begin("request", tracer=noise)
    agent = begin("agent", request, tracer=late_tracer)
    start(tree, request, 0.0)
    start(tree, agent, 0.0)
    api.take(tree.end(finish(agent), 0.1))
    assert api.parent_name("agent") is None


def test_a_span_that_turns_out_to_be_ai_at_its_end_is_sent() -> None:
    tree, api = filtering("agent"), Api()
    root = begin("root")
    model = begin("model", root, "chat")
    start(tree, root, 0.0)
    start(tree, model, 0.0)
    api.take(tree.end(finish(model), 0.0))
    api.take(tree.due(STEP_GRACE))
    assert len(api.created) == 1
    root.set_attribute("gen_ai.operation.name", "invoke_agent")
    api.take(tree.end(finish(root), 2.0))
    assert api.parent_name("root") is None


@pytest.mark.parametrize("word", ["AGENT", " Agent ", ["AGENT"]])
def test_the_word_agent_may_be_written_in_any_case(word: SpanFilter) -> None:
    assert usable_filter(word) == "agent"


@pytest.mark.parametrize("error", [KeyError, SystemExit, KeyboardInterrupt])
def test_a_function_that_raises_keeps_the_span_and_says_nothing_of_it(
    error: type[BaseException],
) -> None:
    def broken(view: SpanView) -> bool:
        raise error(view.name)

    said: list[str] = []
    tree, api = filtering(broken, said.append), Api()
    api.take(tree.end(finish(begin("a secret")), 0.0))
    assert len(api.ended) == 1
    assert said == [f"span_filter raised {error.__name__}; the span is kept"]


def test_the_calls_of_a_model_count_where_the_one_that_counted_is_left_out() -> None:
    usage: dict[str, str | int] = {"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 7}
    outer = begin("outer", None, None, usage, tracer=late_tracer)
    inner = begin("inner", outer, None, usage, tracer=noise)
    tree, api = filtering(["openinference"]), Api()
    for span in (inner, outer):
        span.end()
        api.take(tree.end(view_of(span), 0.0))
    payload = api.details("outer")["payload"]
    assert isinstance(payload, dict)
    assert payload["token_usage"]["prompt_tokens"] == 7


def test_a_failed_root_that_is_left_out_fails_the_run() -> None:
    root = begin("root", tracer=noise)
    root.set_status(StatusCode.ERROR)
    tree = filtering(["openinference"])
    assert tree.end(finish(root), 0.0) == []
    assert tree.counts.status == "failed"
