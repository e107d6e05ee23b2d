"""Another distribution may bring its own ``prefactor_http``, or take ours away: the exporter needs
neither, and the doctor says which is there."""

from pathlib import Path

import pytest

from prefactor_otel.devserver import DevServer
from tests.cli.command import run_command
from tests.process.scripts import run_script

INITS = {
    "another": "",
    "a newer one": "def __getattr__(name): raise AttributeError(name)",
    "none": "raise ModuleNotFoundError('No module named prefactor_http')",
    "a broken one": "raise RuntimeError('no such thing')",
}
SCRIPT = """
import prefactor_otel
provider = prefactor_otel.configure()
provider.get_tracer("agent").start_span("a").end()
assert provider.force_flush()
provider.shutdown()
"""


def put(folder: Path, init: str, version: str = "") -> dict[str, str]:
    """A package of that name; the variables for which it is found before ours."""
    package = folder / "prefactor_http"
    package.mkdir()
    (package / "__init__.py").write_text(init)
    (package / "_version.py").write_text(version)
    return {"PYTHONPATH": str(folder), "PYTHONSAFEPATH": "1"}


@pytest.mark.parametrize("init", INITS)
def test_spans_arrive_whatever_bears_the_name(api: DevServer, tmp_path: Path, init: str) -> None:
    ended = run_script(SCRIPT, api.url, api.token, **put(tmp_path, INITS[init]))
    assert (ended.code, ended.stderr) == (0, "")
    assert [span["payload"]["name"] for span in api.spans()] == ["a"]
    assert [run["status"] for run in api.instances()] == ["complete"]


def test_the_doctor_knows_ours() -> None:
    told = run_command("doctor").stdout
    assert "✓ client: prefactor_http is the drop-in of prefactor-otel" in told


@pytest.mark.parametrize(
    ("version", "said"),
    [
        ('PACKAGE_NAME = "prefactor-http"\nPACKAGE_VERSION = "0.4.3"', "of prefactor-http 0.4.3"),
        ("PACKAGE_VERSION = 5", "of an unknown version"),
        ("", "of an unknown version"),
    ],
)
def test_the_doctor_knows_that_it_is_anothers(tmp_path: Path, version: str, said: str) -> None:
    told = run_command("doctor", **put(tmp_path, "", version)).stdout
    assert f"✓ client: prefactor_http is that {said}; the exporter does without it" in told


@pytest.mark.parametrize("init", ["none", "a broken one"])
def test_the_doctor_says_how_to_bring_it_back(tmp_path: Path, init: str) -> None:
    told = run_command("doctor", **put(tmp_path, INITS[init])).stdout
    assert "! client: prefactor_http cannot be imported" in told
    assert "install prefactor-otel again, from where it came: pip install --force-re" in told


@pytest.mark.parametrize("init", ["none", "a broken one"])
def test_who_cannot_read_runs_without_it_is_told_how_to_bring_it_back(
    api: DevServer, tmp_path: Path, init: str
) -> None:
    settings = {"PREFACTOR_API_URL": api.url, "PREFACTOR_API_TOKEN": api.token}
    done = run_command("runs", **put(tmp_path, INITS[init]), **settings)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "prefactor_http cannot be imported" in done.stderr
    assert "install prefactor-otel again, from where it came: pip install --force-re" in done.stderr
