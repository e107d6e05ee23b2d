"""What was accepted under a spool outlives its process, and arrives by the next one."""

import os
import stat
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider as SdkTracerProvider
from opentelemetry.trace import Tracer

from prefactor_otel import PrefactorSpanProcessor, TracerProvider
from prefactor_otel.delivery.operation import Item, Operation, SpanRef
from prefactor_otel.devserver import DevServer
from prefactor_otel.spool import folder
from prefactor_otel.spool.identity import Identity
from tests.conftest import Figure
from tests.patience import PATIENCE, comes_true
from tests.process.dead import away
from tests.process.scripts import run_script
from tests.readings import under_either_reading

NOWHERE = "http://127.0.0.1:9"
DOORS = ("PrefactorSpanProcessor()", "SimpleSpanProcessor(PrefactorExporter())")
AGENT = """
import os, sys, time
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from prefactor_otel import PrefactorExporter, PrefactorSpanProcessor, TracerProvider

processor = DOOR
provider = TracerProvider(span_processors=[processor])
tracer = provider.get_tracer("agent")
"""


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "spool"


def die(spool: Path, body: str, door: str = DOORS[1], url: str = NOWHERE, **more: str) -> str:
    """Let an agent do something; returns what it said on stderr."""
    source = AGENT.replace("DOOR", door) + body
    variables = {"PREFACTOR_SPOOL_DIR": str(spool), "PREFACTOR_SHUTDOWN_TIMEOUT": "1"} | more
    token = variables.pop("PREFACTOR_API_TOKEN", "pf_some_token")
    return run_script(source, url, token, **variables).stderr


def die_while_away(
    api: DevServer, spool: Path, body: str, door: str = DOORS[1], **more: str
) -> str:
    """The same, while the API is away."""
    with away(api):
        return die(spool, body, door, api.url, PREFACTOR_API_TOKEN=api.token, **more)


def tracer_of(provider: SdkTracerProvider) -> Tracer:
    return provider.get_tracer("agent")


@contextmanager
def heir(api: DevServer, spool: Path, **options: float | int) -> Iterator[PrefactorSpanProcessor]:
    """A process (this one) that starts on the folder."""
    patient: dict[str, Any] = {"shutdown_timeout": PATIENCE} | options
    processor = PrefactorSpanProcessor(api.url, api.token, spool_dir=spool, **patient)
    yield processor
    processor.shutdown()


def names(api: DevServer) -> list[str]:
    return sorted(row["payload"]["name"] for row in api.spans())


def emptied(spool: Path, own: int = 1) -> bool:
    return len(folder.files(spool)) == own


@pytest.mark.parametrize("end", ["os._exit(0)", "os.kill(os.getpid(), 9)"])
def test_a_span_is_on_disk_before_export_returns(api: DevServer, spool: Path, end: str) -> None:
    die_while_away(api, spool, f"tracer.start_span('a').end()\n{end}")
    with heir(api, spool):
        assert api.wait_until(lambda api: names(api) == ["a"])
        assert api.wait_until(lambda api: len(api.instances()) == 2)
        assert api.wait_until(
            lambda api: (
                [i["status"] for i in api.instances() if i["span_counts"]["total"]] == ["failed"]
            )
        )


def test_a_span_that_ended_fifty_milliseconds_before_a_kill_is_on_disk(
    api: DevServer, spool: Path
) -> None:
    body = """
from threading import Event
tracer.start_span('first').end()
processor.force_flush()  # the process is up and running
tracer.start_span('last').end()
Event().wait(0.05)  # the promise is about time
os.kill(os.getpid(), 9)
"""
    die_while_away(api, spool, body, door=DOORS[0])
    with heir(api, spool):
        assert api.wait_until(lambda api: names(api) == ["first", "last"])


@pytest.mark.parametrize("door", DOORS)
def test_an_orderly_exit_without_an_api_leaves_everything_to_the_next_process(
    api: DevServer, spool: Path, door: str
) -> None:
    body = "with tracer.start_as_current_span('root'):\n    tracer.start_span('leaf').end()\n"
    said = die_while_away(api, spool, body, door)
    assert f"2 spans not delivered yet: kept in {spool}" in said
    assert " not delivered: " not in said
    with heir(api, spool) as processor:
        assert api.wait_until(lambda api: names(api) == ["leaf", "root"])
        rows = {row["payload"]["name"]: row for row in api.spans()}
        assert rows["leaf"]["parent_span_id"] == rows["root"]["id"]
        assert comes_true(lambda: emptied(spool))
        assert processor.stats().adopted == 2
        run = rows["root"]["agent_instance_id"]
        assert {i["id"]: i["status"] for i in api.instances()}[run] == "complete"


