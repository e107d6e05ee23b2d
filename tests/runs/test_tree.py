"""Parents before children, each span once, in any order and batching of ends."""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.sdk.trace import Span
from opentelemetry.sdk.trace import TracerProvider as SdkTracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from prefactor_otel.delivery.operation import Item, Operation, SpanRef
from prefactor_otel.mapping import Capture
from prefactor_otel.runs.early import CALL_GRACE, VISIBLE_AFTER
from prefactor_otel.runs.parking import CALLER_GRACE, STEP_GRACE
from prefactor_otel.runs.tree import SpanTree
from prefactor_otel.span_types.span_filter import compiled
from prefactor_otel.spans.sdk import source_of, view_of
from prefactor_otel.spans.view import SpanView

RUN = "0123456789abcdef0123456789abcdef"
USAGE = {"gen_ai.usage.input_tokens": 7, "gen_ai.usage.output_tokens": 2}
COUNTED = {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}


def token_usage(holder: object) -> object:
    assert isinstance(holder, dict)
    return holder["token_usage"]


def new_tree(parent_timeout: float = 600.0) -> SpanTree:
    return SpanTree(RUN, Capture(), max_item_bytes=1_000_000, parent_timeout=parent_timeout)


@dataclass
class Api:
    """The rules of the API that matter here: a parent exists, a span is created and ended once."""

    created: dict[SpanRef, Item] = field(default_factory=dict)
    ended: set[SpanRef] = field(default_factory=set)

    def take(self, items: Sequence[Item]) -> None:
        for item in items:
            assert item.span is not None
            if item.operation is Operation.CREATE:
                assert item.span not in self.created, "created twice"
                assert item.parent is None or item.parent in self.created, "parent missing"
                self.created[item.span] = item
            else:
                assert item.span in self.created, "finished before it was created"
            if item.ends_span:
                assert item.span not in self.ended, "ended twice"
                self.ended.add(item.span)

    def details(self, name: str) -> dict[str, object]:
        bodies = [orjson.loads(b"{" + item.body + b"}") for item in self.created.values()]
        found: list[dict[str, object]] = [b for b in bodies if b["payload"]["name"] == name]
        assert len(found) == 1
        return found[0]

    def parent_name(self, name: str) -> object:
        item = next(i for i in self.created.values() if f'"name":"{name}"'.encode() in i.body)
        if item.parent is None:
            return None
        return orjson.loads(b"{" + self.created[item.parent].body + b"}")["payload"]["name"]


provider = SdkTracerProvider(shutdown_on_exit=False)
tracer = provider.get_tracer("tests")


late_tracer = provider.get_tracer("openinference.instrumentation.langchain")


def begin(
    name: str,
    parent: Span | None = None,
    operation: str | None = None,
    attributes: Mapping[str, str | int] | None = None,
    kind: trace.SpanKind = trace.SpanKind.INTERNAL,
    tracer: trace.Tracer = tracer,
) -> Span:
    given = {"gen_ai.operation.name": operation} if operation is not None else attributes
    context = trace.set_span_in_context(parent) if parent is not None else None
    span = tracer.start_span(name, context=context, attributes=given, kind=kind)
    assert isinstance(span, Span)
    return span


def start(tree: SpanTree, span: Span, now: float) -> None:
    source = source_of(span)
    assert source is not None
    tree.start(source, now)


def finish(span: Span) -> SpanView:
    span.end()
    return view_of(span)


def family(shape: Sequence[int]) -> list[Span]:
    """Spans s0, s1, ...; ``shape[i]`` picks the parent of span i + 1 among those before it."""
    spans = [begin("s0")]
    for index, parent in enumerate(shape):
        spans.append(begin(f"s{index + 1}", spans[parent % len(spans)]))
    return spans


shapes = st.lists(st.integers(min_value=0, max_value=30), max_size=12)


@settings(deadline=None)
@given(shape=shapes, data=st.data())
def test_without_starts_every_span_arrives_once_under_its_parent(
    shape: list[int], data: st.DataObject
) -> None:
    spans = family(shape)
    tree, api = new_tree(), Api()
    for span in data.draw(st.permutations(spans)):
        api.take(tree.end(finish(span), now=0.0))
    assert len(api.ended) == len(spans)
    assert len(tree.parking) == 0
    for index, parent in enumerate(shape):
        assert api.parent_name(f"s{index + 1}") == f"s{parent % (index + 1)}"


