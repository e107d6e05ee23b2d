"""Every command of docs/deployment.md, stopped by SIGTERM, beside the same server without us."""

import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from prefactor_otel.devserver import DevServer
from tests.http import environments
from tests.patience import PATIENCE, comes_true
from tests.process.scripts import environment_of, free_port, localhost

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("servers")]

PAGE = (environments.CHECKOUT / "docs" / "deployment.md").read_text()
FILES = dict(re.findall(r"```python\n# (\S+)\n(.*?)```", PAGE, re.DOTALL))
COMMANDS = [
    line
    for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    for line in block.splitlines()
    if not line.startswith("export ")
]
READY = {
    "UvicornWorker": "Application startup complete",
    "uvicorn": "Application startup complete",
    "gunicorn": "Booting worker with pid",
    "hypercorn": "Running on",
    "granian": "Started worker-",
    "celery": " succeeded in ",
    "pool.py": "answered",
}
"""What a worker of a server says when it has begun, or done something."""


@dataclass(frozen=True)
class Server:
    """A server that runs in a folder of its own."""

    process: "subprocess.Popen[bytes]"
    folder: Path
    port: int

    @property
    def log(self) -> str:
        """What it has said so far."""
        return (self.folder / "log").read_text()

    def lines(self) -> list[str]:
        """The same without what differs from run to run: order, times, numbers, paths."""
        text = self.log.replace(str(self.folder), "FOLDER")
        text = re.sub(r"\x1b\[[0-9;]*m", "", text)
        text = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "UUID", text)
        return sorted(re.sub(r"0x[0-9a-f]+|[0-9][0-9.]*", "N", text).splitlines())

    def stopped(self) -> int:
        """Its exit code as a shell shows it, after SIGTERM."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(PATIENCE)
        return 128 - code if code < 0 else code


@contextmanager
def started(command: str, folder: Path, python: Path, **ours: str) -> Iterator[Server]:
    """A command of the page in a folder with the page's files; with no variables of ours, without
    the lines that name us."""
    (folder / "queue").mkdir(parents=True)
    for name, source in FILES.items():
        kept = [line for line in source.splitlines() if ours or "prefactor_otel" not in line]
        (folder / name).write_text("\n".join(kept))
    environment = {n: v for n, v in os.environ.items() if not n.startswith("PREFACTOR_")}
    environment["PATH"] = os.pathsep.join([str(python.parent), os.environ["PATH"]])
    environment["PYTHONPATH"] = os.pathsep.join([str(environments.CHECKOUT), str(folder)])
    if "celery" in command:
        task = [str(python), "-c", "import tasks; tasks.answer.delay('what')"]
        subprocess.run(task, cwd=folder, env=environment, check=True, capture_output=True)
    port = free_port()
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command.replace("8000", str(port)).split(),
            cwd=folder,
            env=environment | ours,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield Server(process, folder, port)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # also what a dead parent has left
        process.wait()


def is_ready(command: str, server: Server) -> bool:
    """Whether all its workers have begun, and one has done something."""
    assert server.process.poll() is None, server.log
    mark = next(text for name, text in READY.items() if name in command)
    workers = re.search(r"--workers (\d)", command)
    if server.log.count(mark) < (int(workers[1]) if workers else 1):
        return False
    return "8000" not in command or answers(server.port)


def answers(port: int) -> bool:
    """Whether a request is answered."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/what", timeout=PATIENCE) as response:
            return bool(response.status == 200)
    except OSError:
        return False


@pytest.mark.parametrize("command", COMMANDS, ids=COMMANDS)
def test_a_server_that_is_stopped_leaves_no_run_open_and_ends_as_without_us(
    api: DevServer, python: Path, tmp_path: Path, command: str
) -> None:
    ours = {
        "PREFACTOR_API_URL": localhost(api),
        "PREFACTOR_API_TOKEN": api.token,
        "PREFACTOR_HANDLE_SIGTERM": "true",
    }
    with (
        started(command, tmp_path / "without", python) as without,
        started(command, tmp_path / "with", python, **ours) as server,
    ):
        assert comes_true(lambda: is_ready(command, without)), without.log
        assert comes_true(lambda: is_ready(command, server)), server.log
        assert api.wait_until(lambda api: api.spans()), server.log
        assert server.stopped() == without.stopped(), server.log
        if "pool.py" not in command:  # a pool prints what it does until it is stopped
            assert server.lines() == without.lines()
        assert "Traceback" not in server.log
    assert {run["status"] for run in api.instances()} == {"complete"}
    assert {span["status"] for span in api.spans()} == {"complete"}
    if "preload" in command or "celery" in command or "pool.py" in command:  # masters do no work
        assert all(run["span_counts"]["total"] for run in api.instances())


def test_the_first_process_of_a_container_ends_at_once_and_leaves_no_run_open(
    api: DevServer, tmp_path: Path
) -> None:
    (tmp_path / "agent.py").write_text(FILES["agent.py"])
    contained = ("unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child")
    if shutil.which("unshare") is None or subprocess.run([*contained, "true"]).returncode:
        pytest.skip("no process namespace can be made here")
    process = subprocess.Popen(
        [*contained, sys.executable, str(tmp_path / "agent.py")],
        env=environment_of(localhost(api), api.token) | {"PREFACTOR_HANDLE_SIGTERM": "true"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    [child] = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(child), signal.SIGTERM)
    assert process.communicate(timeout=PATIENCE) == ("", "")
    assert process.returncode == 143
    assert [run["status"] for run in api.instances()] == ["complete"]
    assert [span["payload"]["name"] for span in api.spans()] == ["work"]
