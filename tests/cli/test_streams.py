"""A command's output goes where a shell sends it, or the command ends without a word too many."""

import subprocess
from pathlib import Path

import pytest

from prefactor_otel.devserver import DevServer
from prefactor_otel.spool import folder
from tests.cli.between import of
from tests.cli.command import COMMAND, clean
from tests.devserver.calls import Caller
from tests.patience import PATIENCE
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

BUFFERED = pytest.mark.parametrize("buffered", ["", "1"], ids=["buffered", "unbuffered"])


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    """A folder in which a process has had its spool, of which nothing is left."""
    tmp_path.chmod(0o700)
    folder.create(tmp_path).close(delete=True)
    return tmp_path


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


def run_without_a_reader(words: list[str], folder: Path, **variables: str) -> tuple[int, bytes]:
    """Run it with a pipe as its output, of which nobody reads any more."""
    with subprocess.Popen(
        [*COMMAND, *words],
        cwd=folder,
        env=clean(**variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        _, errors = process.communicate(timeout=PATIENCE)
    return process.returncode, errors


@WORDS
@BUFFERED
def test_a_reader_that_has_gone_ends_it_in_silence_and_well(
    words: list[str], buffered: str, spool: Path
) -> None:
    ended = run_without_a_reader(words, spool, PYTHONUNBUFFERED=buffered)
    # What the doctor has found is in its exit code, too: here that there is no token.
    assert ended == (1 if words[0] == "doctor" else 0, b"")


@BUFFERED
@pytest.mark.parametrize(
    "words",
    [
        ["runs"],
        ["runs", "--json"],
        ["runs", "--follow"],
        ["show", "last"],
        ["show", "last", "--json"],
    ],
    ids=" ".join,
)
def test_so_it_does_where_the_output_comes_from_an_api(
    words: list[str], buffered: str, tmp_path: Path, api: DevServer
) -> None:
    Caller(api).active()
    ended = run_without_a_reader(words, tmp_path, PYTHONUNBUFFERED=buffered, **of(api))
    assert ended == (0, b"")


def test_what_could_not_be_done_is_no_success_because_nobody_reads_of_it(
    tmp_path: Path, api: DevServer
) -> None:
    code, said = run_without_a_reader(["show", "0" * 32], tmp_path, **of(api))
    assert (code, said.count(b"\n")) == (1, 1)


@WORDS
def test_a_full_disk_is_one_line(words: list[str], spool: Path) -> None:
    code, said = run_into(">/dev/full", words, spool)
    assert (code, said.count("\n")) == (1, 1)
    assert "No space left on device" in said


@WORDS
def test_a_closed_output_is_nobody_s_trouble(words: list[str], spool: Path) -> None:
    code, said = run_into(">&-", words, spool)
    assert (code, said) == (1 if words[0] == "doctor" else 0, "")
