"""The command line as a process of its own, without the settings of this machine."""

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from tests.patience import PATIENCE

COMMAND: Final = [sys.executable, "-m", "prefactor_otel"]


def clean(**variables: str) -> dict[str, str]:
    """The environment of a shell in which nobody has set anything of ours, and these variables."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PREFACTOR_", "OTEL_"))
        and not name.lower().endswith("_proxy")
        and name != "COLUMNS"  # of whoever runs the tests
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
        timeout=PATIENCE,
        check=False,
    )


def run_in_terminal(*words: str, columns: int, **variables: str) -> tuple[int, str]:
    """Run it in a terminal of this width. Returns the exit code, and all that it has written there,
    colours and movements included."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with subprocess.Popen(
        [*COMMAND, *words],
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
        env=clean(TERM="xterm", **variables),
    ) as process:
        os.close(theirs)
        written = b"".join(_read(ours))
    os.close(ours)
    return process.returncode, written.decode()


def _read(terminal: int) -> Iterator[bytes]:
    with suppress(OSError):  # EIO: the last who could write to it is gone
        while piece := os.read(terminal, 65_536):
            yield piece
