"""Runs small agents as processes of their own and reports how they ended."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass

from prefactor_otel.devserver import DevServer
from tests.patience import PATIENCE


@dataclass(frozen=True)
class Ended:
    """How a process ended, and when (seconds since the epoch)."""

    code: int
    stdout: str
    stderr: str
    at: float


def localhost(api: DevServer) -> str:
    """The API's URL by name: an IP address would hide that names cannot be resolved the usual
    way at interpreter shutdown."""
    return api.url.replace("127.0.0.1", "localhost")


def environment_of(url: str, token: str) -> dict[str, str]:
    """The machine's environment with the two variables that users set, and no other of ours."""
    kept = {n: v for n, v in os.environ.items() if not n.startswith(("PREFACTOR_", "OTEL_"))}
    return kept | {"PREFACTOR_API_URL": url, "PREFACTOR_API_TOKEN": token}


def started_script(source: str, url: str, token: str) -> "subprocess.Popen[str]":
    """The same as ``run_script``, while it runs."""
    return subprocess.Popen(
        [sys.executable, "-X", "dev", "-c", source],
        env=environment_of(url, token),
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
