"""Bedrock's Converse."""

from typing import Final
from urllib.parse import unquote

from tests.model.script import TOKENS, UNKNOWN_MODEL, Asked, Call, Json, Reply, next_step

_USAGE: Final = {
    "inputTokens": TOKENS.prompt - TOKENS.cached,
    "cacheReadInputTokens": TOKENS.cached,
    "cacheWriteInputTokens": 0,
    "outputTokens": TOKENS.completion,
    "totalTokens": TOKENS.total,
}
"""Bedrock's input leaves out what was cached."""


def reply(number: int, path: str, asked: Json) -> Reply:
    """A message; the model is named by the path."""
    model = unquote(path).split("/")[-2]
    if model == UNKNOWN_MODEL:
        error = {"__type": "ResourceNotFoundException", "message": f"no model {UNKNOWN_MODEL}"}
        return Reply.of(error, 404)
    step = next_step(number, _asked(model, asked))
    message = {"role": "assistant", "content": [_block(step)]}
    reason = "tool_use" if isinstance(step, Call) else "end_turn"
    answer = {"output": {"message": message}, "stopReason": reason, "usage": _USAGE}
    return Reply.of(answer | {"metrics": {"latencyMs": 1}})


def _asked(model: str, asked: Json) -> Asked:
    last = asked["messages"][-1]["content"]
    tools = [tool["toolSpec"]["name"] for tool in asked.get("toolConfig", {}).get("tools", ())]
    return Asked(model, not any("toolResult" in block for block in last), last, tools)


def _block(step: Call | str) -> Json:
    if isinstance(step, str):
        return {"text": step}
    return {"toolUse": {"toolUseId": step.id, "name": step.name, "input": step.arguments}}
