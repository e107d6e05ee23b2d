"""Lists that are flattened into attributes are lists again, whatever stands in their names."""

from hypothesis import given
from hypothesis import strategies as st

from prefactor_otel.mapping import Capture, agent_span
from tests.made_spans import one_view, with_attributes
from tests.mapping.test_foreign import mapped, part

LLM = {"openinference.span.kind": "LLM"}
LISTS = st.sampled_from(
    [
        *("llm.input_messages.", "llm.output_messages.", "llm.tools.", "llm.prompts."),
        *("gen_ai.prompt.", "gen_ai.completion.", "llm.request.functions."),
        *("retrieval.documents.", "reranker.input_documents.", "embedding.embeddings."),
    ]
)
STEPS = st.sampled_from(
    [
        *("message", "role", "content", "contents", "tool_calls", "tool_call", "function", "name"),
        *(
            "text",
            "user",
            "document",
            "json_schema",
            "parts",
            "finish_reason",
            "0",
            "1",
            "10",
            "00",
        ),
    ]
)
NAMES = st.builds(
    lambda prefix, index, path: f"{prefix}{index}.{'.'.join(path)}",
    LISTS,
    st.integers(0, 3),
    st.lists(STEPS, min_size=1, max_size=4),
)
TYPES = st.sampled_from(
    [
        *({"openinference.span.kind": kind} for kind in ("LLM", "AGENT", "RETRIEVER", "EMBEDDING")),
        *({"llm.request.type": kind} for kind in ("chat", "embedding", "rerank")),
    ]
)


@given(TYPES, st.dictionaries(NAMES, st.sampled_from(["said", '["said"]', 3]), max_size=8))
def test_whatever_stands_in_the_names_of_a_list_the_span_is_told(
    kind: dict[str, str], told: dict[str, object]
) -> None:
    view = with_attributes(one_view(), {**kind, **told})
    for capture in (Capture(), Capture(inputs=False, outputs=False)):
        assert agent_span(view, capture).payload["status"] == "complete"


def test_the_entries_of_a_list_are_in_the_order_of_their_numbers_and_not_of_their_names() -> None:
    path = "llm.output_messages.0.message."
    calls = {
        f"{path}tool_calls.{number}.tool_call.function.name": name
        for number, name in ((10, "c"), (2, "b"), (0, "a"))
    }
    span = mapped({**LLM, f"{path}role": "assistant", **calls})
    assert [call["name"] for call in part(span, "outputs")["tool_calls"]] == ["a", "b", "c"]


def test_a_block_and_the_call_in_it_are_one_call() -> None:
    path = "llm.output_messages.0.message.contents.0."
    span = mapped(
        {
            **LLM,
            "llm.output_messages.0.message.role": "assistant",
            f"{path}message_content.type": "tool_use",
            f"{path}tool_call.id": "c",
            f"{path}tool_call.function.name": "w",
            f"{path}tool_call.function.arguments": '{"a": 1}',
        }
    )
    assert part(span, "outputs")["messages"] == [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c", "name": "w", "arguments": {"a": 1}}],
        }
    ]


def test_a_role_alone_is_no_message_and_stays() -> None:
    role = "llm.input_messages.1.message.role"
    span = mapped({**LLM, "llm.input_messages.0.message.content": "hi", role: "user"})
    assert part(span, "inputs")["messages"] == [{"role": None, "content": "hi"}]
    assert part(span, "metadata")[role] == "user"


def test_a_call_whose_name_is_an_object_tells_none_of_it_with_capture_off() -> None:
    path = "llm.output_messages.0.message.tool_calls.0.tool_call.function.name.text"
    view = with_attributes(one_view(), {**LLM, path: "SECRET"})
    payload = agent_span(view, Capture(inputs=False, outputs=False)).payload
    assert "SECRET" not in str(payload)


def test_messages_in_one_text_are_read_however_deep_what_they_hold_is() -> None:
    deep = "[" * 400 + "]" * 400
    for message in (
        '{"message.role": "user", "message.content": %s}',
        '{"message": {"content": %s}}',
    ):
        span = mapped({**LLM, "llm.input_messages": f"[{message % deep}]"})
        [told] = part(span, "inputs")["messages"]
        assert told["content"] is not None


def test_a_reason_that_is_an_object_tells_none_of_it_with_capture_off() -> None:
    path = "gen_ai.completion.0.finish_reason.text"
    view = with_attributes(one_view(), {"llm.request.type": "chat", path: "SECRET"})
    payload = agent_span(view, Capture(inputs=False, outputs=False)).payload
    assert "SECRET" not in str(payload)
