"""One message is told in one way, however it is written."""

from hypothesis import given
from hypothesis import strategies as st

from prefactor_otel.mapping.shapes.messages import messages

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