def test_a_root_that_waited_for_another_that_tells_of_its_call_is_a_root(
    api: DevServer, spool: Path
) -> None:
    body = """
call = {"gen_ai.operation.name": "chat", "gen_ai.response.id": "r1", "gen_ai.usage.input_tokens": 3}
with tracer.start_as_current_span("call", attributes=call):
    tracer.start_span("below").end()
os.kill(os.getpid(), 9)
"""
    die_while_away(api, spool, body)
    with heir(api, spool):
        assert api.wait_until(lambda api: names(api) == ["below", "call"])
    rows = {row["payload"]["name"]: row for row in api.spans()}
    assert rows["below"]["parent_span_id"] == rows["call"]["id"]
    assert "parent_span_id" not in rows["call"]["payload"]


def test_what_waited_for_its_parent_goes_with_it_or_names_it(api: DevServer, spool: Path) -> None:
    body = """
from opentelemetry.sdk.trace import TracerProvider as Stock
provider = Stock()
provider.add_span_processor(SimpleSpanProcessor(PrefactorExporter()))
tracer = provider.get_tracer("agent")
root = tracer.start_as_current_span("root")
root.__enter__()
with tracer.start_as_current_span("step"):
    tracer.start_span("leaf").end()
os.kill(os.getpid(), 9)
"""
    die_while_away(api, spool, body)
    with heir(api, spool):
        assert api.wait_until(lambda api: names(api) == ["leaf", "step"])
    rows = {row["payload"]["name"]: row for row in api.spans()}
    assert rows["leaf"]["parent_span_id"] == rows["step"]["id"]
    assert len(rows["step"]["payload"]["parent_span_id"]) == 16


@under_either_reading
def test_a_run_whose_process_died_is_failed_and_its_open_spans_cancelled(
    api: DevServer, spool: Path, cancelled: str
) -> None:
    body = """
root = tracer.start_as_current_span("root")
root.__enter__()
print("open", flush=True)
sys.stdin.readline()
"""
    source = AGENT.replace("DOOR", DOORS[0]) + body
    environment = {**os.environ, "PREFACTOR_API_URL": api.url, "PREFACTOR_API_TOKEN": api.token}
    with subprocess.Popen(
        [sys.executable, "-c", source],
        env=environment | {"PREFACTOR_SPOOL_DIR": str(spool)},
        stdin=subprocess.PIPE,
    ) as process:
        assert api.wait_until(lambda api: [row["status"] for row in api.spans()] == ["active"])
        process.kill()
    with heir(api, spool):
        assert api.wait_until(lambda api: api.instances()[0]["status"] == "failed")
        [root] = api.spans()
        assert root["status"] == cancelled
        assert "ProcessDied" in str(root["result_payload"])
        assert api.instances()[0]["finished_at"] == root["finished_at"]
        assert comes_true(lambda: emptied(spool))


def keys_of_spans(api: DevServer) -> set[str]:
    """The keys under which spans have come; the ends of runs may share such requests."""
    return {
        item["idempotency_key"]
        for request in api.requests
        if "/bulk" in request.path
        for item in request.body["items"]
        if item["_type"].startswith("agent_spans/")
    }


def test_the_same_request_is_made_again_when_only_its_answer_was_lost(
    api: DevServer, spool: Path
) -> None:
    api.faults.add(path="/bulk", drop="after", times=None)
    die(spool, "tracer.start_span('a').end()", url=api.url, PREFACTOR_API_TOKEN=api.token)
    sent = keys_of_spans(api)
    api.faults.clear()
    with heir(api, spool):
        assert comes_true(lambda: emptied(spool))
    again = keys_of_spans(api)
    assert again == sent
    assert names(api) == ["a"]


