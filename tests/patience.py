"""How long a test waits for what must come, and what duration means on a busy machine."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

PATIENCE: Final = 120.0
"""Seconds until a wait counts as hanging. No promise: only a failing test takes so long."""

_PLAIN: Final = "import aiohttp, sys, threading; threading.Event().wait(float(sys.argv[1]))"


def comes_true(condition: Callable[[], object]) -> bool:
    """Whether it does, looked at again and again. Where an event tells of it, wait for that."""
    pause = threading.Event()
    for _ in range(int(PATIENCE / 0.01)):
        if condition():
            return True
        pause.wait(0.01)
    return False


@contextmanager
def plain_process(seconds: float) -> Iterator[Callable[[], bool]]:
    """Something else that begins now, waits so long and ends; yields whether it still runs.

    What should take no longer is over before it: on a machine with other work, both are late. Its
    imports give it some tenths of a second more, or as many times that as the machine is busy."""
    with subprocess.Popen([sys.executable, "-c", _PLAIN, str(seconds)]) as process:
        try:
            yield lambda: process.poll() is None
        finally:
            process.kill()
