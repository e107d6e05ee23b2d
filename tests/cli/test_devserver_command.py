"""The local API in the foreground of a shell."""

import json
import os
import re
import shlex
import signal
import socket
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from tests.cli.command import COMMAND, clean, run_command, run_in_terminal
from tests.patience import PATIENCE, plain_process


def test_it_says_how_to_use_it_and_stops_on_interrupt(tmp_path: Path) -> None:
    database = tmp_path / "data.db"
    words = ["devserver", "--port", "0", "--db", str(database), "--token", "mine"]
    with subprocess.Popen(
        [*COMMAND, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=clean()
    ) as process:
        assert process.stdout is not None
        url_line, token_line = process.stdout.read().splitlines()  # ends while the server goes on
        assert url_line.startswith("export PREFACTOR_API_URL=http://127.0.0.1:")
        assert token_line == "export PREFACTOR_API_TOKEN=mine"
        url = url_line.partition("=")[2]
        settings = {"PREFACTOR_API_URL": url, "PREFACTOR_API_TOKEN": "mine"}
        assert run_command("doctor", **settings, PREFACTOR_AGENT_NAME="support").returncode == 0
        with plain_process(5) as still_runs:
            process.send_signal(signal.SIGINT)
            _, told = process.communicate(timeout=PATIENCE)
            assert still_runs()
    assert process.returncode == 0
    [greeting, link, *runs] = told.splitlines()
    assert link.startswith(f"The page, for one browser: {url}/#secret=")
    assert greeting.startswith(f"Prefactor API on {url} (data: {database}).")
    [run] = runs
    assert re.fullmatch(r"Run [0-9a-z]{32} of '.+' \(smoke_test\)", run)
    assert database.exists()


def test_what_a_shell_has_evaluated_goes_on_working_over_a_restart(tmp_path: Path) -> None:
    words = ["devserver", "--port", "0", "--db", str(tmp_path / "data.db")]
    printed = []
    for _ in range(2):
        with subprocess.Popen(
            [*COMMAND, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=clean(),
        ) as process:
            assert process.stdout is not None
            printed.append(process.stdout.read().splitlines()[1])
            process.terminate()
    assert printed[0] == printed[1]


def test_the_first_link_is_opened_and_each_that_is_used_makes_another(tmp_path: Path) -> None:
    opened, browser = tmp_path / "opened", tmp_path / "browser"
    os.mkfifo(opened)
    browser.write_text(f'#!/bin/sh\nprintf %s "$1" > {opened}\nexec sleep 600\n')  # it stays open
    browser.chmod(0o700)
    with subprocess.Popen(
        [*COMMAND, "devserver", "--port", "0", "--open"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=clean() | {"BROWSER": str(browser)},
        start_new_session=True,
    ) as process:
        assert process.stderr is not None
        process.stderr.readline()
        link = opened.read_text()
        assert process.stderr.readline() == f"The page, for one browser: {link}\n"
        server, _, secret = link.partition("/#secret=")
        body = json.dumps({"secret": secret}).encode()
        with urlopen(Request(f"{server}/page/session", body), timeout=PATIENCE) as response:
            assert response.status == 204
        another = process.stderr.readline()
        assert another.startswith(f"For another browser: {server}/#secret=")
        assert secret not in another
        process.send_signal(signal.SIGINT)
        try:
            assert process.wait(PATIENCE) == 0  # whatever the browser does
        finally:
            os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--host", "0.0.0.0"], "token"),
        (["--db", "/nowhere/at/all.db"], "no folder /nowhere/at"),
        (["--db", "/"], "/: unable to open database file"),
        (["--host", "nowhere.invalid", "--token", "mine"], "nowhere.invalid cannot be resolved"),
        (["--host", "192.0.2.1", "--token", "mine"], "no address of this machine"),
        (["--host", "a..b", "--token", "mine"], "--host a..b"),
        (["--db", __file__], "not a database"),
        (["--port", "99999"], "--port"),
        (["--token", "two\nlines"], "--token"),
    ],
    ids=[
        "no token for others",
        "no such folder",
        "a folder",
        "no such host",
        "elsewhere",
        "no name",
        "no database",
        "no such port",
        "no such token",
    ],
)
def test_what_it_cannot_serve_it_refuses_in_one_line(words: list[str], said: str) -> None:
    done = run_command("devserver", "--port", "0", *words)
    assert done.returncode in (1, 2)
    assert done.stdout == "false\n"  # for a shell that evaluates it
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("Error: ")


def test_a_port_that_is_taken_is_said_with_the_way_out() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        port = other.getsockname()[1]
        done = run_command("devserver", "--port", str(port))
    assert (done.returncode, done.stdout) == (1, "false\n")
    assert done.stderr.splitlines() == [
        f"Error: port {port} of 127.0.0.1 is taken: stop what listens there, or let --port 0 "
        "find one"
    ]


@pytest.mark.parametrize("journal", ["delete", "wal"])
def test_a_database_of_another_program_is_refused_and_stays_as_it_is(
    tmp_path: Path, journal: str
) -> None:
    path = tmp_path / "notes.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute(f"PRAGMA journal_mode={journal}")
        database.execute("CREATE TABLE account (name TEXT)")
    before = path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_mode
    done = run_command("devserver", "--port", "0", "--db", str(path))
    assert (done.returncode, done.stdout) == (1, "false\n")
    assert done.stderr == f"Error: {path} is a database of another program, and stays as it is\n"
    assert (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_mode) == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_shell_evaluates_what_it_prints_while_it_goes_on_in_the_background() -> None:
    command = shlex.join([*COMMAND, "devserver", "--port", "0", "--token", "it's mine"])
    doctor = shlex.join([*COMMAND, "doctor"])
    script = f"""
eval "$({command} 2>"$LOG" & echo "SERVER=$!")"
{doctor}; code=$?
kill "$SERVER"
exit "$code"
"""
    done = subprocess.run(
        ["sh", "-c", script],
        env=clean(LOG=os.devnull),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done


@pytest.mark.parametrize("shell", ["sh", "bash"])
@pytest.mark.parametrize(
    "words", [["--port", "{taken}"], ["--port", "99999"], ["--db", "/nowhere/at/all.db"]], ids=str
)
def test_a_shell_that_evaluates_it_fails_where_it_does_not_serve(
    shell: str, words: list[str]
) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        taken = str(other.getsockname()[1])
        command = shlex.join([*COMMAND, "devserver", *(w.format(taken=taken) for w in words)])
        done = subprocess.run(
            [shell, "-c", f'set -e; eval "$({command} &)"; echo the agent runs'],
            env=clean(),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1].startswith("Error: ")


def test_somebody_who_reads_it_is_told_no_more_than_what_is_wrong() -> None:
    code, written = run_in_terminal("devserver", "--port", "99999", columns=200)
    assert code == 2
    assert written.splitlines()[-1].startswith("Error: ")


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
        url = process.stdout.readline().strip().partition("=")[2]
        done = run_command("doctor", "--probe", PREFACTOR_API_URL=url, PREFACTOR_API_TOKEN="mine")
        process.terminate()
    assert reading in done.stdout
