"""Senders in JavaScript, with the packages that they need from npm."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.patience import PATIENCE


def installed(folder: Path, script: Path, packages: Sequence[str]) -> Path:
    """The script in this folder, with its packages beside it; without npm, or where that finds
    none, the test is skipped."""
    install = ("npm", "install", "--no-audit", "--no-fund", "--no-package-lock", *packages)
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed here")
    done = subprocess.run(install, cwd=folder, check=False, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"npm has no packages here: {done.stderr.strip().splitlines()[-1:]}")
    return Path(shutil.copy(script, folder))


def run(script: Path, *words: str, **variables: str) -> str:
    """What it writes, once it is done."""
    own = {"PATH": os.environ["PATH"], "HOME": str(script.parent)}
    done = subprocess.run(
        ["node", script.name, *words],
        cwd=script.parent,
        env=own | variables,
        timeout=PATIENCE,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
