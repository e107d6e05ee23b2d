"""What is to follow the import of a library follows it, and costs nobody else an import."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from prefactor_otel.devserver import DevServer
from prefactor_otel.host.imports import when_imported
from tests.process.scripts import run_script


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A library that can be imported."""
    tmp_path.joinpath("some_library").mkdir()
    tmp_path.joinpath("some_library", "__init__.py").write_text("")
    tmp_path.joinpath("some_library", "inner.py").write_text("works = True")
    monkeypatch.syspath_prepend(tmp_path)
    finders = list(sys.meta_path)
    yield "some_library.inner"
    assert sys.meta_path == finders
    for name in ("some_library", "some_library.inner"):
        sys.modules.pop(name, None)


def test_it_follows_the_import_once(library: str) -> None:
    told: list[bool] = []
    when_imported(library, lambda: told.append(sys.modules[library].works))
    assert told == [] and library not in sys.modules
    importlib.import_module(library)
    importlib.import_module(library)
    importlib.reload(sys.modules[library])
    assert told == [True]


def test_of_what_is_imported_already_it_is_told_at_once(library: str) -> None:
    importlib.import_module(library)
    told: list[bool] = []
    when_imported(library, lambda: told.append(True))
    assert told == [True]


def test_what_fails_then_is_no_matter_of_the_imports(library: str) -> None:
    def fail() -> None:
        raise RuntimeError

    when_imported(library, fail)
    assert importlib.import_module(library).works


def test_a_process_that_can_be_stopped_imports_nothing_for_it(api: DevServer) -> None:
    ended = run_script(
        "import sys, prefactor_otel\n"
        "processor = prefactor_otel.PrefactorSpanProcessor(on_terminate='raise')\n"
        "processor.shutdown()\n"
        "print([name for name in sys.modules if name.startswith('lang')])",
        api.url,
        api.token,
    )
    assert (ended.code, ended.stdout, ended.stderr) == (0, "[]\n", "")
