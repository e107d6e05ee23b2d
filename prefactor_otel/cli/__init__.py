"""The console script ``prefactor-otel``; one file a command, heavy imports inside it."""

import sys
from typing import Final

_EXTRA: Final = ("click", "rich", "liquid")
"""What comes with the extra ``local``; others may have brought some of it."""


def main() -> None:
    """Run the command line; without its packages, one line that says how to get them."""
    try:
        from prefactor_otel.cli.commands import commands
        from prefactor_otel.cli.terminal import usable_streams

        with usable_streams():
            commands(prog_name="prefactor-otel")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _EXTRA:
            raise
        sys.exit("The command line needs a few more packages: pip install 'prefactor-otel[local]'")
