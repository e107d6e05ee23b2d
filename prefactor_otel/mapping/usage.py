"""How many tokens a call took: keys of counts read by their words, and their arithmetic."""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from prefactor_otel.mapping.shapes.texts import parsed
from prefactor_otel.words import words_of

PROMPT, COMPLETION, TOTAL = "prompt_tokens", "completion_tokens", "total_tokens"
CACHED, WRITTEN, REASONING = "cached_tokens", "cache_write_tokens", "reasoning_tokens"

_SIDES: Final = {
    **dict.fromkeys(("input", "prompt"), "input"),
    **dict.fromkeys(("output", "completion", "candidate"), "output"),
}
_TELLS_NOTHING: Final = frozenset(
    ("token", "count", "detail", "number", "num", "usage", "metadata", "experimental", "raw")
)
_WRITES: Final = frozenset(("creation", "create", "created", "write", "written"))
_CACHES: Final = frozenset(("cache", "cached", "caching"))
_READS: Final = frozenset(("read", "hit", "content"))
_OF_CACHE: Final = _WRITES | _CACHES | _READS
_THINKS: Final = frozenset(("reasoning", "thought", "thinking"))
_PARTS: Final = re.compile(
    r"audio|image|video|text|document|accepted|rejected|prediction|ephemeral|\d+[smhd]"
)
"""Words of parts: by modality, by the lifetime of what is cached, of predicted outputs."""
_OF_PART: Final = {
    PROMPT: "input",
    COMPLETION: "output",
    TOTAL: "",
    CACHED: "cached",
    WRITTEN: "cache_write",
    REASONING: "reasoning",
    None: "",
}
_NEVER: Final = frozenset(
    (
        *("partial", "cost", "price", "limit", "max", "min", "second"),
        *("budget", "remaining", "context", "window", "estimate", "estimated", "rate"),
    )
)
_OF_COUNT: Final = frozenset(
    (*_SIDES, *_WRITES, *_CACHES, *_READS, *_THINKS, "token", "total", "count", "detail")
)


@lru_cache(maxsize=1024)
def count_in(words: tuple[str, ...]) -> str | None:
    """Which count a key of these words tells, ``input_audio`` and the like for a part of one; None
    if it tells none."""
    if not _NEVER.isdisjoint(words):
        return None
    told = [word for word in words if word not in _TELLS_NOTHING]
    side = next((_SIDES[word] for word in told if word in _SIDES), "")
    rest = [word for word in told if word not in _SIDES]
    whole = _whole(side, rest)
    if whole is not None:
        return whole
    parts = [word for word in rest if _PARTS.fullmatch(word)]
    others = _whole(side, [word for word in rest if word not in parts])
    if not parts or (others is None and len(parts) < len(rest)):
        return None
    return "_".join([_OF_PART[others], *parts]).lstrip("_")


def _whole(side: str, words: list[str]) -> str | None:
    """The count of a side that these words tell, where they tell of all of it."""
    if not _CACHES.isdisjoint(words):
        writes = not _WRITES.isdisjoint(words)
        return (WRITTEN if writes else CACHED) if _OF_CACHE.issuperset(words) else None
    if not words:
        return {"input": PROMPT, "output": COMPLETION, "": None}[side]
    if len(words) > 1 or (side and words == ["total"]):
        return None
    return REASONING if words[0] in _THINKS else TOTAL if words[0] == "total" else None


COUNTS: Final = (PROMPT, COMPLETION, TOTAL, CACHED, WRITTEN, REASONING)
Usage = dict[str, int]


class Keys(NamedTuple):
    """Where a span of a shape tells its counts."""

    plain: Sequence[tuple[str, str]]
    """Each count and the attribute that tells it, trusted most first."""
    objects: Sequence[str]
    """Attributes that hold objects of counts."""


_VOCABULARIES: Final = (("gen", "ai", "usage"), ("llm", "usage"), ("llm", "token", "count"))
"""Those trusted most, in this order."""


def keys_in(names: Sequence[str]) -> Keys:
    """Those among these names of attributes: a usage or a token count is in their words."""
    found: list[tuple[tuple[int, bool], str, str]] = []
    objects = []
    for name in names:
        words = words_of(name)
        told = _after_usage(words)
        if told is None:
            continue
        count = count_in(told)
        if count is not None and told[-1] == "detail":
            objects.append(name)  # the parts of one side
        elif count is not None:
            is_older = "prompt" in told or "completion" in told
            found.append(((_rank(words), is_older), count, name))
        elif all(word in _TELLS_NOTHING for word in told):
            # without a side or a word for a total: of what has only one side
            found.append(((_rank(words), True), PROMPT, name))
            objects.append(name)
    return Keys([(count, name) for _, count, name in sorted(found, key=lambda f: f[0])], objects)


def _rank(words: tuple[str, ...]) -> int:
    ranks = range(len(_VOCABULARIES))
    return next((n for n in ranks if words[: len(_VOCABULARIES[n])] == _VOCABULARIES[n]), 9)


def _after_usage(words: tuple[str, ...]) -> tuple[str, ...] | None:
    """The words after those that say that tokens are counted; None without any."""
    if "usage" in words:
        return words[words.index("usage") + 1 :]
    for place in range(len(words) - 1):
        if words[place : place + 2] == ("token", "count"):
            return words[place + 2 :]
    return _bare(words) if "token" in words and _NEVER.isdisjoint(words) else None


