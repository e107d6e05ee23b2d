"""OpenAI's responses."""

from collections.abc import Iterator
from typing import Final

from tests.model.chat import not_found
from tests.model.script import TOKENS, UNKNOWN_MODEL, Asked, Call, Json, Reply, halves, next_step

_USAGE: Final = {
    "input_tokens": TOKENS.prompt,
    "output_tokens": TOKENS.completion,
    "total_tokens": TOKENS.total,
    "input_tokens_details": {"cached_tokens": TOKENS.cached, "cache_write_tokens": 0},
    "output_tokens_details": {"reasoning_tokens": TOKENS.reasoning},
}


def reply(number: int, _path: str, asked: Json) -> Reply:
    """A response, or the events of one."""
    if asked["model"] == UNKNOWN_MODEL:
        return Reply.of(not_found(asked), 404)
    item = _item(number, next_step(number, _asked(asked)))
    if asked.get("stream"):
        return Reply.events([*_numbered(_events(number, asked, item))], named=True)
    return Reply.of(_response(number, asked, [item]))


def _asked(asked: Json) -> Asked:
    given = asked["input"]
    last = given[-1] if isinstance(given, list) else {"role": "user", "content": given}
    tools = [tool["name"] for tool in asked.get("tools") or () if "name" in tool]
    return Asked(asked["model"], last.get("role") == "user", last.get("content"), tools)


def _item(number: int, step: Call | str) -> Json:
    if isinstance(step, Call):
        call = {"call_id": step.id, "name": step.name, "arguments": step.text}
        return {"type": "function_call", "id": f"fc_{number}", "status": "completed", **call}
    text = {"type": "output_text", "text": step, "annotations": [], "logprobs": []}
    head = {"type": "message", "id": f"msg_{number}", "status": "completed", "role": "assistant"}
    return {**head, "content": [text]}


def _response(number: int, asked: Json, output: list[Json], status: str = "completed") -> Json:
    return {
        "id": f"resp_{number}",
        "object": "response",
        "created_at": 1,
        "status": status,
        "model": asked["model"],
        "output": output,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": asked.get("tools") or [],
        "temperature": 1.0,
        "top_p": 1.0,
        "instructions": asked.get("instructions"),
        "metadata": {},
        "error": None,
        "incomplete_details": None,
        "usage": _USAGE if status == "completed" else None,
    }


def _events(number: int, asked: Json, item: Json) -> Iterator[Json]:
    yield {"type": "response.created", "response": _response(number, asked, [], "in_progress")}
    place = {"output_index": 0, "item_id": item["id"]}
    if item["type"] == "function_call":
        yield {"type": "response.output_item.added", **place, "item": {**item, "arguments": ""}}
        for piece in halves(item["arguments"]):
            yield {"type": "response.function_call_arguments.delta", **place, "delta": piece}
        done = {"arguments": item["arguments"], "name": item["name"]}
        yield {"type": "response.function_call_arguments.done", **place, **done}
    else:
        yield {"type": "response.output_item.added", **place, "item": {**item, "content": []}}
        place |= {"content_index": 0}
        [part] = item["content"]
        yield {"type": "response.content_part.added", **place, "part": {**part, "text": ""}}
        for piece in halves(part["text"]):
            yield {"type": "response.output_text.delta", **place, "delta": piece, "logprobs": []}
        done = {"text": part["text"], "logprobs": []}
        yield {"type": "response.output_text.done", **place, **done}
        yield {"type": "response.content_part.done", **place, "part": part}
    yield {"type": "response.output_item.done", "output_index": 0, "item": item}
    yield {"type": "response.completed", "response": _response(number, asked, [item])}


def _numbered(events: Iterator[Json]) -> Iterator[Json]:
    return ({**event, "sequence_number": place} for place, event in enumerate(events))