@settings(deadline=None)
@given(shape=shapes, data=st.data())
def test_with_starts_and_time_passing_every_span_arrives_once_under_its_parent(
    shape: list[int], data: st.DataObject
) -> None:
    spans = family(shape)
    tree, api = new_tree(), Api()
    now = itertools.count(step=0.7)
    for span in spans:
        start(tree, span, next(now))
    never_end = data.draw(st.sets(st.sampled_from(range(len(spans)))))
    for index in data.draw(st.permutations(range(len(spans)))):
        if index not in never_end:
            api.take(tree.end(finish(spans[index]), next(now)))
        step = data.draw(st.sampled_from(["nothing", "due", "flush"]))
        if step != "nothing":
            api.take(tree.due(next(now)) if step == "due" else tree.flush())
    api.take(tree.close(now_ns=spans[0].start_time or 0))
    assert len(api.ended) == len(spans)
    assert tree.counts.cancelled == len(never_end)
    for index, parent in enumerate(shape):
        assert api.parent_name(f"s{index + 1}") == f"s{parent % (index + 1)}"


def test_an_open_root_becomes_visible_and_is_finished_later() -> None:
    tree, api = new_tree(), Api()
    root = begin("root")
    start(tree, root, 0.0)
    assert tree.due(VISIBLE_AFTER / 2) == []
    api.take(tree.due(VISIBLE_AFTER))
    assert api.details("root")["status"] == "active"
    assert not api.ended
    [item] = tree.end(finish(root), 5.0)
    assert item.operation is Operation.FINISH_SPAN
    assert item.ends_span
    api.take([item])


def test_what_a_span_learns_after_its_early_creation_travels_with_its_finish() -> None:
    tree = new_tree()
    root = begin("root")
    root.set_attribute("early", 1)
    start(tree, root, 0.0)
    tree.due(VISIBLE_AFTER)
    root.set_attribute("late", 2)
    [item] = tree.end(finish(root), 5.0)
    result = orjson.loads(b"{" + item.body + b"}")["result_payload"]
    assert result == {"metadata": {"late": 2}}


def test_a_short_root_is_created_once_in_its_final_state() -> None:
    tree = new_tree()
    root = begin("root")
    start(tree, root, 0.0)
    [item] = tree.end(finish(root), VISIBLE_AFTER / 2)
    assert item.operation is Operation.CREATE
    assert item.ends_span
    assert tree.due(VISIBLE_AFTER * 2) == []


def test_children_of_an_open_step_go_after_it_within_its_grace() -> None:
    tree, api = new_tree(), Api()
    root = begin("root")
    step = begin("step", root)
    child = begin("child", step)
    for span in (root, step, child):
        start(tree, span, 0.0)
    assert tree.end(finish(child), 0.0) == []
    assert tree.due(STEP_GRACE - 0.1) == []
    api.take(tree.due(STEP_GRACE))
    assert [d.operation for d in api.created.values()] == [Operation.CREATE] * 3
    assert api.parent_name("child") == "step"
    assert api.details("step")["status"] == "active"


def test_an_open_model_call_is_given_ten_seconds_before_it_is_created_early() -> None:
    tree, api = new_tree(), Api()
    call = begin("call", operation="chat")
    child = begin("http", call)
    root_shown = begin("unrelated")
    for span in (call, child, root_shown):
        start(tree, span, 0.0)
    tree.due(0.5)
    inner = begin("inner", child)
    start(tree, inner, 0.0)
    assert tree.end(finish(child), 0.5) == []
    assert CALL_GRACE == 10.0
    api.take(tree.due(0.5 + CALL_GRACE))
    assert api.parent_name("http") == "call"


def test_a_call_of_a_model_that_is_a_root_is_created_once_with_its_tokens() -> None:
    tree, api = new_tree(), Api()
    call = begin("call", operation="chat")
    start(tree, call, 0.0)
    assert tree.due(VISIBLE_AFTER + CALL_GRACE) == []
    call.set_attributes(USAGE)
    api.take(tree.end(finish(call), 60.0))
    assert token_usage(api.details("call")["payload"]) == COUNTED


