"""The one place where values become JSON that the API accepts: repaired, limited, encoded."""

import base64
import re
from collections.abc import Callable, Mapping
from typing import Final

import orjson

_MARKER: Final = re.compile(r"…\[cut: (\d+) characters\]\Z")

MAX_DEPTH: Final = 64
"""Containers inside each other before the rest is cut; far above what any framework nests."""


def encode(value: object) -> bytes:
    """JSON of a value, UTF-8. What JSON cannot hold is repaired, never refused.

    NaN and infinities become null (orjson); lone surrogates U+FFFD; bytes base64 with a marker;
    integers beyond 64 bits text; sets lists; other objects the name of their type.
    """
    try:
        return orjson.dumps(value, default=_plain)
    except (TypeError, RecursionError):  # orjson.JSONEncodeError is a TypeError
        return orjson.dumps(repaired(value))


def repaired(value: object, depth: int = 0) -> object:
    """A copy that orjson encodes without complaint, whatever the value was."""
    if value is None or isinstance(value, (bool, float)):
        return value
    if isinstance(value, str):
        return str(value).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, int):
        return int(value) if -(2**63) <= value < 2**64 else str(int(value))
    if depth >= MAX_DEPTH:
        return "[cut: nested too deep]"
    if isinstance(value, Mapping):
        return {_key(key): repaired(inner, depth + 1) for key, inner in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [repaired(inner, depth + 1) for inner in value]
    return repaired(_plain(value), depth + 1)


def _key(key: object) -> str:
    return str(repaired(key if isinstance(key, (str, int, float, bool)) else type(key).__name__))


def _plain(value: object) -> object:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {"$bytes": base64.b64encode(bytes(value)).decode("ascii")}
    if isinstance(value, (set, frozenset, tuple)):
        return list(value)
    if isinstance(value, Mapping):
        return dict(value)
    # str() and repr() of a stranger may raise, block or leak: its type is all that is safe.
    return f"[{type(value).__name__}]"


def limited(values: dict[str, object], length: int) -> dict[str, object]:
    """A copy whose texts hold at most ``length`` characters; 0 means no limit."""
    if length == 0:
        return values
    return {key: _each_text(value, lambda text: cut(text, length)) for key, value in values.items()}


def cut(text: str, length: int) -> str:
    """The text, or its first ``length`` characters and a marker with the original length."""
    if len(text) <= length:
        return text
    before = _MARKER.search(text)  # cut once already: the first length is the original one
    original = before[1] if before is not None else len(text)
    return f"{text[:length]}…[cut: {original} characters]"


def fit(body: bytes, max_bytes: int) -> bytes:
    """JSON of an object with its longest texts cut until it takes at most ``max_bytes``.

    Identifiers, names, models and statuses are short, so they survive.
    """
    length = max_bytes
    while len(body) > max_bytes and length > 64:
        length //= 2
        body = orjson.dumps(limited(orjson.loads(body), length))
    return body


def _each_text(value: object, change: Callable[[str], str]) -> object:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {key: _each_text(inner, change) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_each_text(inner, change) for inner in value]
    return value
