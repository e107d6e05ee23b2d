"""One message is told in one way, however it is written."""

from hypothesis import given
from hypothesis import strategies as st

from prefactor_otel.mapping.shapes.messages import messages, whole_answer

IDS = st.sampled_from(["c", "", None])
ROLES = st.sampled_from(["user", "assistant", "tool", "model", "MessageRole.USER", "", None])
VALUES = st.sampled_from(
    ["hi", "", "[1]", '{"a": 1}', '[{"type": "text", "text": "x"}]', None, 3, {"a": 1}, [1]]
)
BLOCKS = st.one_of(
    st.fixed_dictionaries({"type": st.just("text"), "content": VALUES}),
    st.fixed_dictionaries(
        {"type": st.just("tool_call"), "name": VALUES, "arguments": VALUES}, optional={"id": IDS}
    ),
    st.fixed_dictionaries({"type": st.just("tool_call_response"), "id": IDS, "response": VALUES}),
)


@given(BLOCKS, ROLES, st.sampled_from([{}, {"finish_reason": "stop"}]))
def test_nulls_beside_the_one_block_of_a_message_change_nothing(
    block: dict[str, object], role: str | None, around: dict[str, object]
) -> None:
    alone = {"role": role, "parts": [block], **around}
    assert messages([alone]) == messages([{**alone, "parts": [None, block]}])


@given(st.lists(BLOCKS, min_size=1, max_size=4), st.sampled_from(["user", "assistant"]))
def test_what_blocks_say_together_is_what_each_says_alone(
    blocks: list[dict[str, object]], role: str
) -> None:
    """Calls and answers of several blocks are those of each, in their order."""
    together = messages([{"role": role, "parts": blocks}]) or []
    alone = [
        each for block in blocks for each in messages([{"role": role, "parts": [block]}]) or []
    ]
    assert told_by(together, "tool_calls") == told_by(alone, "tool_calls")
    assert told_by(together, "tool_call_id") == told_by(alone, "tool_call_id")


def told_by(told: list[object], name: str) -> list[object]:
    found: list[object] = []
    for message in told:
        assert isinstance(message, dict)
        value = message.get(name, [])
        found += value if isinstance(value, list) else [value]
    return found


def test_a_call_beside_an_answer_that_says_nothing_is_told() -> None:
    call = {"type": "server_tool_use", "id": "c", "name": "search", "input": {"q": "x"}}
    answer = {"type": "web_search_tool_result", "tool_use_id": "c", "content": None}
    told = messages([{"role": "assistant", "content": [call, answer]}])
    assert told == [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c", "name": "search", "arguments": {"q": "x"}}],
        },
        {"role": "tool", "content": None, "tool_call_id": "c"},
    ]


def test_a_tool_that_a_block_names_has_its_name_where_the_message_has_room_for_one() -> None:
    origin = {"tool_name": "weather", "id": "c"}
    answer = {"tool_call_result": {"result": "sunny", "origin": origin, "error": False}}
    assert messages([{"role": "tool", "name": None, "content": [answer]}]) == [
        {"role": "tool", "content": "sunny", "tool_call_id": "c", "name": "weather"}
    ]


def test_the_calls_of_a_message_are_told_before_the_one_of_the_older_kind() -> None:
    older = {"name": "old", "arguments": "{}"}
    newer = [{"id": "c", "function": {"name": "new", "arguments": "{}"}}]
    entry = {"role": "assistant", "content": None, "function_call": older, "tool_calls": newer}
    [told] = messages([entry]) or []
    assert isinstance(told, dict)
    assert [call["name"] for call in told["tool_calls"]] == ["new"]


def test_a_message_of_a_thousand_fields_is_told_with_all_of_them() -> None:
    fields = {f"field {number}": number for number in range(1, 1000)}
    assert messages([{"role": "user", "content": "hi", **fields}]) == [
        {"role": "user", "content": "hi", **fields}
    ]


def test_objects_where_words_are_expected_are_told_as_they_are() -> None:
    odd = {"a": [1]}
    assert messages([{"role": odd, "content": "hi"}]) == [{"role": odd, "content": "hi"}]
    block = {"type": odd, "text": "hi"}
    assert messages([{"role": "user", "content": [block]}]) == [{"role": "user", "content": block}]


def test_chunks_whose_calls_have_objects_for_ids_are_one_answer() -> None:
    call = {"id": ["c"], "name": "find", "arguments": {"q": 1}}
    chunks = [{"role": "assistant", "tool_calls": [call]}, {"finish_reason": "stop"}]
    told = whole_answer(chunks)
    assert told == [{"role": "assistant", "content": None, "tool_calls": [call]}]
