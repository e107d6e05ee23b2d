"""What the commands write to: any terminal, pipe or file, whatever it can show."""

import json
import os
import re
import sys
from codecs import register_error
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import Final

from rich.console import Console

_ENDLESS: Final = 1_000_000
"""Columns where nothing has an edge."""
_SIGNS: Final = "✓✗→←…·├└│─"
_PLAIN: Final = dict(zip(_SIGNS, ("ok", "x", "->", "<-", "...", "-", *"|`|-"), strict=True))
"""What stands for a sign where it cannot be encoded; for all others a question mark does."""
_DRIVING: Final = (
    {*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029} - {ord("\n")},  # controls
    {0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)},  # its direction
    {*range(0xE0000, 0xE0080)},  # tags: nobody sees them, and a model reads them
)
_HARMLESS: Final = dict.fromkeys(set().union(*_DRIVING), "\ufffd")
_TO_ESCAPE: Final = re.compile(f"[{''.join(map(chr, sorted(_HARMLESS)))}\ud800-\udfff]")


@contextmanager
def usable_streams() -> Iterator[None]:
    """Inside of it the output streams write what they cannot encode in plainer signs, and at its
    end all is written. Ends the process where nobody takes the output: well and in silence where
    the reader of a pipe has gone, unless it was to end otherwise; else in one line."""
    register_error("plainer", _plainer)
    with Path(os.devnull).open("w") as nowhere:
        sys.stdout = sys.stdout or nowhere  # a shell may have closed it: >&-
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, TextIOWrapper):
                stream.reconfigure(errors="plainer")
        try:
            try:
                yield
            finally:
                sys.stdout.flush()
        except OSError as error:
            os.dup2(nowhere.fileno(), 1)  # else Python tries again when it ends
            if not isinstance(error, BrokenPipeError):
                sys.exit(f"Cannot go on: {error}")
            ended = error.__context__
            sys.exit(ended.code if isinstance(ended, SystemExit) else 0)


@contextmanager
def ending_with_its_reader() -> Iterator[None]:
    """Where nobody reads the output any more there is nothing left to do: the process ends well."""
    try:
        yield
    except BrokenPipeError:
        sys.exit(0)


def _plainer(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(_PLAIN.get(sign, "?") for sign in text), error.end


def harmless(text: str) -> str:
    """The text without what would move a terminal's cursor, write elsewhere on it, or show the
    words in another order than they have: texts of spans come from anywhere. Keeps line breaks."""
    return text.translate(_HARMLESS)


def on_one_line(text: object) -> str:
    """The same without line breaks."""
    return harmless(str(text)).replace("\n", " ")


def json_of(value: object, *, indent: int | None = None) -> str:
    """The value as JSON that drives no terminal: what would, and half a
    character, is escaped, so it is the same value."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    return _TO_ESCAPE.sub(lambda found: json.dumps(found[0])[1:-1], text)


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Called amid the error, which goes on: rich would end the process by itself."""
        raise


def new_console(*, stderr: bool = False, quiet: bool = False) -> Console:
    """A console as wide as the terminal; what goes into a pipe or a file is never folded, unless
    ``COLUMNS`` says how wide."""
    console = _Console(stderr=stderr, quiet=quiet, highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _ENDLESS
    return console


def endless_console() -> Console:
    """A console that nobody sees, whose lines are never folded."""
    return Console(quiet=True, width=_ENDLESS, color_system=None)
