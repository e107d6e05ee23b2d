"""Runs small agents as processes of their own and reports how they ended."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, TypeVar

from prefactor_otel.devserver import DevServer
from tests.patience import PATIENCE

LAST_WORDS: Final = "import time; print(time.time(), flush=True)\n"
"""Tells when the script itself was through, so that what follows is the exit."""

_PLAIN: Final = """
import atexit, threading
import aiohttp, opentelemetry.sdk.trace.export  # as much to clear away
atexit.register(threading.Event().wait, {seconds})
"""
_ATTEMPTS: Final = 6
_MORE: Final = 0.5
"""Seconds that a promised duration may be exceeded by where nothing else is to be done."""

R = TypeVar("R")


@dataclass(frozen=True)
class Ended:
    """How a process ended, and when (seconds since the epoch)."""

    code: int
    stdout: str
    stderr: str
    at: float

    @property
    def exit_took(self) -> float:
        """Seconds from its last words to its end."""
        return self.at - float(self.stdout)


def localhost(api: DevServer) -> str:
    """The API's URL by name: an IP address would hide that names cannot be resolved the usual
    way at interpreter shutdown."""
    return api.url.replace("127.0.0.1", "localhost")


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port: int = unused.getsockname()[1]
    return port


def environment_of(url: str, token: str) -> dict[str, str]:
    """The machine's environment with the two variables that users set, all the time for what is to
    be sent at the end, and nothing else of ours."""
    kept = {n: v for n, v in os.environ.items() if not n.startswith(("PREFACTOR_", "OTEL_"))}
    patient = {"PREFACTOR_SHUTDOWN_TIMEOUT": str(PATIENCE)}
    return kept | patient | {"PREFACTOR_API_URL": url, "PREFACTOR_API_TOKEN": token}


def started_script(source: str, url: str, token: str) -> "subprocess.Popen[str]":
    """The same as ``run_script``, while it runs."""
    return subprocess.Popen(
        [sys.executable, "-X", "dev", "-c", source],
        env=environment_of(url, token),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run_script(source: str, url: str, token: str = "pf_some_token", **variables: str) -> Ended:
    """Run Python source with the two variables that users set, warnings shown as in ``-X dev``."""
    environment = environment_of(url, token) | variables
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-c", source],
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr, time.time())


def kept(promised: float, attempt: Callable[[], tuple[float, R]]) -> R:
    """What an attempt brings that took no longer than promised, or was late by as little as the
    exit of a plain process is that waits so long beside it; of several, for that varies."""
    plain = _PLAIN.format(seconds=promised) + LAST_WORDS
    for _ in range(_ATTEMPTS):
        with ThreadPoolExecutor(1) as pool:
            beside = pool.submit(run_script, plain, "")
            taken, found = attempt()
        late = beside.result().exit_took - promised
        if taken <= promised + _MORE + 2 * late:
            return found
    raise AssertionError(f"it took {taken:.2f} s; a plain process was late by {late:.2f} s")
