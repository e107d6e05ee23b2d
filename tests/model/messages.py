"""Anthropic's messages."""

from collections.abc import Iterator
from typing import Final

from tests.model.script import TOKENS, UNKNOWN_MODEL, Asked, Call, Json, Reply, halves, next_step

_USAGE: Final = {
    "input_tokens": TOKENS.prompt - TOKENS.cached,
    "cache_read_input_tokens": TOKENS.cached,
    "cache_creation_input_tokens": 0,
    "output_tokens": TOKENS.completion,
    "service_tier": "standard",
}
"""Anthropic's input leaves out what was cached."""


def reply(number: int, _path: str, asked: Json) -> Reply:
    """A message, or the events of one."""
    if asked["model"] == UNKNOWN_MODEL:
        error = {"type": "not_found_error", "message": f"model: {UNKNOWN_MODEL}"}
        return Reply.of({"type": "error", "error": error, "request_id": f"req_{number}"}, 404)
    step = next_step(number, _asked(asked))
    if asked.get("stream"):
        return Reply.events([*_events(number, asked, step)], named=True)
    return Reply.of({**_head(number, asked), "content": [_block(step)], **_end(step)})


def _asked(asked: Json) -> Asked:
    last = asked["messages"][-1]["content"]
    blocks = last if isinstance(last, list) else []
    answers_tool = any(block.get("type") == "tool_result" for block in blocks)
    tools = [tool["name"] for tool in asked.get("tools") or ()]
    return Asked(asked["model"], not answers_tool, last, tools)


def _block(step: Call | str) -> Json:
    if isinstance(step, str):
        return {"type": "text", "text": step}
    return {"type": "tool_use", "id": step.id, "name": step.name, "input": step.arguments}


def _head(number: int, asked: Json) -> Json:
    head = {"id": f"msg_{number}", "type": "message", "role": "assistant", "usage": _USAGE}
    return {**head, "model": asked["model"], "content": [], "stop_reason": None}


def _end(step: Call | str) -> Json:
    reason = "tool_use" if isinstance(step, Call) else "end_turn"
    return {"stop_reason": reason, "stop_sequence": None}


def _events(number: int, asked: Json, step: Call | str) -> Iterator[Json]:
    head = _head(number, asked)
    yield {"type": "message_start", "message": {**head, "usage": {**_USAGE, "output_tokens": 1}}}
    empty: Json = {"input": {}} if isinstance(step, Call) else {"text": ""}
    begun = {**_block(step), **empty}
    yield {"type": "content_block_start", "index": 0, "content_block": begun}
    for delta in _deltas(step):
        yield {"type": "content_block_delta", "index": 0, "delta": delta}
    yield {"type": "content_block_stop", "index": 0}
    yield {"type": "message_delta", "delta": _end(step), "usage": _USAGE}
    yield {"type": "message_stop"}


def _deltas(step: Call | str) -> list[Json]:
    if isinstance(step, str):
        return [{"type": "text_delta", "text": piece} for piece in halves(step)]
    return [{"type": "input_json_delta", "partial_json": piece} for piece in halves(step.text)]
