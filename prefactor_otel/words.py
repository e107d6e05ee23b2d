"""Words: those of a name, however it is written (dotted, dashed, underscored or camel-cased), and
a noun behind a number."""

import re
from functools import lru_cache
from typing import Final

_WORD: Final = re.compile(r"\d+[a-z]+|[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


@lru_cache(maxsize=4096)
def words_of(name: str) -> tuple[str, ...]:
    """In lower case and the singular, without numbers: ``gen_ai.input.messages.0`` has ``gen``,
    ``ai``, ``input`` and ``message``; a lifetime such as ``5m`` is a word."""
    return tuple(_singular(word.lower()) for word in _WORD.findall(name))


def _singular(word: str) -> str:
    if word.endswith("ies"):
        return f"{word[:-3]}y"
    return word[:-1] if len(word) > 2 and word[-1] == "s" and word[-2] not in "su" else word


def counted(count: int, noun: str) -> str:
    """``1 span``, ``2 spans``."""
    return f"{count} {noun}{'' if count == 1 else 's'}"
