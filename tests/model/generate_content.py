"""Gemini's generated content."""

from typing import Final

from tests.model.script import TOKENS, UNKNOWN_MODEL, Asked, Call, Json, Reply, halves, next_step

_USAGE: Final = {
    "promptTokenCount": TOKENS.prompt,
    "candidatesTokenCount": TOKENS.completion - TOKENS.reasoning,
    "thoughtsTokenCount": TOKENS.reasoning,
    "cachedContentTokenCount": TOKENS.cached,
    "totalTokenCount": TOKENS.total,
}
"""Gemini's candidates leave out what was thought."""


def reply(number: int, path: str, asked: Json) -> Reply:
    """A candidate, or the pieces of one."""
    model = path.rpartition("/")[2].partition(":")[0]
    if model == UNKNOWN_MODEL:
        error = {"code": 404, "message": f"models/{model} is not found", "status": "NOT_FOUND"}
        return Reply.of({"error": error}, 404)
    step = next_step(number, _asked(model, asked))
    if not path.endswith(":streamGenerateContent"):
        return Reply.of(_answer(number, model, step, is_last=True))
    pieces = halves(step) if isinstance(step, str) else [step]
    answers = [_answer(number, model, piece, piece is pieces[-1]) for piece in pieces]
    return Reply.events(answers)


def _asked(model: str, asked: Json) -> Asked:
    parts = asked["contents"][-1]["parts"]
    answers_tool = any("functionResponse" in part for part in parts)
    tools = [
        declared["name"]
        for tool in asked.get("tools") or ()
        for declared in tool.get("functionDeclarations") or ()
    ]
    return Asked(model, not answers_tool, parts, tools)


def _answer(number: int, model: str, step: Call | str, is_last: bool) -> Json:
    call = {"name": step.name, "args": step.arguments} if isinstance(step, Call) else None
    part = {"functionCall": call} if call is not None else {"text": step}
    candidate = {"content": {"role": "model", "parts": [part]}, "index": 0}
    end = {"finishReason": "STOP"} if is_last else {}
    head = {"modelVersion": model, "responseId": f"response-{number}", "usageMetadata": _USAGE}
    return {**head, "candidates": [{**candidate, **end}]}