def test_a_living_owners_file_is_left_alone(api: DevServer, spool: Path) -> None:
    with heir(api, spool) as first:
        api.stop()
        tracer_of(TracerProvider(span_processors=[first], shutdown_on_exit=False)).start_span(
            "a"
        ).end()
        assert first.force_flush()
        with heir(api, spool) as second:
            provider = TracerProvider(span_processors=[second], shutdown_on_exit=False)
            tracer_of(provider).start_span("b").end()
            assert second.force_flush()
            api.start()
            assert api.wait_until(lambda api: names(api) == ["a", "b"])
            assert first.stats().adopted == second.stats().adopted == 0
    assert emptied(spool, own=0)


def test_only_its_owner_can_look_into_the_folder(spool: Path) -> None:
    die(spool, "tracer.start_span('a').end()")
    assert stat.S_IMODE(spool.stat().st_mode) == 0o700
    for each in spool.iterdir():
        assert stat.S_IMODE(each.stat().st_mode) == 0o600, each


def test_no_token_is_on_disk(spool: Path) -> None:
    die(spool, "tracer.start_span('a').end()", PREFACTOR_API_TOKEN="pf_very_secret_token")
    contents = b"".join(each.read_bytes() for each in spool.iterdir())
    assert b'"name":"a"' in contents
    assert b"secret_token" not in contents


def test_content_that_is_not_captured_is_not_on_disk(spool: Path) -> None:
    body = "span = tracer.start_span('a', attributes={'input.value': 'my prompt'})\nspan.end()"
    die(spool, body, PREFACTOR_CAPTURE_INPUTS="false")
    contents = b"".join(each.read_bytes() for each in spool.iterdir())
    assert b'"name":"a"' in contents
    assert b"my prompt" not in contents


@pytest.mark.parametrize("mode", [0o755, 0o770])
def test_a_folder_that_others_can_look_into_is_not_used(
    api: DevServer, spool: Path, mode: int, caplog: pytest.LogCaptureFixture
) -> None:
    spool.mkdir()
    spool.chmod(mode)
    with heir(api, spool) as processor:
        provider = TracerProvider(span_processors=[processor], shutdown_on_exit=False)
        tracer_of(provider).start_span("a").end()
        assert processor.force_flush()
        assert not processor.stats().spooling
    assert list(spool.iterdir()) == []
    assert [r.getMessage() for r in caplog.records if "chmod 700" in r.getMessage()]
    assert names(api) == ["a"]


def test_without_the_option_nothing_is_written(api: DevServer, tmp_path: Path) -> None:
    body = f"os.chdir({str(tmp_path)!r})\ntracer.start_span('a').end()"
    ended = run_script(
        AGENT.replace("DOOR", DOORS[0]) + body, api.url, api.token, HOME=str(tmp_path)
    )
    assert (ended.code, ended.stderr) == (0, "")
    assert list(tmp_path.iterdir()) == []


def test_what_is_too_old_is_dropped_and_counted(api: DevServer, spool: Path) -> None:
    die_while_away(api, spool, "tracer.start_span('a').end()")
    with heir(api, spool, spool_max_age=1e-6) as processor:
        assert comes_true(lambda: processor.stats().dropped == {"expired": 1})
    assert names(api) == []


def test_past_its_bytes_the_oldest_go_and_are_counted(spool: Path) -> None:
    processor = PrefactorSpanProcessor(
        NOWHERE, "pf_token", spool_dir=spool, spool_max_bytes=2**20, shutdown_timeout=0.2
    )
    provider = TracerProvider(span_processors=[processor], shutdown_on_exit=False)
    for number in range(300):
        tracer_of(provider).start_span(f"n{number}", attributes={"text": "x" * 9000}).end()
    assert processor.force_flush()
    stats = processor.stats()
    assert stats.dropped.keys() == {"spool_full"}
    assert 90 <= stats.waiting <= 115
    assert stats.accepted == stats.waiting + stats.dropped["spool_full"] == 300
    provider.shutdown()
    assert processor.stats().waiting == stats.waiting


