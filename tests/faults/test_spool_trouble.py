"""A spool in trouble: full, damaged, removed, another account's. What can be kept is kept, and what
is lost is counted."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from prefactor_otel import PrefactorSpanProcessor, TracerProvider
from prefactor_otel.config.options import load_config
from prefactor_otel.devserver import DevServer
from prefactor_otel.errors import SpoolError
from prefactor_otel.spool import folder
from prefactor_otel.spool.file import SpoolFile
from prefactor_otel.spool.recovery import recover
from tests.cli.command import clean, run_command
from tests.faults.test_spool import (
    AGENT,
    DOORS,
    NOWHERE,
    die_while_away,
    emptied,
    heir,
    names,
    small_disk,
    spool,
    tracer_of,
)
from tests.patience import PATIENCE, comes_true
from tests.process.scripts import environment_of, run_script

__all__ = ["spool"]

KILL = "\nos.kill(os.getpid(), 9)"
TEN = "for n in range(10):\n    tracer.start_span(f'n{n}').end()\nprocessor.force_flush()"


def end(processor: PrefactorSpanProcessor, *spans: str, text: str = "") -> None:
    provider = TracerProvider(span_processors=[processor], shutdown_on_exit=False)
    for name in spans:
        tracer_of(provider).start_span(name, attributes={"input.value": text}).end()


def lines(caplog: pytest.LogCaptureFixture, part: str) -> list[str]:
    return [r.getMessage() for r in caplog.records if part in r.getMessage()]


def settled(processor: PrefactorSpanProcessor, adopted: int) -> bool:
    """Whether so many spans of the dead, or more, are adopted and nothing waits any more."""

    def is_settled() -> bool:
        processor.force_flush(100)
        return processor.stats().adopted >= adopted and not processor.stats().waiting

    return comes_true(is_settled)


# -- too much -----------------------------------------------------------------------------------


def test_a_spool_that_was_filled_to_its_limit_arrives_as_it_is(api: DevServer, spool: Path) -> None:
    body = """
sent = 0
while not (left := processor.stats()).dropped:
    tracer.start_span("s", attributes={"input.value": "x" * 300}).end()
    sent += 1
    if sent % 100 == 0:
        processor.force_flush()
processor.force_flush()
"""
    die_while_away(api, spool, body + KILL, DOORS[0], PREFACTOR_SPOOL_MAX_BYTES=str(2**20))
    with heir(api, spool, spool_max_bytes=2**20) as processor:
        assert settled(processor, 600)
        assert processor.stats().dropped == {}
        assert processor.stats().acknowledged == len(api.spans()) > 600


def test_of_too_much_in_the_folder_the_oldest_spans_are_given_up_and_counted(
    api: DevServer, spool: Path
) -> None:
    body = """
for n in range(700):
    tracer.start_span(f"{n:04}", attributes={"input.value": "x" * 2800}).end()
    if n % 100 == 99:
        processor.force_flush()
"""
    die_while_away(api, spool, body + KILL, DOORS[0])
    with heir(api, spool, spool_max_bytes=2**20) as processor:
        assert settled(processor, 700)
        stats = processor.stats()
    lost = stats.dropped["spool_full"]
    assert stats.dropped == {"spool_full": lost}
    assert names(api) == [f"{n:04}" for n in range(lost, 700)]
    assert 140 < len(names(api)) < 350


def test_a_file_gives_back_what_it_took_in_an_outage(api: DevServer, spool: Path) -> None:
    api.stop()
    with heir(api, spool) as processor:
        for _ in range(40):
            end(processor, *["s"] * 10, text="x" * 10_000)
            assert processor.force_flush()
        assert folder.total_size(spool) > 4 * 2**20
        api.start()
        assert settled(processor, 0)
        for _ in range(10):  # at rest, a little at a time
            assert processor.force_flush()
        assert folder.total_size(spool) < 2**20


def test_a_burst_just_before_the_end_is_on_disk(api: DevServer, spool: Path) -> None:
    body = """
for n in range(400):
    tracer.start_span("s", attributes={"input.value": "x" * 3000}).end()
