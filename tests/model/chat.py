"""OpenAI's chat completions."""

from collections.abc import Iterator
from typing import Final

from tests.model.script import TOKENS, UNKNOWN_MODEL, Asked, Call, Json, Reply, halves, next_step

USAGE: Final = {
    "prompt_tokens": TOKENS.prompt,
    "completion_tokens": TOKENS.completion,
    "total_tokens": TOKENS.total,
    "prompt_tokens_details": {"cached_tokens": TOKENS.cached},
    "completion_tokens_details": {"reasoning_tokens": TOKENS.reasoning},
}


def reply(number: int, _path: str, asked: Json) -> Reply:
    """A completion, or the chunks of one."""
    if asked["model"] == UNKNOWN_MODEL:
        return Reply.of(not_found(asked), 404)
    step = next_step(number, _asked(asked))
    if asked.get("stream"):
        return Reply.events([*_chunks(number, asked, step)], end="data: [DONE]\n\n")
    reason = "tool_calls" if isinstance(step, Call) else "stop"
    choice = {"index": 0, "message": _message(step), "finish_reason": reason}
    return Reply.of({**_head(number, asked, ""), "choices": [choice], "usage": USAGE})


def not_found(asked: Json) -> Json:
    """How OpenAI's APIs say that there is no such model."""
    message = f"The model `{asked['model']}` does not exist"
    return {"error": {"message": message, "type": "invalid_request_error", "code": "model"}}


def _asked(asked: Json) -> Asked:
    last = asked["messages"][-1]
    tools = [tool["function"]["name"] for tool in asked.get("tools") or ()]
    return Asked(asked["model"], last["role"] == "user", last["content"], tools)


def _message(step: Call | str) -> Json:
    if isinstance(step, str):
        return {"role": "assistant", "content": step}
    function = {"name": step.name, "arguments": step.text}
    call = {"id": step.id, "type": "function", "function": function}
    return {"role": "assistant", "content": None, "tool_calls": [call]}


def _chunks(number: int, asked: Json, step: Call | str) -> Iterator[Json]:
    head = _head(number, asked, ".chunk")
    for delta in ({"role": "assistant", "content": ""}, *_deltas(step)):
        yield {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    reason = "tool_calls" if isinstance(step, Call) else "stop"
    yield {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}
    if (asked.get("stream_options") or {}).get("include_usage"):
        yield {**head, "choices": [], "usage": USAGE}


def _deltas(step: Call | str) -> list[Json]:
    """The message in several pieces, as models speak."""
    if isinstance(step, str):
        return [{"content": part} for part in halves(step)]
    first, second = halves(step.text)
    [call] = _message(step)["tool_calls"]
    begun = {**call, "index": 0, "function": {"name": step.name, "arguments": first}}
    rest = {"index": 0, "function": {"arguments": second}}
    return [{"tool_calls": [begun]}, {"tool_calls": [rest]}]


def _head(number: int, asked: Json, part: str) -> Json:
    kind = f"chat.completion{part}"
    return {"id": f"chatcmpl-{number}", "object": kind, "created": 1, "model": asked["model"]}