def test_the_spool_holds_more_than_memory_does_and_all_of_it_arrives_in_order(
    api: DevServer, spool: Path
) -> None:
    api.stop()
    processor = PrefactorSpanProcessor(
        api.url, api.token, spool_dir=spool, max_queue_size=50, shutdown_timeout=PATIENCE
    )
    provider = TracerProvider(span_processors=[processor], shutdown_on_exit=False)
    for number in range(12):
        with tracer_of(provider).start_as_current_span(f"root {number}"):
            for child in range(49):
                tracer_of(provider).start_span(f"child {child}").end()
        assert processor.force_flush()
    assert processor.stats().waiting == 600
    api.start()
    assert comes_true(lambda: processor.stats().waiting == 0)
    assert processor.force_flush()
    provider.shutdown()
    assert len(api.spans()) == processor.stats().acknowledged == 600
    assert sum(row["parent_span_id"] is not None for row in api.spans()) == 12 * 49
    assert folder.files(spool) == []


def test_a_file_that_is_no_database_is_set_aside_and_said_once(
    api: DevServer, spool: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spool.mkdir(mode=0o700)
    (spool / "1-rubbish.spool").write_bytes(b"not a database, surely not" * 100)
    with heir(api, spool) as processor:
        assert comes_true(lambda: not (spool / "1-rubbish.spool").exists())
        provider = TracerProvider(span_processors=[processor], shutdown_on_exit=False)
        tracer_of(provider).start_span("a").end()
        assert processor.force_flush()
    assert names(api) == ["a"]
    assert (spool / "1-rubbish.unreadable").exists()
    assert len([r for r in caplog.records if "1-rubbish" in r.getMessage()]) == 1


def test_a_file_whose_rows_are_damaged_costs_no_more_than_itself(
    api: DevServer, spool: Path
) -> None:
    die_while_away(
        api,
        spool,
        "for n in range(500):\n    tracer.start_span(f'n{n}', attributes={'t': 'x' * 3600}).end()",
    )
    [path] = folder.files(spool)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 200_000] = os.urandom(200_000)
    path.write_bytes(bytes(data))
    with heir(api, spool) as processor:
        assert comes_true(lambda: not path.exists())
        provider = TracerProvider(span_processors=[processor], shutdown_on_exit=False)
        tracer_of(provider).start_span("own").end()
        assert processor.force_flush()
    assert "own" in names(api)


@contextmanager
def small_disk(path: Path, size: str) -> Iterator[Path]:
    path.mkdir(mode=0o700)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "none", str(path)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.decode().strip()}")
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