provider.shutdown()
"""
    said = die_while_away(api, spool, body, DOORS[0], PREFACTOR_SHUTDOWN_TIMEOUT="5")
    assert "400 spans not delivered yet" in said
    [file] = folder.dead(spool)
    assert isinstance(file, SpoolFile)
    assert file.spans() == 400
    file.close()


# -- what cannot be read ------------------------------------------------------------------------


def damaged(spool: Path, statement: str) -> None:
    [path] = folder.files(spool)
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(statement)


LAST = "WHERE seq=(SELECT max(seq) FROM item WHERE operation='create')"


@pytest.mark.parametrize(
    ("change", "lost"),
    [
        (f"UPDATE item SET operation='Create' {LAST}", 1),
        (f"UPDATE item SET body='text' {LAST}", 1),
        (f"UPDATE item SET body=X'7b7b' {LAST}", 1),
        (f"UPDATE item SET span=X'00' {LAST}", 1),
        (f"UPDATE item SET span=NULL {LAST}", 1),
        (f"UPDATE item SET parent=7 {LAST}", 1),
        (f"UPDATE item SET at='x' {LAST}", 1),
        (f"UPDATE item SET key=X'ff00' {LAST}", 1),
        (f"UPDATE item SET key=CAST(X'ff00' AS TEXT) {LAST}", 1),
        ("UPDATE item SET body=X'7b7b' WHERE operation='register'", 10),
        ("UPDATE run SET last_ns='x', partition='y', instance_id=X'ff'", 0),
        ("DELETE FROM run", 0),
        ("INSERT INTO opened VALUES (7, 8, 9)", 0),
        ("INSERT INTO lost VALUES ('x', 'y')", 0),
        ("INSERT INTO parked VALUES ('k', 'r', X'00', 'a', 'b', 'c', X'7b')", 1),
    ],
)
def test_a_damaged_row_costs_itself_and_is_counted(
    api: DevServer, spool: Path, change: str, lost: int
) -> None:
    die_while_away(api, spool, TEN + KILL)
    damaged(spool, change)
    with heir(api, spool) as processor:
        end(processor, "own")
        assert settled(processor, 10)
        assert comes_true(lambda: emptied(spool))
        stats = processor.stats()
    assert emptied(spool, own=0)
    assert len(names(api)) == 11 - lost + change.startswith("INSERT INTO parked")
    assert "own" in names(api)
    assert stats.dropped == ({"spool_failed": lost} if lost else {})
    assert stats.worker_restarts == 0


def test_a_file_of_another_version_is_left_alone(
    api: DevServer, spool: Path, caplog: pytest.LogCaptureFixture
) -> None:
    die_while_away(api, spool, TEN + KILL)
    damaged(spool, "PRAGMA user_version=99")
    [path] = folder.files(spool)
    with heir(api, spool) as processor:
        end(processor, "own")
        assert processor.force_flush()
    assert path.exists()
    assert names(api) == ["own"]
    assert len(lines(caplog, "another version")) == 1


@pytest.mark.parametrize(
    "words", [["list"], ["list", "--json"], ["show"], ["replay"], ["clear", "--yes"]], ids=" ".join
)
def test_a_folder_in_which_no_process_has_had_a_spool_is_told_from_an_empty_one(
    words: list[str], api: DevServer, spool: Path, tmp_path: Path
) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.png").touch()
    done = run_command("spool", *words, str(tmp_path / "photos"), **account(api))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"There is no spool in {tmp_path / 'photos'}: ")
    assert done.stderr.count("\n") == 1
    with heir(api, spool):
        pass
    assert run_command("spool", *words, str(spool), **account(api)).returncode == 0


def test_a_file_that_was_set_aside_is_listed_and_cleared(api: DevServer, spool: Path) -> None:
    spool.mkdir(mode=0o700)
    (spool / "1-rubbish.spool").write_bytes(b"not a database, surely not" * 100)
    with heir(api, spool):
        assert comes_true(lambda: (spool / "1-rubbish.unreadable").exists())
    [listed] = json.loads(run_command("spool", "list", str(spool), "--json").stdout)
    assert (listed["file"], listed["owner"]) == ("1-rubbish.unreadable", "set aside")
    assert run_command("spool", "clear", str(spool), "--yes").returncode == 0
    assert not list(spool.glob("1-rubbish*"))


@pytest.mark.parametrize("free", [0, 1, 2, 3])
def test_a_process_without_file_descriptors_leaves_files_as_they_are(
    api: DevServer, spool: Path, free: int
) -> None:
    die_while_away(api, spool, TEN + KILL)
    source = f"""
