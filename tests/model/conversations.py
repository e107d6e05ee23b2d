"""Mistral's conversations: one answer, without tools."""

from tests.model.chat import USAGE
from tests.model.script import ANSWER, Json, Reply

_WHEN = "2026-01-01T00:00:00Z"


def reply(number: int, _path: str, asked: Json) -> Reply:
    """A conversation that has begun."""
    said = {"object": "entry", "type": "message.output", "id": f"msg_{number}", "content": ANSWER}
    when = {"created_at": _WHEN, "completed_at": _WHEN}
    output = {**said, **when, "role": "assistant", "model": asked.get("model")}
    usage = {name: USAGE[name] for name in ("prompt_tokens", "completion_tokens", "total_tokens")}
    head = {"object": "conversation.response", "conversation_id": f"conv_{number}"}
    return Reply.of({**head, "outputs": [output], "usage": usage})
