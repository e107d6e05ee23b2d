"""Two runs side by side: which steps were added, are gone, or went otherwise."""

from collections import Counter
from collections.abc import Iterable, Iterator
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import Final, NamedTuple

from prefactor_otel.cli.tree import Row, error_of, grouped, name_of, seconds, usage_of

_SLOWER: Final = 1.5
_FELT: Final = 0.1
"""A duration is another when it is so many times as long, and at least so many seconds."""
_COUNTS: Final = ("prompt_tokens", "completion_tokens")


class Pair(NamedTuple):
    """A step of the run before and the one in its place after, or only one of the two."""

    before: Row | None
    after: Row | None
    depth: int

    @property
    def changes(self) -> list[str]:
        """In what the two differ, in words; nothing for a step that is in one run alone."""
        if self.before is None or self.after is None:
            return []
        return [*_changes(self.before, self.after)]


def paired(before: list[Row], after: list[Row]) -> Iterator[Pair]:
    """The steps of two runs, parents before children. Among those with the same parents, the n-th
    of a type and a name is the n-th there; what has no such counterpart is paired by its place."""
    below_before, below_after = grouped(before), grouped(after)

    def children(pair: Pair) -> Iterator[Pair]:
        olds = below_before(pair.before["id"]) if pair.before is not None else ()
        news = below_after(pair.after["id"]) if pair.after is not None else ()
        return _siblings([*olds], [*news], pair.depth + 1)

    levels = [_siblings([*below_before(None)], [*below_after(None)], 0)]
    while levels:
        pair = next(levels[-1], None)
        if pair is None:
            levels.pop()
            continue
        yield pair
        levels.append(children(pair))


def _siblings(olds: list[Row], news: list[Row], depth: int) -> Iterator[Pair]:
    matcher = SequenceMatcher(None, _keys(olds), _keys(news), autojunk=False)
    for _, begin, end, new_begin, new_end in matcher.get_opcodes():
        for old, new in zip_longest(olds[begin:end], news[new_begin:new_end]):
            yield Pair(old, new, depth)


def _keys(steps: Iterable[Row]) -> list[tuple[object, ...]]:
    """What tells each from its siblings: with its number among those alike, no two are equal."""
    seen = Counter[tuple[object, ...]]()
    keys: list[tuple[object, ...]] = []
    for step in steps:
        kind = (str(step.get("schema_name")), name_of(step))
        seen[kind] += 1
        keys.append((*kind, seen[kind]))
    return keys


def _changes(old: Row, new: Row) -> Iterator[str]:
    for word, ours, theirs in (
        ("type", old.get("schema_name"), new.get("schema_name")),
        ("name", name_of(old), name_of(new)),
        ("status", old.get("status"), new.get("status")),
        ("error", _error(old), _error(new)),
        ("tokens", _tokens(old), _tokens(new)),
    ):
        if ours != theirs:
            yield f"{word} {ours or 'none'} → {theirs or 'none'}"
    took, takes = seconds(old), seconds(new)
    if took is not None and takes is not None:
        short, long = sorted((took, takes))
        if long >= max(short * _SLOWER, short + _FELT):
            yield f"duration {took:.2f} s → {takes:.2f} s"


def _error(step: Row) -> object:
    error = error_of(step)
    return error and error.get("error_type")


def _tokens(step: Row) -> str:
    counts = [usage_of(step).get(name) for name in _COUNTS]
    return "" if counts == [None, None] else "+".join("?" if n is None else str(n) for n in counts)
