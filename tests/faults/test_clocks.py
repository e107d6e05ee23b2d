"""A wrong clock costs nothing but the time shown: before 1970, past what Python, SQLite or a year
of four digits can tell, and set right in between."""

import json
from pathlib import Path

import pytest

from prefactor_otel.devserver import DevServer
from tests.cli.command import run_command
from tests.faults.test_spool import AGENT, DOORS, die_while_away, emptied, heir, names, spool
from tests.faults.test_spool_trouble import settled
from tests.process.scripts import run_script

__all__ = ["spool"]

CLOCK = """
import time

def set_clock(moment, wall=time.time, wall_ns=time.time_ns):
    off = moment - int(wall())
    time.time = lambda: wall() + off
    time.time_ns = lambda: wall_ns() + off * 10**9

set_clock(MOMENT)
"""
MOMENTS = {
    "before 1970": -315_569_520,
    "before the year 1": -63_135_596_800,
    "at 1970": 0,
    "past 64 bits of nanoseconds": 10_413_794_160,
    "past the year 9999": 253_433_881_512,
}
UNDER_EACH = pytest.mark.parametrize("moment", MOMENTS.values(), ids=list(MOMENTS))
SPANS = """
for n in range(5):
    tracer.start_span(f"n{n}").end()
flushed = processor.force_flush()
"""
DELIVERED = """
while processor.stats().waiting:  # a flush says of what is on disk that it is safe
    processor.force_flush(100)
"""
REPORT = """
import json
stats = processor.stats()
print(json.dumps([flushed, stats.waiting, stats.worker_restarts, stats.dropped]), flush=True)
"""
BRIEF = {"PREFACTOR_SHUTDOWN_TIMEOUT": "1"}
KILL = "tracer.start_as_current_span('open').__enter__()\nprocessor.force_flush()\nos._exit(0)"
YEARS_LATER = """
set_clock(1_900_000_000)
tracer.start_span('n5').end()
flushed = processor.force_flush()
provider.shutdown()  # which tries once more to send all of it
"""


def wrong(moment: int) -> str:
    return CLOCK.replace("MOMENT", str(moment))


def agent(moment: int, body: str, api: DevServer, spool: Path, **more: str) -> list[object]:
    """What an agent under this clock says of itself."""
    source = wrong(moment) + AGENT.replace("DOOR", DOORS[0]) + body
    ended = run_script(source, api.url, api.token, PREFACTOR_SPOOL_DIR=str(spool), **more)
    assert ended.code == 0, ended.stderr
    said: list[object] = json.loads(ended.stdout)
    return said


@UNDER_EACH
def test_a_process_with_a_wrong_clock_delivers_everything(
    moment: int, api: DevServer, spool: Path
) -> None:
    assert agent(moment, SPANS + DELIVERED + REPORT, api, spool) == [True, 0, 0, {}]
    assert names(api) == ["n0", "n1", "n2", "n3", "n4"]
    assert [run["status"] for run in api.instances()] == ["complete"]
    assert emptied(spool, own=0)


@UNDER_EACH
def test_what_a_process_with_a_wrong_clock_has_left_is_sent_by_one_with_a_right_one(
    moment: int, api: DevServer, spool: Path
) -> None:
    api.stop()
    assert agent(moment, SPANS + REPORT + KILL, api, spool) == [True, 5, 0, {}]
    listed = run_command("spool", "list", str(spool))
    assert (listed.returncode, listed.stderr) == (0, "")
    api.start()
    with heir(api, spool) as processor:
        assert settled(processor, 5)
        assert processor.stats().dropped == {}
    assert names(api) == ["n0", "n1", "n2", "n3", "n4", "open"]
    assert {run["status"] for run in api.instances() if run["span_counts"]["total"]} == {"failed"}


@UNDER_EACH
def test_what_others_have_left_is_sent_by_a_process_with_a_wrong_clock(
    moment: int, api: DevServer, spool: Path
) -> None:
    die_while_away(api, spool, "tracer.start_span('left').end()")
    agent(moment, SPANS + REPORT, api, spool)
    assert api.wait_until(lambda api: "left" in names(api))


@UNDER_EACH
def test_a_clock_that_is_set_right_makes_nothing_too_old(
    moment: int, api: DevServer, spool: Path
) -> None:
    api.stop()
    assert agent(moment, SPANS + YEARS_LATER + REPORT, api, spool, **BRIEF) == [True, 6, 0, {}]
    api.start()
    with heir(api, spool) as processor:
        assert settled(processor, 6)
        assert processor.stats().dropped == {}
    assert len(names(api)) == 6


def test_a_clock_that_jumps_by_days_makes_no_span_of_the_process_too_old(
    api: DevServer, spool: Path
) -> None:
    api.stop()
    assert agent(1_800_000_000, SPANS + YEARS_LATER + REPORT, api, spool, **BRIEF) == [
        True,
        6,
        0,
        {},
    ]


def test_a_run_ends_no_sooner_than_it_began_though_the_clock_is_set_back(
    api: DevServer, spool: Path
) -> None:
    set_back = "set_clock(1_799_000_000)\nprovider.shutdown()"
    assert agent(1_800_000_000, SPANS + set_back + REPORT, api, spool) == [True, 0, 0, {}]
    [run] = api.instances()
    assert run["status"] == "complete"
    assert run["finished_at"] >= run["started_at"]


@UNDER_EACH
def test_a_local_api_with_a_wrong_clock_serves(moment: int) -> None:
    body = """
from prefactor_otel import PrefactorSpanProcessor, TracerProvider
from prefactor_otel.devserver import DevServer

with DevServer() as api:
    processor = PrefactorSpanProcessor(api.url, api.token)
    provider = TracerProvider(span_processors=[processor])
    provider.get_tracer("agent").start_span("a").end()
    provider.shutdown()
    print([run["status"] for run in api.instances()], len(api.spans()))
"""
    ended = run_script(wrong(moment) + body, "")
    assert (ended.code, ended.stdout) == (0, "['complete'] 1\n"), ended.stderr
    assert "Traceback" not in ended.stderr
