"""A traced process loads what exporting takes, and nothing that takes long and is not used."""

from prefactor_otel.devserver import DevServer
from tests.process.scripts import run_script

HEAVY = {
    "aiohttp.web",
    "click",
    "ctypes",
    "prefactor_http",
    "prefactor_otel.cli",
    "prefactor_otel.devserver",
    "pydantic.main",
    "rich",
    "sqlite3",
    "tenacity",
}
RUN = """
processor = prefactor_otel.PrefactorSpanProcessor(strict=True)
provider = prefactor_otel.TracerProvider(span_processors=[processor])
provider.get_tracer("a").start_span("b").end()
assert provider.force_flush()
provider.shutdown()
"""


def loaded(url: str, token: str = "", work: str = "") -> set[str]:
    """The modules of a process that has imported the package and then done this."""
    ended = run_script(f"import sys, prefactor_otel\n{work}\nprint(*sys.modules)", url, token)
    assert (ended.code, ended.stderr) == (0, "")
    return set(ended.stdout.split())


def test_importing_loads_nothing_heavy() -> None:
    assert loaded("") & (HEAVY | {"importlib.metadata"}) == set()


def test_a_run_from_beginning_to_end_loads_nothing_heavy(api: DevServer) -> None:
    assert loaded(api.url, api.token, RUN) & HEAVY == set()


def test_importing_starts_no_thread() -> None:
    ended = run_script("import threading, prefactor_otel; print(threading.active_count())", "")
    assert (ended.code, ended.stdout, ended.stderr) == (0, "1\n", "")