def test_a_full_disk_costs_one_line_and_no_span(
    api: DevServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with small_disk(tmp_path / "disk", "600k") as disk:
        api.stop()
        processor = PrefactorSpanProcessor(api.url, api.token, spool_dir=disk, max_queue_size=60)
        provider = TracerProvider(span_processors=[processor], shutdown_on_exit=False)
        for number in range(80):
            tracer_of(provider).start_span(f"n{number}", attributes={"text": "x" * 9000}).end()
            if processor.stats().spooling:  # else a flush waits for the API
                processor.force_flush(1000)
        assert not processor.stats().spooling
        api.start()
        assert comes_true(lambda: processor.stats().waiting == 0)
        provider.shutdown()
        stats = processor.stats()
        assert stats.accepted == stats.acknowledged + sum(stats.dropped.values()) == 80
        assert len(names(api)) == stats.acknowledged >= 58
        assert len([r for r in caplog.records if "The spool failed" in r.getMessage()]) == 1


def test_a_file_that_has_filled_its_disk_is_made_anew_when_all_is_sent(
    api: DevServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with small_disk(tmp_path / "disk", "600k") as disk:
        api.stop()
        processor = PrefactorSpanProcessor(
            api.url, api.token, spool_dir=disk, shutdown_timeout=PATIENCE
        )
        provider = TracerProvider(span_processors=[processor], shutdown_on_exit=False)
        tracer = tracer_of(provider)
        opened = tracer.start_span("open", attributes={"gen_ai.operation.name": "invoke_agent"})
        assert comes_true(lambda: processor.stats().waiting_items > 2)
        while processor.stats().spooling:
            tracer.start_span("n", attributes={"text": "x" * 9000}).end()
            processor.force_flush(1000)
        [full] = folder.files(disk)
        api.start()
        assert comes_true(lambda: processor.stats().spooling)
        [anew] = folder.files(disk)
        assert anew != full
        assert folder.total_size(disk) < 300_000
        assert comes_true(lambda: processor.stats().waiting == 0)
        api.stop()
        tracer.start_span("later").end()
        assert processor.force_flush()  # for it is on disk
        api.start()
        opened.end()
        provider.shutdown()
        stats = processor.stats()
        assert stats.accepted == stats.acknowledged == len(names(api))
        assert not folder.files(disk)
    assert [row["status"] for row in api.spans() if row["status"] == "active"] == []
    assert not [r for r in caplog.records if "was removed" in r.getMessage()]


def test_a_read_only_disk_costs_one_line_and_no_span(
    api: DevServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with small_disk(tmp_path / "disk", "4m") as disk:
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        with heir(api, disk) as processor:
            provider = TracerProvider(span_processors=[processor], shutdown_on_exit=False)
            tracer_of(provider).start_span("a").end()
            assert processor.force_flush()
    assert names(api) == ["a"]
    lines = [r for r in caplog.records if "spool" in r.getMessage().lower()]
    assert len(lines) == 1
    assert "Read-only file system" in lines[0].getMessage()


def test_an_export_on_an_event_loop_is_on_disk_too(spool: Path, api: DevServer) -> None:
    body = """
import asyncio
async def main():
    tracer.start_span("a").end()
    os.kill(os.getpid(), 9)
asyncio.run(main())
"""
    die_while_away(api, spool, body)
    with heir(api, spool):
        assert api.wait_until(lambda api: names(api) == ["a"])


@pytest.mark.slow
def test_a_gigabyte_in_the_spool_does_not_delay_the_start(
    api: DevServer, spool: Path, figure: Figure
) -> None:
    megabyte = b'"payload":{"text":"' + b"x" * 2**20 + b'"}'
    spool.mkdir(mode=0o700)
    left = folder.create(spool)
    left.belongs_to(api.url, Identity(api.url, api.token, None).hashes(left.salt), [])
    [first] = left.write([Item("run", Operation.REGISTER, "run-register", b"")], time.time())
    left.registered("run", "an instance", None, ids_accepted=False)
    left.forget([first])
    for number in range(1024):
        item = Item("run", Operation.CREATE, f"key {number}", megabyte, SpanRef(bytes(16)))
        left.write([item], time.time())
        left.commit()
    left.close()

    def until_acknowledged(**options: Path | int) -> float:
        begun = time.monotonic()
        processor = PrefactorSpanProcessor(api.url, api.token, agent_name="a", **options)  # type: ignore[arg-type]
        provider = TracerProvider(span_processors=[processor], shutdown_on_exit=False)
        tracer_of(provider).start_span("a").end()
        assert processor.force_flush()
        taken = time.monotonic() - begun
        provider.shutdown()
        return taken

    api.faults.add(item="key ", bulk_error="not_yet", times=None)
    without = [until_acknowledged() for _ in range(5)]
    with_it = [until_acknowledged(spool_dir=spool, spool_max_bytes=2**32) for _ in range(5)]
    usual = statistics.median(without)
    delay = statistics.median(with_it) - usual
    figure(f"1 GB of spool delays the first acknowledgement by {delay * 1000:.0f} ms")
    assert delay < 0.1 + usual


def test_runs_of_traces_outlive_their_process_each_by_itself(api: DevServer, spool: Path) -> None:
    body = """
for number in range(5):
    with tracer.start_as_current_span(f"request {number}"):
        tracer.start_span(f"step {number}").end()
open_root = tracer.start_as_current_span("request 5")
open_root.__enter__()
tracer.start_span("step 5").end()
processor.force_flush()
os.kill(os.getpid(), 9)
"""
    die_while_away(api, spool, body, door=DOORS[0], PREFACTOR_RUN_SCOPE="trace")
    with heir(api, spool):
        assert api.wait_until(
            lambda api: (
                len([r for r in api.instances() if r["span_counts"]["total"]]) == 6
                and all(r["finished_at"] for r in api.instances() if r["span_counts"]["total"])
            ),
            timeout=15,
        )
    rows: dict[str, list[str]] = {}
    for row in api.spans():
        rows.setdefault(row["agent_instance_id"], []).append(row["payload"]["name"])
    expected = [[f"request {n}", f"step {n}"] for n in range(6)]
    assert sorted(sorted(names) for names in rows.values()) == expected
    assert all(row["status"] != "active" for row in api.spans())
