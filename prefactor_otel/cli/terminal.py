"""What the commands write to: any terminal, pipe or file, whatever it can show."""

import codecs
import os
import sys
from io import TextIOWrapper
from typing import Final

from rich.console import Console

_ENDLESS: Final = 1_000_000
"""Columns where nothing has an edge."""
_SIGNS: Final = "✓✗→←…·├└│─"
_PLAIN: Final = dict(zip(_SIGNS, ("ok", "x", "->", "<-", "...", "-", *"|`|-"), strict=True))
"""What stands for a sign where it cannot be encoded; for all others a question mark does."""


def make_usable() -> None:
    """Let the output streams write what they cannot encode in plainer signs."""
    codecs.register_error("plainer", _plainer)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="plainer")


def _plainer(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(_PLAIN.get(sign, "?") for sign in text), error.end


def new_console(*, stderr: bool = False, quiet: bool = False) -> Console:
    """A console as wide as the terminal; what goes into a pipe or a file is never folded, unless
    ``COLUMNS`` says how wide."""
    console = Console(stderr=stderr, quiet=quiet, highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _ENDLESS
    return console
