"""The console script ``prefactor-otel``; one file a command, heavy imports inside it."""

import io
import sys


def main() -> None:
    """Run the command line; without its packages, one line that says how to get them."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # a terminal without lines and ticks shows "?"
        sys.stdout.reconfigure(errors="replace")
    try:
        from prefactor_otel.cli.commands import commands

        commands(prog_name="prefactor-otel")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("click", "rich"):
            raise
        sys.exit("The command line needs a few more packages: pip install 'prefactor-otel[local]'")