def test_the_tokens_of_a_call_that_was_created_early_travel_with_its_finish() -> None:
    tree = new_tree()
    call = begin("call", operation="chat")
    child = begin("http", call)
    for span in (call, child):
        start(tree, span, 0.0)
    tree.end(finish(child), 0.0)
    assert len(tree.due(CALL_GRACE)) == 2
    call.set_attributes(USAGE)
    [item] = tree.end(finish(call), 60.0)
    result = orjson.loads(b"{" + item.body + b"}")["result_payload"]
    assert token_usage(result) == COUNTED


def test_an_open_root_that_says_late_what_it_is_is_shown_early_only_if_named_like_an_agent() -> (
    None
):
    tree, api = new_tree(), Api()
    for name in ("LangGraph", "Weather_Agent"):
        start(tree, begin(name, tracer=late_tracer), 0.0)
    api.take(tree.due(VISIBLE_AFTER))
    assert len(api.created) == 1
    assert api.details("Weather_Agent")["schema_name"] == "otel:agent"


def test_a_root_that_says_at_its_end_what_it_is_is_created_as_that() -> None:
    tree, api = new_tree(), Api()
    root = begin("LangGraph", tracer=late_tracer)
    step = begin("model", root, tracer=late_tracer)
    for span in (root, step):
        start(tree, span, 0.0)
    step.set_attribute("openinference.span.kind", "CHAIN")
    assert tree.end(finish(step), 0.0) == []
    assert tree.due(CALL_GRACE - 0.1) == []
    root.set_attribute("openinference.span.kind", "AGENT")
    api.take(tree.end(finish(root), CALL_GRACE - 0.1))
    assert api.details("LangGraph")["schema_name"] == "otel:agent"
    assert api.parent_name("model") == "LangGraph"


@pytest.mark.parametrize(("name", "kind"), [("LangGraph", "chain"), ("my_agent", "agent")])
def test_one_that_must_be_created_before_its_end_has_the_type_that_it_will_have(
    name: str, kind: str
) -> None:
    tree, api = new_tree(), Api()
    root = begin("root")
    step = begin(name, root, tracer=late_tracer)
    child = begin("http", step)
    for span in (root, step, child):
        start(tree, span, 0.0)
    tree.end(finish(child), 0.0)
    api.take(tree.due(CALL_GRACE))
    assert api.details(name)["schema_name"] == f"otel:{kind}"


def test_what_it_says_late_travels_with_its_finish() -> None:
    tree = new_tree()
    root = begin("my_agent", tracer=late_tracer)
    start(tree, root, 0.0)
    tree.due(VISIBLE_AFTER)
    root.set_attributes({"openinference.span.kind": "AGENT", "output.value": "sunny"})
    [item] = tree.end(finish(root), 5.0)
    result = orjson.loads(b"{" + item.body + b"}")["result_payload"]
    assert result["output"] == "sunny"
    assert result["metadata"]["openinference.span.kind"] == "AGENT"


def test_an_open_span_that_says_what_it_is_is_not_guessed_at() -> None:
    tree, api = new_tree(), Api()
    said = {"openinference.span.kind": "CHAIN"}
    start(tree, begin("agent_chain", attributes=said, tracer=late_tracer), 0.0)
    api.take(tree.due(VISIBLE_AFTER))
    assert api.details("agent_chain")["schema_name"] == "otel:chain"


def test_of_an_ended_span_nothing_is_guessed() -> None:
    tree, api = new_tree(), Api()
    root = begin("my_agent", tracer=late_tracer)
    start(tree, root, 0.0)
    api.take(tree.end(finish(root), 0.5))
    assert api.details("my_agent")["schema_name"] == "otel:span"


def test_a_flush_tears_no_tree_where_starts_are_unknown() -> None:
    tree = new_tree()
    root = begin("root")
    assert tree.end(finish(begin("child", root)), 0.0) == []
    assert tree.flush() == []
    assert len(tree.parking) == 1
    assert [item.ends_span for item in tree.end(finish(root), 0.0)] == [True, True]