def _bare(words: tuple[str, ...]) -> tuple[str, ...] | None:
    """The words of a count that a vendor has under no word for usage: behind its own name there
    are a token and whose it is, and nothing else (``acme.input_tokens``)."""
    start = len(words)
    while start and words[start - 1] in _OF_COUNT:
        start -= 1
    told = words[start:]
    return told if "token" in told and count_in(told) is not None else None


def whole_number(value: object) -> int | None:
    """A count, be it written as a text or a float; None for anything else, and below 0."""
    if isinstance(value, str):
        try:
            value = float(value) if not value.isdecimal() else int(value)
        except ValueError:
            return None
    if isinstance(value, float):
        if not value.is_integer():
            return None
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def counts_in(value: object) -> Usage:
    """What an object of counts tells, with those in the objects inside of it."""
    found: Usage = {}
    for words, own, number in _leaves(value, ()):
        count = count_in(words) or count_in(own)
        tokens = whole_number(number)
        if count is not None and tokens is not None:
            found.setdefault(count, tokens)
    return found


def holds_only_counts(value: object) -> bool:
    """Whether that is all that an object holds."""
    return all(count_in(words) or count_in(own) for words, own, _ in _leaves(value, ()))


def _leaves(
    value: object, above: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], tuple[str, ...], object]]:
    """The values in an object, with the words of the way to each and those of its own name."""
    if not isinstance(value, dict):
        return
    for name, inner in value.items():
        own = words_of(str(name))
        if isinstance(inner, dict):
            yield from _leaves(inner, above + own)
        elif not isinstance(inner, (list, tuple)):
            yield above + own, own, inner


def usage_in(response: object) -> Usage | None:
    """What a whole response, or its JSON, tells of its usage."""
    found = _usage_object(parsed(response), 0)
    return counts_in(found) or None if found is not None else None


def _usage_object(value: object, depth: int) -> object:
    if isinstance(value, dict) and depth < _DEEP:
        for name, inner in value.items():
            if isinstance(name, str) and isinstance(inner, dict) and "usage" in words_of(name):
                return inner
        for inner in value.values():
            found = _usage_object(inner, depth + 1)
            if found is not None:
                return found
    elif isinstance(value, list) and value and depth < _DEEP:
        return _usage_object(value[0], depth + 1)
    return None


_DEEP: Final = 5


def settled(usage: Usage, *, beside: bool = False) -> Usage:
    """The counts as everybody should count: a prompt includes what was cached and written, an
    answer what was thought, and the total is both. Parts that lie ``beside`` their whole, that are
    larger, or that a reported total has in addition, are added in."""
    prompt, completion, total = usage.get(PROMPT), usage.get(COMPLETION), usage.get(TOTAL)
    has_parts = not _PARTS_OF_COUNTS.isdisjoint(usage)
    if has_parts:
        prompt, completion = _with_parts(usage, prompt, completion, beside)
    found: Usage = {}
    if prompt is not None:
        found[PROMPT] = prompt
    if completion is not None:
        found[COMPLETION] = completion
    if found or total is not None:
        both = (prompt or 0) + (completion or 0)
        found[TOTAL] = both if total is None or both > total else total
    if has_parts:
        found |= {name: usage[name] for name in (CACHED, WRITTEN, REASONING) if name in usage}
    return found


_PARTS_OF_COUNTS: Final = frozenset({CACHED, WRITTEN, REASONING})


def _with_parts(
    usage: Usage, prompt: int | None, completion: int | None, beside: bool
) -> tuple[int | None, int | None]:
    """The counts of the prompt and the answer, with those parts that they do not include."""
    cached = usage.get(CACHED, 0) + usage.get(WRITTEN, 0)
    thought = usage.get(REASONING, 0)
    total = usage.get(TOTAL)
    if cached and prompt is not None and (beside or cached > prompt):
        prompt += cached
        cached = 0
    if thought and completion is not None and (beside or thought > completion):
        completion += thought
        thought = 0
    if total is not None and prompt is not None and completion is not None:
        missing = total - prompt - completion
        if missing > 0 and missing in (cached, cached + thought):
            prompt += cached
        elif missing > 0 and cached and missing in (usage.get(CACHED), usage.get(WRITTEN)):
            prompt += missing
            thought = thought if thought != missing else 0
        if missing > 0 and missing in (thought, cached + thought):
            completion += thought
    return prompt, completion


def agreeing(told: Sequence[tuple[str, int]]) -> Usage:
    """Of counts by several vocabularies that disagree, those of which the sum is a total that was
    reported; without any, the first."""
    totals = {tokens for count, tokens in told if count == TOTAL}
    prompts = [tokens for count, tokens in told if count == PROMPT]
    completions = [tokens for count, tokens in told if count == COMPLETION]
    usage: Usage = {}
    for prompt in prompts:
        for completion in completions:
            if prompt + completion in totals and PROMPT not in usage:
                usage = {PROMPT: prompt, COMPLETION: completion, TOTAL: prompt + completion}
    for count, tokens in told:
        usage.setdefault(count, tokens)
    return usage


def details_of(usage: Usage) -> Usage:
    """The parts that are no totals: of a modality, of one lifetime of what is cached."""
    return {name: tokens for name, tokens in usage.items() if name not in _OWN}


_OWN: Final = frozenset(COUNTS)
