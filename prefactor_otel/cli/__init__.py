"""The console script ``prefactor-otel``; one file a command, heavy imports inside it."""

import os
import sys
from contextlib import suppress
from typing import Final

_EXTRAS: Final = {
    **dict.fromkeys(("click", "rich", "liquid"), "local"),
    **dict.fromkeys(("google", "opentelemetry.proto"), "gateway"),
    "mcp": "mcp",
}
"""What comes with which extra; others may have brought some of it."""

_EVALUATED: Final = "devserver"
"""The command whose output is for ``eval``."""


def main() -> None:
    """Run the command line; without its packages, one line that says how to get them."""
    try:
        _run()
    except SystemExit as ended:
        if ended.code and sys.argv[1:2] == [_EVALUATED]:
            _fail_in_shell()
        raise


def _run() -> None:
    try:
        from prefactor_otel.cli.commands import commands
        from prefactor_otel.cli.terminal import usable_streams

        with usable_streams():
            commands(prog_name="prefactor-otel")
    except ModuleNotFoundError as error:
        missing = f"{error.name}."
        extra = next((_EXTRAS[each] for each in _EXTRAS if missing.startswith(f"{each}.")), None)
        if extra is None:
            raise
        sys.exit(f"This needs a few more packages. In a checkout: pip install -e '.[{extra}]'")


def _fail_in_shell() -> None:
    """Have a shell that evaluates the output fail as well: of nothing it makes a success."""
    if sys.__stdout__ is not None and not os.isatty(1):
        with suppress(OSError):
            os.write(1, b"false\n")