def test_a_parent_that_never_comes_costs_the_link_and_not_the_span() -> None:
    tree, api = new_tree(parent_timeout=30.0), Api()
    root = begin("root")
    child = begin("child", root)
    tree.end(finish(begin("grandchild", child)), 0.0)
    tree.end(finish(child), 0.0)
    assert tree.due(29.0) == []
    api.take(tree.due(30.0))
    assert (len(api.ended), tree.counts.orphaned) == (2, 1)
    assert api.parent_name("grandchild") == "child"
    payload = api.details("child")["payload"]
    assert isinstance(payload, dict)
    assert payload["parent_span_id"] == view_of(root).key.span_hex


def test_a_remote_parent_is_not_waited_for() -> None:
    remote = SpanContext(1, 2, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))
    context = trace.set_span_in_context(NonRecordingSpan(remote))
    span = tracer.start_span("server", context=context)
    assert isinstance(span, Span)
    [item] = new_tree().end(finish(span), 0.0)
    assert item.parent is None
    payload = orjson.loads(b"{" + item.body + b"}")["payload"]
    assert payload["parent_span_id"] == f"{2:016x}"


def called(name: str, caller: Span, **attributes: str) -> Span:
    """A span that another process has called for."""
    named = caller.get_span_context()
    remote = SpanContext(named.trace_id, named.span_id, is_remote=True, trace_flags=TraceFlags(1))
    context = trace.set_span_in_context(NonRecordingSpan(remote))
    span = tracer.start_span(name, context=context, attributes=attributes)
    assert isinstance(span, Span)
    return span


def test_of_several_processes_a_span_hangs_on_who_called_for_it_whoever_comes_first() -> None:
    for is_first in (True, False):
        tree, api = replace(new_tree(), serves_others=True), Api()
        root = begin("root")
        views = [finish(called("server", root)), finish(root)]
        for view in views if is_first else reversed(views):
            api.take(tree.end(view, 0.0))
        assert api.parent_name("server") == "root"
        assert (tree.counts.roots, tree.counts.orphaned) == (1, 0)


def test_a_caller_that_never_comes_is_waited_for_no_longer_than_callers_take() -> None:
    tree, api = replace(new_tree(), serves_others=True), Api()
    root = begin("root")
    server = called("server", root)
    tree.end(finish(begin("step", server)), 0.0)
    tree.end(finish(server), 0.0)
    assert tree.due(CALLER_GRACE - 1.0) == []
    api.take(tree.due(CALLER_GRACE))
    assert api.parent_name("step") == "server"
    payload = api.details("server")["payload"]
    assert isinstance(payload, dict)
    assert payload["parent_span_id"] == view_of(root).key.span_hex
    assert tree.counts.uncalled == 1


def test_a_caller_that_has_come_and_waits_itself_is_waited_for_as_any_parent() -> None:
    tree, api = replace(new_tree(600.0), serves_others=True), Api()
    root = begin("root")
    client = begin("client", root)
    tree.end(finish(called("server", client)), 0.0)
    tree.end(finish(client), 1.0)
    assert tree.due(599.0) == []
    api.take(tree.end(finish(root), 599.0))
    assert api.parent_name("server") == "client"
    assert (tree.counts.orphaned, tree.counts.uncalled) == (0, 0)


def test_what_lies_under_a_span_that_is_left_out_was_called_as_that_was() -> None:
    left_out = compiled(lambda span: span.name != "GET", pytest.fail)
    tree = replace(new_tree(), serves_others=True, span_filter=left_out)
    root = begin("root")
    server = called("GET", root)
    tree.end(finish(begin("agent", server)), 0.0)
    tree.end(finish(server), 0.0)
    assert [item.ends_span for item in tree.due(CALLER_GRACE)] == [True]
    assert tree.counts.uncalled == 1


def test_a_child_that_outlives_its_parent_still_hangs_on_it() -> None:
    tree, api = new_tree(), Api()
    root = begin("root")
    child = begin("late", root)
    for span in (root, child):
        start(tree, span, 0.0)
    api.take(tree.end(finish(root), 0.1))
    api.take(tree.end(finish(child), 60.0))
    assert api.parent_name("late") == "root"


def test_the_same_span_twice_is_sent_once_and_counted() -> None:
    tree = new_tree()
    view = finish(begin("once"))
    assert len(tree.end(view, 0.0)) == 1
    assert tree.end(view, 0.0) == []
    assert tree.counts.duplicates == 1


