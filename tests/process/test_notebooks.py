"""The cells of docs/deployment.md, in a real kernel: run again, interrupted, shut down."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from prefactor_otel.devserver import DevServer
from tests.http import environments
from tests.patience import PATIENCE
from tests.process.scripts import environment_of, localhost

pytestmark = pytest.mark.slow

PAGE = (environments.CHECKOUT / "docs" / "deployment.md").read_text()
CELLS: list[str] = re.findall(
    r"```python\n(.*?)```", PAGE.partition("\n## Notebooks\n")[2].partition("\n## ")[0], re.DOTALL
)
INTERRUPTED = """
import os, signal
with prefactor_otel.run("interrupted"):
    with tracer.start_as_current_span("answer"):
        os.kill(os.getpid(), signal.SIGINT)
        while True:
            pass
"""
KERNEL = """
import json, sys
import nbformat
from nbclient import NotebookClient

cells = map(nbformat.v4.new_code_cell, json.load(sys.stdin))
notebook = nbformat.v4.new_notebook(cells=list(cells))
NotebookClient(notebook, kernel_name="python3", timeout=None, allow_errors=True).execute()
print(json.dumps([cell.outputs for cell in notebook.cells]))
"""


def test_each_question_is_a_run_whatever_becomes_of_the_kernel(
    api: DevServer, cancelled: str, tmp_path: Path
) -> None:
    python = environments.make(
        tmp_path / "kernel", "nbclient", "ipykernel", str(environments.CHECKOUT)
    )
    setup, question, flush = CELLS
    variables = environment_of(localhost(api), api.token)
    done = subprocess.run(
        [str(python), "-c", KERNEL],
        input=json.dumps([setup, question, flush, setup, question, INTERRUPTED, question]),
        env=variables | {"PATH": f"{python.parent}{os.pathsep}{variables['PATH']}"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    outputs = json.loads(done.stdout)
    assert outputs[2][0]["data"]["text/plain"] == "True"
    assert [each["ename"] for each in outputs[5]] == ["KeyboardInterrupt"]
    assert [each for number in (0, 1, 3, 4, 6) for each in outputs[number]] == []
    statuses = [run["status"] for run in api.instances()]
    assert sorted(statuses) == sorted([cancelled, "complete", "complete", "complete"])
