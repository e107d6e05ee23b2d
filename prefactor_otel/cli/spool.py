"""``prefactor-otel spool``: what waits on disk, and sending or deleting what the dead have left."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import orjson
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from prefactor_otel.client import new_client
from prefactor_otel.config import Config, load_config, variable_of
from prefactor_otel.errors import PrefactorConfigError, SpoolError
from prefactor_otel.items import Item
from prefactor_otel.ledger import Ledger, QuietLog, Stats
from prefactor_otel.line import REFILL
from prefactor_otel.outbox import Outbox
from prefactor_otel.sender import Sender
from prefactor_otel.spool import folder
from prefactor_otel.spool.adoption import Adoption
from prefactor_otel.spool.file import SpoolFile

REPLAY_TROUBLE: Final = 20.0
"""Seconds that a replay tries on while the API fails."""
_LOOK: Final = 0.05


@dataclass(frozen=True, slots=True)
class Found:
    """A file of the spool. What it holds is known of those whose owner has died."""

    file: str
    owner: str
    bytes: int
    runs: int | None = None
    items: int | None = None
    spans: int | None = None
    oldest: float | None = None


def run_list(path: Path, *, as_json: bool) -> int:
    """Print the files. Raises ``SpoolError`` for a folder that cannot be read, as all of these."""
    found = [_look_into(each) for each in _files(path)]
    if as_json:
        print(orjson.dumps([asdict(each) for each in found]).decode())
        return 0
    table = Table("file", "owner", "runs", "items", "spans", "bytes", "oldest")
    for each in found:
        counts = (str(n) if n is not None else "" for n in (each.runs, each.items, each.spans))
        table.add_row(each.file, each.owner, *counts, str(each.bytes), _age(each.oldest))
    Console().print(table if found else f"Nothing waits in {path}.")
    return 0


def run_show(path: Path, *, payloads: bool, as_json: bool) -> int:
    """Print what the files of the dead hold, in the order in which it will be sent."""
    rows = [row for file in _dead(path) for row in _rows(file, payloads=payloads)]
    if as_json:
        print(orjson.dumps(rows).decode())
        return 0
    console = Console()
    for row in rows:
        payload = row.pop("payload", None)
        console.print("  ".join(str(value) for value in row.values()), markup=False, soft_wrap=True)
        if payload is not None:
            console.print_json(orjson.dumps(payload).decode())
    return 0


def run_clear(path: Path, *, sure: bool) -> int:
    """Delete the files of the dead, and those set aside; only with ``sure``."""
    dead = [file.path for file in _dead(path, delete=sure)]
    aside = sorted(path.glob(f"*{folder.UNREADABLE}*"))
    if not sure and (dead or aside):
        print(f"{len(dead) + len(aside)} files would be deleted, with what they hold: say --yes.")
        return 1
    for each in aside:
        each.unlink(missing_ok=True)
    print(f"{len(dead) + len(aside)} files deleted.")
    return 0


def run_replay(path: Path) -> int:
    """Send what the dead have left; the exit code is 0 when nothing of it is left."""
    try:
        config = load_config()
    except PrefactorConfigError as error:
        print(error, file=sys.stderr)
        return 2
    if config.api_token is None:
        print(f"No API token: set {variable_of('api_token')}.", file=sys.stderr)
        return 2
    spans = sum(file.spans() for file in _dead(path))
    stats = asyncio.run(_replayed(path, config, spans))
    left = sum(file.spans() for file in _dead(path))
    dropped = "".join(f", {count} dropped ({reason})" for reason, count in stats.dropped.items())
    print(f"{stats.acknowledged} of {spans} spans sent{dropped}.")
    if left:
        print(f"{left} are left: {stats.last_error}", file=sys.stderr)
    return 1 if left else 0


async def _replayed(path: Path, config: Config, spans: int) -> Stats:
    assert config.api_token is not None
    ledger, log = Ledger(), QuietLog()
    outbox = Outbox(config.max_queue_size, config.max_queue_bytes, ledger, log)
    sender = Sender(
        outbox,
        ledger,
        log,
        max_batch_size=config.max_batch_size,
        max_request_bytes=config.max_request_bytes,
        token=config.api_token,
        probe_interval=config.probe_interval,
        terminated=lambda run, reason: None,  # its process is gone
    )
    max_bytes, max_age = config.spool_max_bytes, config.spool_max_age
    adoption = Adoption(
        path, outbox, sender.runs, ledger, log, max_bytes=max_bytes, max_age=max_age
    )
    outbox.more = adoption.step
    async with new_client(config) as client:
        sending = asyncio.create_task(sender.run(client))
        with _progress() as progress:
            bar = progress.add_task("spans", total=spans)
            async for _ in _until_done(sender, outbox, adoption):
                progress.update(bar, completed=ledger.settled)
        adoption.closing = True
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
    adoption.close()
    return ledger.snapshot(state="closed")


async def _until_done(sender: Sender, outbox: Outbox, adoption: Adoption) -> AsyncIterator[None]:
    """Keep the sender supplied until nothing is left, or the API has failed for too long."""
    well = time.monotonic()
    while True:
        adoption.step()
        yield
        if not len(outbox) and adoption.is_idle:
            return
        if not sender.failing:
            well = time.monotonic()
        if sender.paused or time.monotonic() - well > REPLAY_TROUBLE:
            return
        sender.wake()
        await asyncio.sleep(_LOOK)


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True))


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        raise SpoolError(f"{path} is no folder")
    return folder.files(path)


def _dead(path: Path, *, delete: bool = False) -> Iterator[SpoolFile]:
    """The files that nobody holds, each open and locked while it is looked at."""
    for each in _files(path):
        try:
            file = SpoolFile(each)
        except SpoolError as error:
            if not error.in_use:
                print(f"passed over: {error}", file=sys.stderr)
            continue
        yield file
        file.close(delete=delete)


def _look_into(path: Path) -> Found:
    size = folder.size_on_disk(path)
    try:
        file = SpoolFile(path)
    except SpoolError as error:
        return Found(path.name, "living" if error.in_use else "unreadable", size)
    oldest = file.read(0, 1)
    found = Found(
        *(path.name, "dead", size, len(file.runs()), file.count(), file.spans()),
        oldest=oldest[0].at if oldest else None,
    )
    file.close()
    return found


def _rows(file: SpoolFile, *, payloads: bool) -> Iterator[dict[str, Any]]:
    reached = 0
    while rows := file.read(reached, REFILL):
        for stored in rows:
            yield _shown(file, stored.at, stored.item, "ready", payloads=payloads)
        reached = rows[-1].seq
    for parked in file.parked_rows():
        yield _shown(file, parked.at, parked.item, "waits for its parent", payloads=payloads)


def _shown(file: SpoolFile, at: float, item: Item, state: str, *, payloads: bool) -> dict[str, Any]:
    details: dict[str, Any] = orjson.loads(b"{" + item.body + b"}")
    shown = {
        "file": file.path.name,
        "age": _age(at),
        "run": item.run[:8],
        "operation": item.operation.value,
        "type": details.get("schema_name", ""),
        "status": details.get("status", ""),
        "bytes": len(item.body),
        "state": state,
    }
    return shown | ({"payload": details} if payloads else {})


def _age(at: float | None) -> str:
    return str(timedelta(seconds=round(time.time() - at))) if at is not None else ""