def test_two_spans_of_one_id_both_arrive_under_their_parent() -> None:
    root = begin("root")
    one = finish(begin("one", root))
    other = dataclasses.replace(one, name="other", start_ns=one.start_ns + 1)
    tree, api = new_tree(), Api()
    for view in (one, other, other, finish(root)):
        api.take(tree.end(view, 0.0))
    assert (api.parent_name("one"), api.parent_name("other")) == ("root", "root")
    assert len({item.key for item in api.created.values()}) == 3
    ids = [
        orjson.loads(b"{" + item.body + b"}")["payload"]["span_id"] for item in api.created.values()
    ]
    assert ids.count(one.key.span_hex) == 2
    assert tree.counts.duplicates == 1


def test_the_late_end_of_a_span_that_was_cut_off_is_no_second_span() -> None:
    tree, api = new_tree(), Api()
    span = begin("slow")
    start(tree, span, 0.0)
    api.take(tree.close(10**19))
    assert tree.end(finish(span), 1.0) == []
    assert len(api.ended) == 1


def test_a_run_over_several_traces_keeps_each_trace_a_tree() -> None:
    tree, api = new_tree(), Api()
    for trace_name in ("first", "second"):
        root = begin(trace_name)
        child = begin(f"child of {trace_name}", root)
        api.take(tree.end(finish(child), 0.0))
        api.take(tree.end(finish(root), 0.0))
    assert api.parent_name("child of first") == "first"
    assert api.parent_name("child of second") == "second"


AGENT = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "clerk"}


def types_of(api: Api) -> dict[str, str]:
    rows = [orjson.loads(b"{" + item.body + b"}") for item in api.created.values()]
    return {row["payload"]["metadata"]["layer"]: row["schema_name"] for row in rows}


def test_layers_around_an_agent_are_chains() -> None:
    outer = begin("invoke_agent clerk", attributes={"layer": "outer", **AGENT})
    middle = begin("invoke_agent clerk", outer, attributes={"layer": "middle", **AGENT})
    inner = begin("invoke_agent clerk", middle, attributes={"layer": "inner", **AGENT})
    tree, api = new_tree(), Api()
    for span in (inner, middle, outer):
        api.take(tree.end(finish(span), 0.0))
    assert types_of(api) == {"outer": "otel:chain", "middle": "otel:chain", "inner": "otel:agent"}


def test_an_agent_that_does_more_than_call_itself_is_an_agent() -> None:
    outer = begin("invoke_agent clerk", attributes={"layer": "outer", **AGENT})
    inner = begin("invoke_agent clerk", outer, attributes={"layer": "inner", **AGENT})
    tool = begin("execute_tool add", outer, attributes={"layer": "tool"})
    tree, api = new_tree(), Api()
    for span in (inner, tool, outer):
        api.take(tree.end(finish(span), 0.0))
    assert types_of(api) == {"outer": "otel:agent", "inner": "otel:agent", "tool": "otel:span"}


def test_a_layer_around_an_agent_is_a_chain_also_while_both_are_open() -> None:
    tree, api = new_tree(), Api()
    outer = begin("invoke_agent clerk", attributes={"layer": "outer", **AGENT})
    inner = begin("invoke_agent clerk", outer, attributes={"layer": "inner", **AGENT})
    for span in (outer, inner):
        start(tree, span, 0.0)
    api.take(tree.due(VISIBLE_AFTER))
    assert types_of(api) == {"outer": "otel:chain", "inner": "otel:agent"}


def test_what_a_server_did_is_no_agent_until_one_is_named() -> None:
    request = {"gen_ai.operation.name": "invoke_agent"}
    views = [
        finish(
            begin(
                "POST /invocations",
                kind=trace.SpanKind.SERVER,
                attributes={"layer": "server", **request},
            )
        ),
        finish(
            begin("POST /clerk", kind=trace.SpanKind.SERVER, attributes={"layer": "named", **AGENT})
        ),
    ]
    tree, api = new_tree(), Api()
    for view in views:
        api.take(tree.end(view, 0.0))
    assert types_of(api) == {"server": "otel:chain", "named": "otel:agent"}


CALL: dict[str, str | int] = {
    "openinference.span.kind": "AGENT",
    "gen_ai.operation.name": "chat",
    "gen_ai.request.model": "m",
    "gen_ai.input.messages": '[{"role": "user", "content": "Why?"}]',
    "gen_ai.output.messages": '[{"role": "assistant", "content": "So."}]',
    "gen_ai.usage.input_tokens": 1,
    "gen_ai.usage.output_tokens": 1,
}


