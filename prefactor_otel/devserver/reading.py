"""What the page tells of a span in a line, read out of what any SDK may have written into it."""

import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from prefactor_otel.devserver.form import Json
from prefactor_otel.mapping.usage import TOTAL, Usage, counts_in, settled
from prefactor_otel.payload.media import MARKER

LINE: Final = 200
"""Characters of a line."""
WHOLE: Final = 20_000
"""Characters of a question or an answer that is shown whole."""
_SEARCHED: Final = 10_000
"""Characters of a side of a span that can be found, half of them from its end."""
_MOST_TOKENS: Final = 10**12
"""What no call takes is no count, and a sum of such ones would be no number of SQLite."""
_ASKED: Final = ("messages", "input", "question", "query", "prompt", "text", "content", "inputs")
_SAID: Final = ("messages", "output", "answer", "text", "content", "response", "result", "outputs")
_ASKS: Final = frozenset({"user", "human"})
_SAYS: Final = frozenset({"assistant", "ai", "model"})
_WITHIN: Final = ("parts", "blocks", "data")
"""Where messages of some frameworks hold what they say."""
_BESIDE: Final = frozenset({"inputs", "metadata", "token_usage", "error", "status"})
"""What stands in a result beside what came out."""
_LABELS: Final = frozenset(
    [
        *("model", "parameters", "tools", "tool_calls", "system", "role", "type", "block_type"),
        *("id", "name", "index", "score", "count", "dimensions", "usage", "token_usage", "meta"),
        *("metadata", "additional_kwargs", "response_metadata", "stop_reason", "finish_reason"),
    ]
)
"""What is told of a call or a message, and is nothing that anybody says."""
_SILENT: Final = frozenset({"approval", "embedding", "reranker"})
"""Types of spans that nobody asks, and that give no answer; an embedding may be all there is."""
_INNER: Final = _SILENT | {"span", "tool", "guardrail", "evaluator", "handoff"}
"""Types of spans of which only a root tells what the run was asked, or has answered."""
_MEDIA: Final = re.compile(rf"\n?{MARKER.pattern}")


def outline(span: Json, usage: Usage) -> Json:
    """A span, as the API shows it, in one row of the page."""
    return {
        "id": span["id"],
        "parent": span["parent_span_id"],
        "type": span["schema_name"],
        "name": _name(span),
        "status": span["status"],
        "started_at": span["started_at"],
        "finished_at": span["finished_at"],
        "tokens": usage.get(TOTAL),
        "error": error_of(span),
        "ai": _kind(span) != "span",
        "mismatches": len(span["schema_mismatches"]),
    }


def _name(span: Json) -> str:
    payload = span["payload"]
    names = (payload.get(key) for key in ("name", "tool_name", "agent_name", "model_name"))
    told = next((name for name in names if isinstance(name, str) and name.strip()), None)
    return line(told or span["schema_title"] or span["schema_name"])


def line(text: str) -> str:
    """The text in one line, cut."""
    text = " ".join(text[: 4 * LINE].split())
    return text if len(text) <= LINE else text[: LINE - 1] + "…"


def usage_of(span: Json) -> Usage:
    """The tokens that a span counts; its end may say what its start could not yet."""
    for part in (span["result_payload"] or {}, span["payload"]):
        told = part.get("token_usage")
        if isinstance(told, dict):
            counts = counts_in(told)
            return settled({k: n for k, n in counts.items() if n <= _MOST_TOKENS})
    return {}


def error_of(span: Json) -> str | None:
    """What went wrong, in a line; None where nothing is said."""
    result = span["result_payload"] or {}
    for told in (span["payload"].get("error"), result.get("error"), result):
        if isinstance(told, str) and told.strip():
            return line(told)
        if isinstance(told, dict):
            texts = [told.get("error_type"), told.get("message")]
            words = [text for text in texts if isinstance(text, str) and text.strip()]
            if words and (told is not result or "error_type" in result):
                return line(": ".join(words))
    return None


def model_of(span: Json) -> str | None:
    """The model that a call asked for."""
    payload = span["payload"]
    given = payload.get("inputs")
    asked = given.get("model") if isinstance(given, dict) else None
    named = asked or payload.get("model_name")
    return line(named) if isinstance(named, str) and named.strip() else None


class Told(NamedTuple):
    """What a span says as a person would, and whether that was said, or is any text that a root
    holds, or the value of a step."""

    text: str
    is_said: bool


def question_in(span: Json) -> str | None:
    """What was asked, as a person would say it; of a root also any text that it was given."""
    kind = _kind(span)
    if kind == "approval" or _is_feedback(span) or (_is_below(span) and kind in _INNER):
        return None
    told = _told(span, _inputs(span), _ASKED, _ASKS)
    return told.text if told is not None else None


