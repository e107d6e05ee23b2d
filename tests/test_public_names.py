"""The public face stays as small as it is, and costs nothing until it is used."""

import subprocess
import sys
from importlib.resources import files

import prefactor_http
import prefactor_otel


def test_the_public_names_are_these() -> None:
    assert prefactor_otel.__all__ == [
        "PrefactorConfigError",
        "PrefactorError",
        "PrefactorExporter",
        "PrefactorSpanProcessor",
        "Stats",
        "TracerProvider",
        "__version__",
        "configure",
    ]
    assert sorted(prefactor_http.__all__) == prefactor_http.__all__
    assert len(prefactor_http.__all__) == 30


def test_every_public_name_exists_and_has_its_promise() -> None:
    for package in (prefactor_otel, prefactor_http):
        for name in package.__all__:
            value = getattr(package, name)
            assert not isinstance(value, type) or value.__doc__, name


def test_both_packages_tell_type_checkers_that_they_are_typed() -> None:
    for package in ("prefactor_otel", "prefactor_http"):
        assert files(package).joinpath("py.typed").is_file()


def test_importing_starts_no_thread_and_loads_no_server_or_command_line() -> None:
    source = (
        "import sys, threading, prefactor_otel\n"
        "assert threading.active_count() == 1\n"
        "heavy = {'click', 'rich', 'sqlite3', 'aiohttp.web', 'prefactor_otel.devserver'}\n"
        "heavy &= set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
