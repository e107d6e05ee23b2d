"""The suite passes as a job that a shell has put into the background."""

import subprocess
import sys

from tests.patience import PATIENCE

BACKGROUND = ("sh", "-c", 'trap "" INT TERM HUP; exec "$@"', "sh")
"""Begins a command as a shell begins one that it does not wait for."""
INTERRUPTED = "tests/cli/test_demo.py::test_an_interrupted_demo_closes_its_run_and_ends_soon"


def test_where_interrupts_are_ignored_the_children_of_tests_still_hear_them() -> None:
    done = subprocess.run(
        [*BACKGROUND, sys.executable, "-m", "pytest", "-p", "no:cacheprovider", INTERRUPTED],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stdout