def answer_in(span: Json) -> str | None:
    """What came out, as a person would say it; of a root also any text that it gave."""
    told = told_answer(span)
    return told.text if told is not None else None


def told_answer(span: Json) -> Told | None:
    """The same, with what it was found by."""
    kind = _kind(span)
    if kind in _SILENT | {"retriever"} or _is_feedback(span):
        return None
    if "error_type" in (span["result_payload"] or {}) or (_is_below(span) and kind in _INNER):
        return None
    return _told(span, _outputs(span), _SAID, _SAYS)


def _told(span: Json, side: Json, keys: tuple[str, ...], roles: frozenset[str]) -> Told | None:
    found = _text(side, keys, roles)
    is_said = found is not None and not (_is_below(span) and _kind(span) == "chain")
    if found is None and not _is_below(span) and "messages" not in side:
        found = next(_texts(side, _LABELS), None)
    if found is None:
        return None
    text = _MEDIA.sub("", found).strip() or found.strip()
    return Told(text[:WHOLE], is_said)


def _kind(span: Json) -> str:
    """The type without whose it is."""
    return str(span["schema_name"]).rpartition(":")[2]


def _is_below(span: Json) -> bool:
    return span["parent_span_id"] is not None


def _is_feedback(span: Json) -> bool:
    """Whether it holds what a person thinks of a run: that is a root where it is about no span."""
    return _kind(span) == "span" and isinstance(_inputs(span).get("feedback"), dict)


def _inputs(span: Json) -> Json:
    """What went in; at its end a span may tell more of that."""
    parts = (span["payload"].get("inputs"), (span["result_payload"] or {}).get("inputs"))
    found: Json = {}
    for part in parts:
        found |= part if isinstance(part, dict) else {} if part is None else {"input": part}
    return found


def _outputs(span: Json) -> Json:
    result = span["result_payload"] or span["payload"].get("outputs")
    if not isinstance(result, dict):
        return {} if result is None else {"output": result}
    return {name: value for name, value in result.items() if name not in _BESIDE}


def _text(value: Any, keys: tuple[str, ...], roles: frozenset[str]) -> str | None:
    """The text of a message, its parts, or the last message by one of these roles."""
    if isinstance(value, str):
        return value if value.strip() else None
    if isinstance(value, list):
        return _text_of_list(value, keys, roles)
    if not isinstance(value, dict) or "$sensitive" in value:
        return None
    found = (_text(value[key], keys, roles) for key in (*keys, *_WITHIN) if key in value)
    return next((text for text in found if text is not None), None)


def _text_of_list(value: list[Any], keys: tuple[str, ...], roles: frozenset[str]) -> str | None:
    messages = [each for each in value if isinstance(each, dict) and _role(each) is not None]
    if messages:
        said = (_text(each, keys, roles) for each in reversed(messages) if _role(each) in roles)
        return next((text for text in said if text is not None), None)
    parts = [text for each in value if (text := _text(each, keys, roles)) is not None]
    return "\n".join(parts) or None


_ROLES: Final = _ASKS | _SAYS | {"system", "developer", "tool", "function"}


def _role(message: Json) -> str | None:
    told = message.get("role") or message.get("type")
    return told if isinstance(told, str) and (told in _ROLES or "role" in message) else None


def searched(span: Json) -> str:
    """The text by which a span is found: its name, what went in and came out, and what failed."""
    payload = span["payload"]
    sides = (_inputs(span), _outputs(span))
    error = [payload.get("error"), error_of(span)]
    return " ".join([_name(span), *(_side(side) for side in sides), _side(error)])


def searched_at_end(span: Json) -> str:
    """The text by which a span is found besides, once it has ended."""
    return _side(span["result_payload"])


def _side(value: Any) -> str:
    text = " ".join(_texts(value))
    half = _SEARCHED // 2
    return text if len(text) <= _SEARCHED else f"{text[:half]} {text[-half:]}"


def _texts(value: Any, without: frozenset[str] = frozenset()) -> Iterator[str]:
    """Every text and number inside of a value that is everybody's to see, in its order, but for
    what stands under these names."""
    left = [value]
    while left:
        value = left.pop()
        if isinstance(value, str):
            if value.strip():
                yield value
        elif isinstance(value, dict):
            if "$sensitive" not in value:
                shown = [inner for name, inner in value.items() if name not in without]
                left.extend(reversed(shown))
        elif isinstance(value, list):
            left.extend(reversed(value))
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield str(value)
