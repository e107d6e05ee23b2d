"""The command line as a process of its own, without the settings of this machine."""

import os
import subprocess
import sys
from typing import Final

COMMAND: Final = [sys.executable, "-c", "from prefactor_otel.cli import main; main()"]


def clean(**variables: str) -> dict[str, str]:
    """The environment of a shell in which nobody has set anything of ours, and these variables."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PREFACTOR_", "OTEL_")) and not name.lower().endswith("_proxy")
    }
    return kept | {"PYTHONUNBUFFERED": "1"} | variables


def run_command(
    *words: str, text: str | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run it to its end, with this text on its standard input; a lone surrogate there is the byte
    that is no UTF-8."""
    return subprocess.run(
        [*COMMAND, *words],
        input=text if text is not None else "",
        env=clean(**variables),
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
        timeout=40,
        check=False,
    )
