"""What the commands write to: any terminal, pipe or file, whatever it can show."""

import os
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


@contextmanager
def usable_streams() -> Iterator[None]:
    """Inside of it the output streams write what they cannot encode in plainer signs, and at its
    end all is written. Ends the process, in one line or none, where nobody takes the output."""
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
            sys.exit(1 if isinstance(error, BrokenPipeError) else f"Cannot go on: {error}")


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
