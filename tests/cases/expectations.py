"""What small span files must become: how ``expected.json`` is read.

``{file: {"spans": {span id: {...}}, "env"?, "tokens_total"?, "absent"?}}``. What is not named is
free. ``type``, ``name``, ``status``, ``error_type``, ``error_message``, ``session_id``, ``user_id``
are exact; ``tokens`` are counts, of which null is not told, or null where nothing may count;
``inputs``, ``outputs``, ``metadata`` hold values by their dotted path; ``in``, ``out``, ``shown``
texts that must be somewhere in a part; ``name_lacks`` and ``metadata_lacks`` what may not be there;
``tool_calls`` exactly these, with the named keys.
"""

import json
from collections.abc import Iterator
from typing import Any, Final

Payload = dict[str, Any]
Wanted = dict[str, Any]

ABSENT: Final = object()
SHARES: Final = {
    "prompt_tokens": ("cached_tokens", "cache_write_tokens"),
    "completion_tokens": ("reasoning_tokens",),
}


def at(value: Any, path: str) -> Any:
    """What lies at a dotted path: keys (which may hold dots), indexes of lists (-1 is the last),
    ``#`` for their length."""
    steps = path.split(".") if path else []
    if not steps:
        return value
    if isinstance(value, dict):
        for taken in range(len(steps), 0, -1):
            key, rest = ".".join(steps[:taken]), ".".join(steps[taken:])
            if key in value and (found := at(value[key], rest)) is not ABSENT:
                return found
    elif isinstance(value, list) and steps == ["#"]:
        return len(value)
    elif isinstance(value, list) and steps[0].lstrip("-").isdigit():
        index = int(steps[0])
        is_there = -len(value) <= index < len(value)
        return at(value[index], ".".join(steps[1:])) if is_there else ABSENT
    return ABSENT


def unmet(wanted: Wanted, row: dict[str, Any]) -> Iterator[str]:
    """What is wrong with the row of a span."""
    payload: Payload = row["payload"]
    error = payload["error"] or {}
    metadata = payload["metadata"]
    told = {
        "type": row["schema_name"].split(":")[1],
        "error_type": error.get("error_type"),
        "error_message": error.get("message"),
        "session_id": metadata.get("session_id"),
        "user_id": metadata.get("user_id"),
        **{key: payload[key] for key in ("name", "status")},
    }
    for key in wanted.keys() & told.keys():
        yield from _unequal(key, told[key], wanted[key])
    yield from _missing_tokens(wanted, payload["token_usage"])
    for part in ("inputs", "outputs", "metadata"):
        for path, value in wanted.get(part, {}).items():
            yield from _unequal(f"{part}.{path}", at(payload[part], path), value)
    yield from _missing_texts(wanted, payload)
    if "tool_calls" in wanted:
        calls = payload["outputs"].get("tool_calls") or []
        picked = [
            {key: call.get(key) for key in want}
            for call, want in zip(calls, wanted["tool_calls"], strict=False)
        ]
        yield from _unequal("tool_calls", picked + calls[len(picked) :], wanted["tool_calls"])


def _missing_tokens(wanted: Wanted, usage: dict[str, int] | None) -> Iterator[str]:
    if "tokens" in wanted and wanted["tokens"] is None and usage is not None:
        yield f"token_usage is {usage}, but this span is not to count"
    for key, count in (wanted.get("tokens") or {}).items():
        yield from _unequal(f"token_usage.{key}", (usage or {}).get(key), count)


def _missing_texts(wanted: Wanted, payload: Payload) -> Iterator[str]:
    shown = [payload["name"], payload["inputs"], payload["outputs"]]
    places = {"in": payload["inputs"], "out": payload["outputs"], "shown": shown}
    for key, place in places.items():
        for text in wanted.get(key, []):
            if json.dumps(text)[1:-1] not in json.dumps(place):
                yield f"{text!r} is not in {place}"
    for text in wanted.get("name_lacks", []):
        if text in payload["name"]:
            yield f"the name {payload['name']!r} holds {text!r}"
    for key in wanted.get("metadata_lacks", []):
        if key in payload["metadata"]:
            yield f"metadata repeats {key}"


def wrong_counts(usage: dict[str, Any]) -> Iterator[str]:
    """What every usage obeys, named or not: no negative count, no part larger than its whole."""
    for key, count in usage.items():
        if isinstance(count, bool) or not isinstance(count, int) or count < 0:
            yield f"token_usage.{key} is {count!r}, which is no count"
    for whole, parts in SHARES.items():
        share = sum(usage.get(part, 0) for part in parts)
        if whole in usage and share > usage[whole]:
            yield f"{whole} {usage[whole]} is less than its parts, {share}"


def _unequal(what: str, got: Any, want: Any) -> Iterator[str]:
    is_same = got is not ABSENT and json.dumps(got, sort_keys=True) == json.dumps(
        want, sort_keys=True
    )
    if not is_same:
        yield f"{what} is {'absent' if got is ABSENT else repr(got)}, not {want!r}"
