"""What follows from words that come again and again (roles, the names in an object), worked out
once."""

from collections.abc import Callable
from typing import Final, Generic, TypeVar

Outline = tuple[object, ...]
"""The names in an object, behind a word of it that decides how it is read; or a word alone."""
Value = TypeVar("Value")

MOST_KEPT: Final = 1024
MOST_WORDS: Final = 32
LONGEST: Final = 1024
"""Characters that the words of an outline may have in all."""


class Kept(dict[Outline, Value], Generic[Value]):
    """What follows from outlines. It is as large as its bounds at most, whoever sends what: an
    outline with more or longer words, or with anything but words in it, is worked out each time,
    and when there are too many all are forgotten."""

    def __init__(self, make: Callable[[Outline], Value]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, outline: Outline) -> Value:
        value = self._make(outline)
        if _can_be_kept(outline):
            if len(self) >= MOST_KEPT:
                self.clear()
            self[outline] = value
        return value


def _can_be_kept(outline: Outline) -> bool:
    if len(outline) > MOST_WORDS:
        return False
    texts = [part for part in outline if part is not None]
    return all(type(text) is str for text in texts) and sum(map(len, texts)) <= LONGEST  # type: ignore[arg-type]
