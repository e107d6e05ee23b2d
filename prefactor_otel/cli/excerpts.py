"""Parts of what is too long for one answer, and how the reader gets the next."""

from collections.abc import Iterable
from itertools import islice
from typing import Final

LONGEST: Final = 20_000
"""Characters of an answer."""
LONGEST_LINE: Final = 400
"""Characters of what one line shows."""


def cut(text: str, longest: int = LONGEST_LINE) -> str:
    """The beginning of a text."""
    return text if len(text) <= longest else f"{text[:longest]}…"


def lines_from(lines: Iterable[str], offset: int, most: int) -> str:
    """Lines from this one on (from 0), as many as are asked for and fit; and where to go on."""
    shown: list[str] = []
    size = 0
    rest = iter(lines)
    for line in islice(rest, offset, None):
        size += len(line) + 1
        if shown and (len(shown) == most or size > LONGEST):
            left = 1 + sum(1 for _ in rest)
            shown.append(f"({left} more lines: go on with offset={offset + len(shown)})")
            return "\n".join(shown)
        shown.append(cut(line, LONGEST))
    return "\n".join(shown) if shown else "(there are no more lines)"


def text_from(text: str, offset: int) -> str:
    """A text from this character on (from 0), as far as it fits; and where to go on."""
    part = text[offset : offset + LONGEST]
    end = offset + len(part)
    if end >= len(text):
        return part or f"(it has {len(text)} characters, and no more)"
    return f"{part}\n({len(text) - end} more characters: go on with offset={end})"