import os, resource
from pathlib import Path
from prefactor_otel.errors import SpoolError
from prefactor_otel.spool import folder

resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
held = []
try:
    while True:
        held.append(os.open("/dev/null", os.O_RDONLY))
except OSError:
    pass
for _ in range({free}):
    os.close(held.pop())
try:
    for found in folder.dead(Path({str(spool)!r})):
        if not isinstance(found, SpoolError):
            found.close()
except SpoolError as error:
    assert not error.damaged
"""
    ended = run_script(source, NOWHERE)
    assert (ended.code, ended.stderr) == (0, "")
    with heir(api, spool) as processor:
        assert settled(processor, 10)
    assert len(names(api)) == 10


# -- a full disk --------------------------------------------------------------------------------


def fill(disk: Path) -> Path:
    filler = disk.parent / "disk" / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (4096, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                continue
    return filler


def test_a_process_that_starts_on_a_full_disk_begins_to_spool_when_there_is_room(
    api: DevServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with small_disk(tmp_path / "disk", "3m") as disk:
        spool = disk / "spool"
        spool.mkdir(mode=0o700)
        filler = fill(disk)
        with heir(api, spool) as processor:
            end(processor, "own")
            assert processor.force_flush()
            assert not processor.stats().spooling
            assert folder.files(spool) == []
            filler.unlink()
            assert comes_true(lambda: not lags(processor))
    assert names(api) == ["own"]
    assert len(lines(caplog, "The spool failed")) == 1
    assert len(lines(caplog, "The spool works again")) == 1


OPEN = """
root = tracer.start_as_current_span("open")
root.__enter__()
for n in range(20):
    tracer.start_span(f"n{n}", attributes={"input.value": "x" * 3000}).end()
