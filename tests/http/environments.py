"""Virtual environments of their own, for the published packages."""

import os
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]


def make(folder: Path, *requirements: str, without: tuple[str, ...] = ()) -> Path:
    """The interpreter of a new environment with these packages; those in ``without`` are
    installed, but not what they require."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = folder / "bin" / "python"
    for packages in (requirements, ("--no-deps", *without) if without else ()):
        if packages:
            # Compiling all of what is imported in parts would be most of the work.
            run(python, "-m", "pip", "install", "--quiet", "--no-compile", *packages)
    return python


def build_wheel(folder: Path) -> Path:
    """This package, built from the checkout into the folder."""
    options = ("--quiet", "--no-deps", "--wheel-dir", str(folder))
    run(sys.executable, "-m", "pip", "wheel", *options, str(CHECKOUT))
    [wheel] = folder.glob("*.whl")
    return wheel


def run(python: Path | str, *arguments: str, **environment: str) -> str:
    """What a run prints; fails with everything that it said."""
    done = subprocess.run(
        [str(python), *arguments],
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        | environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
