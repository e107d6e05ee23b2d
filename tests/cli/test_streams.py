"""A command's output goes where a shell sends it, or the command ends without a word too many."""

import subprocess
from pathlib import Path

import pytest

from tests.cli.command import COMMAND, clean
from tests.recorded import FOLDER

RECORDED = str(FOLDER / "pydantic_ai__native_default__tool_ok.json")
WORDS = pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["doctor"],
        ["doctor", "--json"],
        ["inspect", RECORDED],
        ["inspect", "--json", RECORDED],
        ["spool", "list", "."],
        ["spool", "list", "--json", "."],
        ["spool", "show", "."],
    ],
    ids=" ".join,
)


def run_into(redirection: str, words: list[str], folder: Path, **variables: str) -> tuple[int, str]:
    """Run it with its output redirected by a shell: the exit code, and what it says of it."""
    done = subprocess.run(
        ["sh", "-c", f'"$@" {redirection}', "sh", *COMMAND, *words],
        cwd=folder,
        env=clean(**variables),
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr


@WORDS
@pytest.mark.parametrize("buffered", ["", "1"], ids=["buffered", "unbuffered"])
def test_a_reader_that_has_gone_ends_it_in_silence(
    words: list[str], buffered: str, tmp_path: Path
) -> None:
    with subprocess.Popen(
        [*COMMAND, *words],
        cwd=tmp_path,
        env=clean(PYTHONUNBUFFERED=buffered),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        _, errors = process.communicate()
    assert (process.returncode, errors) == (1, b"")


@WORDS
def test_a_full_disk_is_one_line(words: list[str], tmp_path: Path) -> None:
    code, said = run_into(">/dev/full", words, tmp_path)
    assert (code, said.count("\n")) == (1, 1)
    assert "No space left on device" in said


@WORDS
def test_a_closed_output_is_nobody_s_trouble(words: list[str], tmp_path: Path) -> None:
    code, said = run_into(">&-", words, tmp_path)
    assert (code, said) == (1 if words[0] == "doctor" else 0, "")
