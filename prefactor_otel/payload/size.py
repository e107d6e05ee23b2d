"""Values and bodies within limits: the largest is cut first, and says how large it was."""

import re
from collections.abc import Callable, Iterable, Mapping
from itertools import accumulate, islice, takewhile
from typing import Final

import orjson

from prefactor_otel.payload.media import MARKER
from prefactor_otel.payload.plain import MAX_DEPTH

_CUT_TEXT: Final = re.compile(r"…\[cut: (\d+) characters\]\Z")
_CUT_ENTRIES: Final = re.compile(r"\[cut: (\d+) entries\]\Z")

_LEAST: Final = 64
"""Bytes below which nothing is cut: identifiers, names, models and statuses are shorter."""

_TELLING: Final = 256
"""Bytes that a member should have at least: a few that say something, rather than many stumps."""

_LONGEST_KEY: Final = 256
_MARKER_BYTES: Final = 48
_MORE: Final = "…"
"""The member of an object that says how many others were left out."""


def limited(content: object, length: int) -> object:
    """A copy whose texts hold at most ``length`` characters; what stands for a medium stays whole,
    and is the last of its text."""
    return _each_text(content, lambda text: cut(text, _beyond_marker(text, length)), 0)


def _beyond_marker(text: str, length: int) -> int:
    """Where to cut, so that no marker of a medium is cut itself."""
    if len(text) <= length:
        return length
    ends = (found.end() for found in MARKER.finditer(text) if found.start() < length)
    return max(length, *ends, 0)


def cut(text: str, length: int) -> str:
    """The text, or its first ``length`` characters and a marker with the original length."""
    if len(text) <= length:
        return text
    before = _CUT_TEXT.search(text)  # cut once already: the first length is the original one
    original = before[1] if before is not None else len(text)
    return f"{text[:length]}…[cut: {original} characters]"


def characters(value: object, depth: int = MAX_DEPTH) -> int:
    """Characters of all texts in a value, about: those of objects are looked for in what they hold,
    and nothing of theirs is called."""
    if isinstance(value, (str, bytes)):
        return len(value)
    if depth == 0:
        return 0
    held = value if isinstance(value, (Mapping, list, tuple)) else getattr(value, "__dict__", ())
    if isinstance(held, Mapping):
        return sum(map(len, held)) + characters(list(held.values()), depth - 1)
    return sum(characters(each, depth - 1) for each in held)


def fit(content: object, max_bytes: int) -> object:
    """JSON content whose largest fields are cut until it takes at most ``max_bytes`` as JSON.

    Of every object and list, each member may take an equal share of what there is; what a small
    one leaves goes to the larger. So identifiers, names, models and statuses survive whole.
    """
    if isinstance(content, str):
        return _fit_text(content, max_bytes)
    if isinstance(content, dict):
        return _fit_object(content, max_bytes)
    if isinstance(content, list):
        return _fit_list(content, max_bytes)
    return content


def _fit_text(text: str, max_bytes: int) -> str:
    room = max(0, max_bytes - _MARKER_BYTES)
    length = min(len(text), room)  # no character takes less than a byte
    while length and (size := _size(text[:length])) > room + 2:
        length = min(length - 1, length * room // size)
    return cut(text, length)


def _fit_object(content: dict[str, object], max_bytes: int) -> dict[str, object]:
    room = max_bytes - 2
    # A member takes five bytes or more: of very many, nobody needs to measure all.
    begin = max(0, len(content) - room // 5)
    named = {_short(key): value for key, value in islice(content.items(), begin, None)}
    own = {key: _size(key) + 2 for key in named}  # a colon and a comma
    sizes = {key: _size(value) for key, value in named.items()}
    all_own = sum(own.values())
    left_out = begin
    if begin or all_own + _least(sizes.values(), _LEAST) > room:
        costs = (own[key] + min(sizes[key], _TELLING) for key in reversed(named))
        kept = _kept(costs, room)
        left_out = len(content) - kept
        # Of metadata the last are ours; of the others, the SDK too gives up the oldest first.
        named = dict(islice(named.items(), len(named) - kept, None))
        room -= _MARKER_BYTES
    level = _level([sizes[key] for key in named], room - sum(own[key] for key in named))
    fitted = {
        key: fit(value, level) if sizes[key] > level else value for key, value in named.items()
    }
    if left_out:
        before = content.get(_MORE)
        fitted = {_MORE: _left_out(left_out, before if _MORE not in fitted else None)} | fitted
    return fitted


def _fit_list(content: list[object], max_bytes: int) -> list[object]:
    room = max_bytes - 2
    sizes: list[int] = []
    least = 0
    for value in content:  # of very many, only those are measured that may stay
        sizes.append(_size(value))
        least += 1 + min(sizes[-1], _TELLING)
        if least > room:
            break
    else:
        return _leveled(content, sizes, room - len(sizes))
    kept = _kept((1 + min(size, _TELLING) for size in sizes), room)
    fitted = _leveled(content[:kept], sizes[:kept], room - _MARKER_BYTES - kept)
    return [*fitted, _left_out(len(content) - kept, content[-1])]


def _leveled(content: list[object], sizes: list[int], room: int) -> list[object]:
    level = _level(sizes, room)
    return [
        fit(value, level) if size > level else value
        for value, size in zip(content, sizes, strict=True)
    ]


def _least(sizes: Iterable[int], most: int) -> int:
    return sum(min(size, most) for size in sizes)


def _kept(costs: Iterable[int], room: int) -> int:
    """How many of the first fit, with a marker."""
    within = takewhile(lambda taken: taken <= room - _MARKER_BYTES, accumulate(costs))
    return sum(1 for _ in within)


def _level(sizes: list[int], room: int) -> int:
    """The most that one may take, so that all together take ``room``; small ones take less."""
    left = len(sizes)
    for size in sorted(sizes):
        if size * left > room:
            return max(room // left, 0)
        room -= size
        left -= 1
    return max(sizes, default=0)


def _left_out(count: int, last: object) -> str:
    before = _CUT_ENTRIES.match(last) if isinstance(last, str) else None
    return f"[cut: {count + (int(before[1]) - 1 if before is not None else 0)} entries]"


def _short(key: str) -> str:
    return key if _size(key) <= _LONGEST_KEY else _fit_text(key, _LONGEST_KEY)


def _size(value: object) -> int:
    return len(orjson.dumps(value))


def _each_text(value: object, change: Callable[[str], str], depth: int) -> object:
    if isinstance(value, str):
        return change(value)
    if not isinstance(value, (Mapping, list, tuple)):
        return value
    if depth >= MAX_DEPTH:
        return "[cut: nested too deep]"
    if isinstance(value, Mapping):
        return {key: _each_text(inner, change, depth + 1) for key, inner in value.items()}
    return [_each_text(inner, change, depth + 1) for inner in value]
