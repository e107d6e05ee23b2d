"""Mistral's conversations: one answer, without tools."""

from tests.model.script import ANSWER, COMPLETION_TOKENS, PROMPT_TOKENS, Json, Reply

_WHEN = "2026-01-01T00:00:00Z"


def reply(number: int, _path: str, asked: Json) -> Reply:
    """A conversation that has begun."""
    said = {"object": "entry", "type": "message.output", "id": f"msg_{number}", "content": ANSWER}
    when = {"created_at": _WHEN, "completed_at": _WHEN}
    output = {**said, **when, "role": "assistant", "model": asked.get("model")}
    usage = {
        "prompt_tokens": PROMPT_TOKENS,
        "completion_tokens": COMPLETION_TOKENS,
        "total_tokens": PROMPT_TOKENS + COMPLETION_TOKENS,
    }
    head = {"object": "conversation.response", "conversation_id": f"conv_{number}"}
    return Reply.of({**head, "outputs": [output], "usage": usage})
