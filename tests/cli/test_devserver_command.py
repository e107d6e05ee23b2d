"""The local API in the foreground of a shell."""

import signal
import subprocess
from pathlib import Path

import pytest

from tests.cli.command import COMMAND, clean, run_command
from tests.patience import PATIENCE, plain_process


def test_it_says_how_to_use_it_and_stops_on_interrupt(tmp_path: Path) -> None:
    database = tmp_path / "data.db"
    words = ["devserver", "--port", "0", "--db", str(database), "--token", "mine"]
    with subprocess.Popen(
        [*COMMAND, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=clean()
    ) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(3)]
        assert lines[1].startswith("export PREFACTOR_API_URL=http://127.0.0.1:")
        assert lines[2] == "export PREFACTOR_API_TOKEN=mine\n"
        url = lines[1].strip().partition("=")[2]
        healthy = run_command("doctor", PREFACTOR_API_URL=url, PREFACTOR_API_TOKEN="mine")
        assert healthy.returncode == 0
        with plain_process(5) as still_runs:
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=PATIENCE)
            assert still_runs()
    assert (process.returncode, errors) == (0, "")
    assert database.exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--host", "0.0.0.0"], "token"),
        (["--db", "/nowhere/at/all.db"], "/nowhere/at/all.db"),
        (["--db", __file__], "not a database"),
        (["--port", "99999"], "--port"),
        (["--token", "two\nlines"], "--token"),
    ],
    ids=["no token for others", "no such folder", "no database", "no such port", "no such token"],
)
def test_what_it_cannot_serve_it_refuses_in_one_line(words: list[str], said: str) -> None:
    done = run_command("devserver", "--port", "0", *words)
    assert done.returncode in (1, 2)
    assert done.stdout == ""
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("Error: ")


@pytest.mark.parametrize(
    ("words", "reading"),
    [([], "only what never began may be cancelled"), (["--lenient-cancel"], "what has begun may")],
)
def test_it_cancels_what_has_begun_only_if_it_is_told_to(words: list[str], reading: str) -> None:
    words = ["devserver", "--port", "0", "--token", "mine", *words]
    with subprocess.Popen(
        [*COMMAND, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=clean(),
    ) as process:
        assert process.stdout is not None
        [line] = [line for line in (process.stdout.readline() for _ in range(3)) if "_URL=" in line]
        url = line.strip().partition("=")[2]
        done = run_command("doctor", "--probe", PREFACTOR_API_URL=url, PREFACTOR_API_TOKEN="mine")
        process.terminate()
    assert reading in done.stdout
