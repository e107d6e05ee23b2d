"""JSON documents that follow each other in a text of any length, a value at a time.

What is asked for as a whole is read by the standard library; what is opened, an array or an object,
is never in memory as a whole. No library does that for us: those that stream know neither NaN nor
lone surrogates, which the SDK's exporter writes, nor on which line they stopped.
"""

import json
import re
from collections.abc import Callable, Iterator
from itertools import count
from typing import Final

from prefactor_otel.errors import PrefactorError

Read = Callable[[int], str]
"""Reads on, about so many characters; an empty text at the end."""

CHUNK: Final = 256 * 1024
_SPACE: Final = re.compile(r"\s*")
_GOES_ON: Final = re.compile(r"|\.|[eE][+-]?")
"""What may follow a number whose end is not in the text."""
_BEGUN: Final = re.compile(
    r"|u[0-9a-fA-F]{0,4}|\.|[eE][+-]?|-|-?I(n(f(i(n(it?)?)?)?)?)?|Na?|tr?u?|fa?l?s?|nu?l?"
)
"""The same where a value, or a sign between values, was expected."""


_NEXT: Final = re.compile(r"\n\{")
"""Where another document begins, for sure if what is before it cannot be read."""
_LOOK_BACK: Final = 4 * 2**20
"""Characters of a document within which a line that was read as a part of it is found again."""
_BYTES: Final = range(0xDC80, 0xDD00)
"""What stands for a byte that is no text."""


class JsonError(PrefactorError, ValueError):
    """The text is no JSON, from this line on. Quotes nothing."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(why)
        self.line = line


class CutError(JsonError):
    """The text ends inside of a value, in this line."""

    def __init__(self, line: int) -> None:
        super().__init__(line, f"it ends in the middle of line {line}")


class Documents:
    """Reads values, or opens them. Everything raises ``JsonError`` where the text is no JSON, and
    ``CutError`` where it ends too early. Bytes that are no text come as lone surrogates."""

    def __init__(self, read: Read, chunk: int = CHUNK) -> None:
        self._read = read
        self._chunk = chunk
        self._decoder = json.JSONDecoder()
        self._text = ""
        self._at = 0
        self._line = 1  # in which the text that is kept begins
        self._begun = 0  # where the document does, or what is still kept of it
        self.line = 1
        """In which the document begins."""

    def peek(self) -> str:
        """The character that comes next; empty at the end."""
        while True:
            space = _SPACE.match(self._text, self._at)
            assert space is not None
            self._at = space.end()
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def begin(self) -> None:
        """A document comes next."""
        self.peek()
        self._begun = self._at
        self.line = self._line_at(self._at)

    def resume(self) -> int | None:
        """Go from a document that cannot be read to the next line that begins one: that line."""
        while (found := _NEXT.search(self._text, self._begun)) is None:
            self._begun = self._at = max(self._begun, len(self._text) - 1)
            if not self._more():
                self._at = len(self._text)
                return None
        self._at = found.end() - 1
        return self._line_at(self._at)

    def skip(self, sign: str) -> bool:
        """Go behind a sign, if that comes next; whether it did."""
        comes = self.peek() == sign
        self._at += comes
        return comes

    def value(self) -> object:
        """The value that comes next, as a whole."""
        self.peek()
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
            except RecursionError:
                raise self._wrong("nested too deep", self._at) from None
            except json.JSONDecodeError as error:
                if not self._goes_on(error):
                    raise self._wrong(error.msg, error.pos) from None
                if not self._more():
                    raise self._cut() from None
            else:
                rest = self._text[end : end + 3]
                if _GOES_ON.fullmatch(rest) is None or not (rest or self._more()):
                    self._at = end
                    return value
                if rest and not self._more():
                    raise self._cut()

    def elements(self) -> Iterator[int]:
        """Open the array that comes next: the number of each element, which is to be read before
        the next one is asked for."""
        self._expect("[")
        if self.skip("]"):
            return
        for number in count():
            yield number
            if self._expect(",]") == "]":
                return

    def members(self) -> Iterator[str]:
        """The same for an object: the name of each member."""
        self._expect("{")
        if self.skip("}"):
            return
        while True:
            if self.peek() not in ('"', ""):
                raise self._wrong("Expecting property name enclosed in double quotes", self._at)
            name = str(self.value())
            self._expect(":")
            yield name
            if self._expect(",}") == "}":
                return

    def _expect(self, signs: str) -> str:
        sign = self.peek()
        if not sign:
            raise self._cut()
        if sign not in signs:
            raise self._wrong(f"Expecting {signs[0]!r} delimiter", self._at)
        self._at += 1
        return sign

    def _more(self) -> bool:
        """Read on, and forget what has been used: as much again as is kept, so that a long value
        is not tried too often. False at the end."""
        if self._at - self._begun > _LOOK_BACK:
            self._begun = self._at - 1
        kept = self._text[self._begun :]
        read = self._read(max(self._chunk, len(kept)))
        if not read:
            return False
        self._line += self._text.count("\n", 0, self._begun)
        self._text, self._at, self._begun = kept + read, self._at - self._begun, 0
        return True

    @staticmethod
    def _goes_on(error: json.JSONDecodeError) -> bool:
        rest = error.doc[error.pos :].lstrip()
        return error.msg.startswith("Unterminated string") or _BEGUN.fullmatch(rest) is not None

    def _wrong(self, why: str, at: int) -> JsonError:
        where = f"at line {self._line_at(at)}"
        is_text = at == len(self._text) or ord(self._text[at]) not in _BYTES
        told = f"not JSON {where}: {why}" if is_text else f"not text in UTF-8 {where}"
        return JsonError(
            self._line_at(at + 1), told
        )  # the next one, where a text goes over its end

    def _cut(self) -> CutError:
        return CutError(self._line_at(len(self._text.rstrip())))

    def _line_at(self, at: int) -> int:
        return self._line + self._text.count("\n", 0, at)