def test_what_two_vocabularies_call_agent_and_model_call_is_what_it_did() -> None:
    tree, api = new_tree(), Api()
    alone = begin("chat m", attributes={"layer": "alone", **CALL})
    above = begin("chat m", attributes={"layer": "above", **CALL})
    step = begin("step", above, attributes={"layer": "step"})
    below = begin("chat m", step, attributes={"layer": "below", **CALL})
    for span in (alone, below, step, above):
        api.take(tree.end(finish(span), 0.0))
    types = types_of(api)
    assert (types["alone"], types["below"], types["above"]) == (
        "otel:llm",
        "otel:llm",
        "otel:agent",
    )


OPENINFERENCE = {"openinference.span.kind": "AGENT"}


def frame_of_agents(told: Mapping[str, str]) -> tuple[Span, ...]:
    """A frame, a step in it, and two agents in that: as OpenInference records a workflow."""
    frame = begin("Agent workflow", attributes={"layer": "frame", **OPENINFERENCE, **told})
    step = begin("Agent workflow", frame, attributes={"layer": "step"})
    named = {"graph.node.id": "weather_agent"}
    agents = [begin("agent", step, attributes={"layer": n, **OPENINFERENCE, **named}) for n in "ab"]
    return frame, step, *agents


def test_an_agent_that_says_nothing_is_the_frame_around_the_agents_below_it() -> None:
    tree, api = new_tree(), Api()
    for span in reversed(frame_of_agents({})):
        api.take(tree.end(finish(span), 0.0))
    types = types_of(api)
    assert (types["frame"], types["a"], types["b"]) == ("otel:chain", "otel:agent", "otel:agent")


def test_an_agent_that_says_what_it_was_asked_is_one_whatever_lies_below_it() -> None:
    for told in ({"input.value": "Weather?"}, {"agent.name": "boss"}):
        tree, api = new_tree(), Api()
        for span in reversed(frame_of_agents(told)):
            api.take(tree.end(finish(span), 0.0))
        assert types_of(api)["frame"] == "otel:agent"


def test_a_frame_that_is_shown_while_its_agents_run_is_no_agent_either() -> None:
    tree, api = new_tree(), Api()
    for span in frame_of_agents({}):
        start(tree, span, 0.0)
    api.take(tree.due(VISIBLE_AFTER))
    types = types_of(api)
    assert (types["frame"], types["a"], types["b"]) == ("otel:chain", "otel:agent", "otel:agent")


def test_a_span_that_is_its_own_parent_does_not_wait_for_itself() -> None:
    view = finish(begin("self"))
    view = dataclasses.replace(view, parent=view.key)
    tree = new_tree()
    assert len(tree.end(view, 0.0)) == 1
    assert tree.counts.orphaned == 1


def test_two_spans_that_are_each_others_parents_both_arrive() -> None:
    one, two = finish(begin("one")), finish(begin("two"))
    tree, api = new_tree(), Api()
    api.take(tree.end(dataclasses.replace(one, parent=two.key), 0.0))
    api.take(tree.end(dataclasses.replace(two, parent=one.key), 0.0))
    api.take(tree.close(0))
    assert len(api.ended) == 2


def test_a_span_that_ended_but_never_came_is_rescued_at_close() -> None:
    tree, api = new_tree(), Api()
    span = begin("lost in a queue")
    start(tree, span, 0.0)
    span.end()
    api.take(tree.close(0))
    assert api.details("lost in a queue")["status"] == "complete"
    assert tree.counts.rescued == 1


def test_a_chain_deeper_than_the_recursion_limit_arrives() -> None:
    spans = [begin("s")]
    for _ in range(3000):
        spans.append(begin("s", spans[-1]))
    tree, api = new_tree(), Api()
    for span in reversed(spans):
        api.take(tree.end(finish(span), 0.0))
    assert len(api.ended) == len(spans)


def test_spans_that_were_not_sampled_are_not_followed() -> None:
    unsampled = SdkTracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False)
    span = unsampled.get_tracer("t").start_span("quiet")
    tree = new_tree()
    if isinstance(span, Span):
        start(tree, span, 0.0)
    assert tree.close(0) == []