stock = Stock()
stock.add_span_processor(SimpleSpanProcessor(PrefactorExporter()))
parent = stock.get_tracer("agent").start_as_current_span("parent")
parent.__enter__()
stock.get_tracer("agent").start_span("waits for its parent").end()
processor.force_flush()
"""
LEFT = sorted(["open", "waits for its parent", *(f"n{n}" for n in range(20))])


def leave_on_full_disk(api: DevServer, disk: Path) -> Path:
    """A folder with all that a dead process can leave, on a disk without a free byte."""
    source = "from opentelemetry.sdk.trace import TracerProvider as Stock\n" + OPEN + KILL
    die_while_away(api, disk / "spool", source, DOORS[0])
    fill(disk)
    return disk / "spool"


def test_a_replay_needs_no_room_on_the_disk(api: DevServer, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "3m") as disk:
        spool = leave_on_full_disk(api, disk)
        done = run_command("spool", "replay", str(spool), **account(api))
        assert (done.returncode, done.stdout) == (0, "22 of 22 spans sent.\n"), done.stderr
        assert folder.files(spool) == []
    assert names(api) == LEFT
    assert {run["status"] for run in api.instances()} == {"failed"}
    assert "active" not in {row["status"] for row in api.spans()}


def test_a_living_process_sends_what_fills_its_disk_and_then_spools(
    api: DevServer, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "disk", "3m") as disk:
        spool = leave_on_full_disk(api, disk)
        with heir(api, spool) as processor:
            end(processor, "own")
            assert settled(processor, 22)
            assert comes_true(lambda: not lags(processor))
            stats = processor.stats()
        assert (stats.dropped, stats.worker_restarts) == ({}, 0)
        assert stats.acknowledged == stats.adopted + 1 == 23
    assert names(api) == sorted([*LEFT, "own"])


def test_a_full_disk_holds_on_to_what_a_process_that_overflows_cannot_send(
    api: DevServer, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "disk", "3m") as disk:
        spool = leave_on_full_disk(api, disk)
        api.faults.add(path="/bulk", status=503, times=None)
        with heir(api, spool, max_queue_size=5, shutdown_timeout=1) as processor:
            assert comes_true(lambda: processor.stats().adopted)
            end(processor, *(f"own {n}" for n in range(20)))
            assert comes_true(lambda: processor.stats().dropped)
        assert not api.spans()
        api.faults.clear()
        done = run_command("spool", "replay", str(spool), **account(api))
        assert (done.returncode, done.stdout) == (0, "22 of 22 spans sent.\n"), done.stderr
    assert names(api) == LEFT


def test_what_another_account_left_for_too_long_is_deleted_from_a_full_disk(
    api: DevServer, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "disk", "3m") as disk:
        spool = leave_on_full_disk(api, disk)
        other = account(api) | {"PREFACTOR_API_TOKEN": "pf_another_account"}
        done = run_command(
            "spool", "replay", str(spool), **other, PREFACTOR_SPOOL_MAX_AGE="0.000001"
        )
        assert "expired" in done.stdout, done
        assert folder.files(spool) == []
    assert names(api) == []


def account(api: DevServer) -> dict[str, str]:
    return {"PREFACTOR_API_URL": api.url, "PREFACTOR_API_TOKEN": api.token}


def another_version(spool: Path) -> str:
    damaged(spool, "PRAGMA user_version=99")
    return "another version"


def no_database(spool: Path) -> str:
    (spool / "1-rubbish.spool").write_bytes(b"not a database, surely not" * 100)
    return "1-rubbish.unreadable"


def no_folder(spool: Path) -> str:
    (spool / "1-folder.spool").mkdir()
    return "1-folder.spool"


@pytest.mark.parametrize("spoil", [another_version, no_database, no_folder])
def test_a_replay_tells_what_it_could_not_do_and_fails(
    api: DevServer, spool: Path, spoil: Callable[[Path], str]
) -> None:
    die_while_away(api, spool, TEN + KILL)
    said = spoil(spool)
    done = run_command("spool", "replay", str(spool), **account(api))
    assert done.returncode == 1
    assert said in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert len(names(api)) == (0 if spoil is another_version else 10)


def test_a_disk_that_is_read_only_lets_nothing_be_done_which_is_said(
    api: DevServer, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "disk", "3m") as disk:
        spool = disk / "spool"
        die_while_away(api, spool, TEN + KILL)
        (spool / "1-rubbish.unreadable").write_bytes(b"set aside")
        [path] = folder.files(spool)
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        replayed = run_command("spool", "replay", str(spool), **account(api))
        cleared = run_command("spool", "clear", str(spool), "--yes")
        assert (replayed.returncode, replayed.stdout) == (1, "0 of 0 spans sent.\n")
        assert f"not read: {path}: " in replayed.stderr
        assert (cleared.returncode, cleared.stdout) == (1, "0 files deleted.\n")
        assert cleared.stderr.count("not deleted: ") == 2
    assert names(api) == []


SENDING_FAILS = """
import asyncio, sys
from prefactor_otel.cli import main

async def fail():
    raise RuntimeError("the prompt")

def task_of(loop, work, **options):
    if work.__qualname__ == "Sender.run":
        work.close()
        work = fail()
    return asyncio.Task(work, loop=loop, **options)

class Policy(asyncio.DefaultEventLoopPolicy):
    def new_event_loop(self):
        loop = super().new_event_loop()
        loop.set_task_factory(task_of)
        return loop

asyncio.set_event_loop_policy(Policy())
main()
"""


def test_a_replay_in_which_nobody_sends_any_more_says_so_and_ends(
    api: DevServer, spool: Path
) -> None:
    die_while_away(api, spool, TEN + KILL)
    done = subprocess.run(
        [sys.executable, "-c", SENDING_FAILS, "spool", "replay", str(spool)],
        env=clean(**account(api)),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "0 of 10 spans sent.\n")
    assert "10 spans in 1 file left: the sending failed by RuntimeError" in done.stderr
    assert "Traceback" not in done.stderr
    assert "the prompt" not in done.stderr


def test_a_replay_without_an_api_tells_what_is_left_and_fails(api: DevServer, spool: Path) -> None:
    die_while_away(api, spool, TEN + KILL)
    refused = account(api) | {"PREFACTOR_API_TOKEN": "pf_a_wrong_token"}
    done = run_command("spool", "replay", str(spool), "--all", **refused)
    assert (done.returncode, done.stdout) == (1, "0 of 10 spans sent.\n")
    assert "10 spans in 1 file left: HTTP 401" in done.stderr


def test_a_file_that_cannot_be_taken_over_on_a_full_disk_is_let_go_as_it_was(
    api: DevServer, tmp_path: Path
) -> None:
    body = """
