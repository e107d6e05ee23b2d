"""Words by which runs are found, with the full text search of SQLite. What a person types is words
and never a query language."""

import re
from typing import Final

_ALONE: Final = re.compile(
    r"[\u2e80-\u30ff\u3130-\u318f\u31f0-\u9fff\ua000-\ua48f\uf900-\ufaff\U00020000-\U0003fffd]"
)
"""Characters of scripts without spaces: each is a word, and several are a phrase."""
_MOST_WORDS: Final = 12


def indexed(text: str) -> str:
    """The text as it is taken apart into words."""
    return text if text.isascii() else _ALONE.sub(r" \g<0> ", text)


def queries(typed: str) -> list[str]:
    """One query of FTS5 a word; all must be found. The last word may go on. What has no letter
    and no digit is no word."""
    words = [word for word in indexed_words(typed) if any(map(str.isalnum, word))][:_MOST_WORDS]
    quoted = ['"' + word.replace('"', '""') + '"' for word in words]
    return [*quoted[:-1], f"{quoted[-1]} *"] if quoted else []


def indexed_words(typed: str) -> list[str]:
    return [indexed(word) for word in typed.replace("\0", " ").split()]