from opentelemetry.sdk.trace import TracerProvider as Stock
provider = Stock()
provider.add_span_processor(SimpleSpanProcessor(PrefactorExporter()))
tracer = provider.get_tracer("agent")
root = tracer.start_as_current_span("root")
root.__enter__()
for n in range(50):
    tracer.start_span(f"n{n}", attributes={"input.value": "x" * 3000}).end()
"""
    with small_disk(tmp_path / "disk", "3m") as disk:
        spool = disk / "spool"
        die_while_away(api, spool, body + KILL)
        filler = fill(disk)
        os.truncate(filler, filler.stat().st_size - 2**16)  # enough to look into it
        troubles = []
        for found in folder.dead(spool):
            if isinstance(found, SpoolError):
                troubles.append(found)
                continue
            try:
                recover(found, time.time())
                found.commit()
            except SpoolError as error:
                troubles.append(error)
            found.abandon()
        assert [error.damaged for error in troubles].count(False) == len(troubles) > 0
        filler.unlink()
        with heir(api, spool) as processor:
            assert settled(processor, 50)
    assert len(names(api)) == 50


@pytest.mark.parametrize("room_again", [True, False])
def test_what_a_full_disk_did_not_take_is_counted_or_written_when_there_is_room(
    api: DevServer, tmp_path: Path, room_again: bool
) -> None:
    api.stop()
    with small_disk(tmp_path / "disk", "2m") as disk:
        spool = disk / "spool"
        processor = PrefactorSpanProcessor(
            api.url, api.token, spool_dir=spool, shutdown_timeout=0.5
        )
        end(processor, *[f"early {n}" for n in range(50)])
        assert processor.force_flush()
        filler = fill(disk)
        end(processor, *[f"late {n}" for n in range(100)], text="y" * 3000)
        assert not processor.force_flush(300)
        assert not processor.stats().spooling
        if room_again:
            filler.unlink()
            assert comes_true(lambda: not lags(processor))
        processor.shutdown()
        stats = processor.stats()
        assert stats.waiting + stats.dropped.get("shutdown_timeout", 0) == 150
        assert (stats.waiting == 150) is room_again
        assert stats.waiting >= 50
        filler.unlink(missing_ok=True)
        api.start()
        with heir(api, spool) as processor:
            assert settled(processor, stats.waiting)
        assert len(names(api)) == stats.waiting


def lags(processor: PrefactorSpanProcessor) -> bool:
    processor.force_flush(100)
    return not processor.stats().spooling


# -- files that are gone ------------------------------------------------------------------------


def nothing_left(spool: Path) -> None:
    shutil.rmtree(spool)


def without_log(spool: Path) -> None:
    for each in spool.glob("*-wal"):
        each.unlink()


def without_database(spool: Path) -> None:
    for each in spool.glob("*.spool"):
        each.unlink()


@pytest.mark.parametrize("removed", [nothing_left, without_log, without_database])
def test_files_removed_under_a_living_process_are_made_again_with_what_waits(
    api: DevServer, spool: Path, removed: object, caplog: pytest.LogCaptureFixture
) -> None:
    assert callable(removed)
    api.stop()
    processor = PrefactorSpanProcessor(
        api.url, api.token, spool_dir=spool, shutdown_timeout=0.5, max_queue_size=10
    )
    for n in range(30):
        end(processor, f"before {n}")
        assert processor.force_flush()
    removed(spool)
    assert processor.force_flush()
    end(processor, "after")
    assert processor.force_flush()
    assert processor.stats().spooling
    processor.shutdown()
    assert processor.stats().waiting == 31
    api.start()
    with heir(api, spool) as processor:
        assert settled(processor, 31)
        assert processor.stats().acknowledged == len(names(api)) == 31
    assert len(lines(caplog, "was removed")) == 1


def test_nothing_is_promised_of_files_that_are_gone_for_good(
    spool: Path, caplog: pytest.LogCaptureFixture
) -> None:
    processor = PrefactorSpanProcessor(NOWHERE, "pf_token", spool_dir=spool, shutdown_timeout=0.5)
    end(processor, "a", "b")
    assert processor.force_flush()
    shutil.rmtree(spool)
    spool.write_text("in the way")
    assert not processor.force_flush(300)
    assert not processor.stats().spooling
    processor.shutdown()
    assert processor.stats().dropped == {"shutdown_timeout": 2}
    assert not lines(caplog, "not delivered yet")


def test_a_folder_stays_where_it_is_when_the_application_goes_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/somewhere")
    assert load_config(None, "pf_token", spool_dir="a/b").spool_dir == tmp_path / "a" / "b"
    assert load_config(None, "pf_token", spool_dir="~/b").spool_dir == Path("/somewhere/b")


# -- whose it is --------------------------------------------------------------------------------


def test_spans_of_another_account_are_left_to_it(
    api: DevServer, spool: Path, caplog: pytest.LogCaptureFixture
) -> None:
    api.stop()
    source = AGENT.replace("DOOR", DOORS[1]) + TEN + KILL
    run_script(source, api.url, "pf_another_account", PREFACTOR_SPOOL_DIR=str(spool))
    api.start()
    [path] = folder.files(spool)
    with heir(api, spool) as processor:
        assert comes_true(lambda: lines(caplog, "of another account or token"))
        assert processor.stats().adopted == 0
    assert path.exists()
    assert b"another_account" not in path.read_bytes()
    assert len(lines(caplog, "of another account or token")) == 1
    assert f"prefactor-otel spool replay {spool}" in lines(caplog, "of another account")[0]

    mine = {"PREFACTOR_API_URL": api.url, "PREFACTOR_API_TOKEN": api.token}
    passed = run_command("spool", "replay", str(spool), **mine)
    assert (passed.returncode, names(api)) == (0, [])
    assert "10 spans of another account or token left" in passed.stderr
    done = run_command("spool", "replay", str(spool), "--all", **mine)
    assert (done.returncode, len(names(api))) == (0, 10), done.stderr


def test_spans_for_another_address_are_left_to_it(api: DevServer, spool: Path) -> None:
    with DevServer(token=api.token) as other:
        die_while_away(other, spool, TEN + KILL)
        with heir(api, spool) as processor:
            end(processor, "own")
            assert processor.force_flush()
            assert processor.stats().adopted == 0
        assert names(api) == ["own"]
        with heir(other, spool):
            assert other.wait_until(lambda other: len(names(other)) == 10)


def test_what_waits_for_another_account_for_too_long_is_dropped_and_counted(
    api: DevServer, spool: Path
) -> None:
    api.stop()
    source = AGENT.replace("DOOR", DOORS[1]) + TEN + KILL
    run_script(source, api.url, "pf_another_account", PREFACTOR_SPOOL_DIR=str(spool))
    api.start()
    with heir(api, spool, spool_max_age=1e-6) as processor:
        assert settled(processor, 10)
        assert processor.stats().dropped == {"expired": 10}
        assert comes_true(lambda: emptied(spool))
    assert emptied(spool, own=0)


def test_a_renewed_token_sends_what_the_same_agent_has_left(tmp_path: Path, spool: Path) -> None:
    source = AGENT.replace("DOOR", DOORS[0]) + (
        "tracer.start_span('before').end()\nprocessor.force_flush()\nprint('up', flush=True)\n"
        "sys.stdin.readline()\ntracer.start_span('after').end()\nprocessor.force_flush(1000)" + KILL
    )
    with DevServer(db=tmp_path / "api.db", token="pf_first_token") as api:
        port = int(api.url.rpartition(":")[2])
        process = subprocess.Popen(
            [sys.executable, "-c", source],
            env=environment_of(api.url, api.token) | {"PREFACTOR_SPOOL_DIR": str(spool)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
    process.communicate("go on\n", timeout=PATIENCE)
    with DevServer(db=tmp_path / "api.db", port=port, token="pf_second_token") as api:
        with heir(api, spool):
            assert api.wait_until(lambda api: names(api) == ["after", "before"])
            assert comes_true(lambda: emptied(spool))
        assert emptied(spool, own=0)


def test_a_token_from_a_function_owns_what_was_left_with_it(api: DevServer, spool: Path) -> None:
    door = "SimpleSpanProcessor(PrefactorExporter(api_token=lambda: os.environ['TOKEN']))"
    die_while_away(api, spool, TEN + KILL, door, TOKEN=api.token)
    with heir(api, spool) as processor:
        assert settled(processor, 10)
    assert len(names(api)) == 10
