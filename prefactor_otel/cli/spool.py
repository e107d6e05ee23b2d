"""``prefactor-otel spool``: what waits on disk, and sending or deleting what the dead have left."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import orjson
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Column, Table

from prefactor_otel import clock
from prefactor_otel.cli.terminal import new_console
from prefactor_otel.config.options import Config, load_config, variable_of
from prefactor_otel.delivery.budget import Budget
from prefactor_otel.delivery.client import ApiClient
from prefactor_otel.delivery.disk import REFILL
from prefactor_otel.delivery.operation import Item
from prefactor_otel.delivery.outbox import Outbox
from prefactor_otel.delivery.sender import Sender
from prefactor_otel.errors import PrefactorConfigError, SpoolError
from prefactor_otel.spool import folder
from prefactor_otel.spool.adoption import Adoption
from prefactor_otel.spool.database import remove, size_of
from prefactor_otel.spool.file import SpoolFile
from prefactor_otel.spool.identity import Identity
from prefactor_otel.stats.counters import Counters, Stats
from prefactor_otel.stats.log import QuietLog, place_of
from prefactor_otel.words import counted

REPLAY_TROUBLE: Final = 20.0
"""Seconds that a replay tries on while the API fails."""
_LOOK: Final = 0.05


@dataclass(frozen=True, slots=True)
class Found:
    """A file of the spool. What it holds is known of those whose owner has died; ``api`` is the
    address that its spans are for."""

    file: str
    owner: str
    bytes: int
    api: str | None = None
    runs: int | None = None
    items: int | None = None
    spans: int | None = None
    oldest: float | None = None


def run_list(path: Path, *, as_json: bool) -> int:
    """Print the files. Raises ``SpoolError`` for a folder that cannot be read, as all of these."""
    found = [_look_into(each) for each in _files(path)]
    found += [Found(each.name, "set aside", size_of(each)) for each in folder.aside(path)]
    if as_json:
        print(orjson.dumps([asdict(each) for each in found]).decode())
        return 0
    heads = ("file", "owner", "runs", "items", "spans", "bytes", "oldest", "for")
    table = Table(*(Column(head, overflow="fold") for head in heads))
    for each in found:
        counts = (str(n) if n is not None else "" for n in (each.runs, each.items, each.spans))
        shown = (*counts, str(each.bytes), _age(each.oldest), each.api or "")
        table.add_row(each.file, each.owner, *shown)
    console = new_console()
    if found:
        console.print(table)
    else:
        console.print(f"Nothing waits in {path}.", markup=False, soft_wrap=True)
    return 0


def run_show(path: Path, *, payloads: bool, as_json: bool) -> int:
    """Print what the files of the dead hold, in the order in which it will be sent."""
    rows = [row for file in _dead(path) for row in _rows(file, payloads=payloads)]
    if as_json:
        print(orjson.dumps(rows).decode())
        return 0
    console = new_console()
    if not rows:
        console.print(f"Nothing of the dead waits in {path}.", markup=False, soft_wrap=True)
    for row in rows:
        payload = row.pop("payload", None)
        console.print("  ".join(str(value) for value in row.values()), markup=False, soft_wrap=True)
        if payload is not None:
            console.print_json(orjson.dumps(payload).decode())
    return 0


def run_clear(path: Path, *, sure: bool) -> int:
    """Delete the files of the dead, and those set aside; only with ``sure``. The exit code is 1
    when one is left."""
    troubles: list[SpoolError] = []
    found = [file.path for file in _dead(path, troubles.append, delete=sure)]
    aside = folder.aside(path)
    found += aside
    if not sure and found:
        print(f"{counted(len(found), 'file')} would be deleted, with what they hold: say --yes.")
        return 1
    for each in aside:
        remove(each)
    left = [each for each in found if each.exists()]
    print(f"{counted(len(found) - len(left), 'file')} deleted.")
    for trouble in (*troubles, *left):
        print(f"not deleted: {trouble}", file=sys.stderr)
    return 1 if troubles or left else 0


def run_replay(path: Path, *, everyones: bool) -> int:
    """Send what the dead have left, of the account whose settings these are or with ``everyones``
    of all; the exit code is 0 when nothing of it is left, and 1 when it is, which is said."""
    try:
        config = load_config()
    except PrefactorConfigError as error:
        print(error, file=sys.stderr)
        return 2
    if config.api_token is None:
        print(f"No API token: set {variable_of('api_token')}.", file=sys.stderr)
        return 2
    identity = Identity(config.api_url, config.api_token, config.agent_id)
    before, aside = _waiting(path, identity, everyones=everyones), folder.aside(path)
    stats = asyncio.run(_replayed(path, config, identity, before.spans, everyones=everyones))
    left = _waiting(path, identity, everyones=everyones)
    dropped = "".join(f", {count} dropped ({reason})" for reason, count in stats.dropped.items())
    print(f"{stats.acknowledged} of {counted(before.spans, 'span')} sent{dropped}.")
    if left.others:
        print(
            f"{counted(left.others, 'span')} of another account or token left: use that one's "
            "settings, or --all if it is an earlier token of this account.",
            file=sys.stderr,
        )
    undone = [f"not read: {trouble}" for trouble in left.troubles]
    undone += [
        f"not sent: {each}, which is damaged and was set aside"
        for each in folder.aside(path)
        if each not in aside
    ]
    if left.files:
        where = f"{counted(left.spans, 'span')} in {counted(left.files, 'file')}"
        undone.append(f"{where} left: {stats.last_error}")
    for each in undone:
        print(each, file=sys.stderr)
    return 1 if undone else 0


@dataclass(slots=True)
class Waiting:
    """What the dead have left: the files that are to be sent and their spans, those included that
    were open; the spans of other accounts; and why files cannot be read."""

    files: int = 0
    spans: int = 0
    others: int = 0
    troubles: list[SpoolError] = field(default_factory=list)


def _waiting(path: Path, identity: Identity, *, everyones: bool) -> Waiting:
    found = Waiting()
    for file in _dead(path, found.troubles.append):
        if everyones or identity.owns(file.owner()):
            found.files += 1
            found.spans += file.spans() + len(file.opened_spans())
        else:
            found.others += file.spans()
    return found


async def _replayed(
    path: Path, config: Config, identity: Identity, spans: int, *, everyones: bool
) -> Stats:
    counters, log = Counters(), QuietLog()
    budget = Budget(config.max_queue_size, config.max_queue_bytes)
    outbox = Outbox(budget, counters, log, config.max_batch_size, config.max_request_bytes)
    sender = Sender(
        outbox,
        counters,
        log,
        max_batch_size=config.max_batch_size,
        max_request_bytes=config.max_request_bytes,
        token=identity.token,
        probe_interval=config.probe_interval,
        terminated=lambda run, reason: None,  # its process is gone
    )
    adoption = Adoption(
        *(path, identity, outbox, sender.runs, counters, log),
        max_bytes=config.spool_max_bytes,
        max_age=config.spool_max_age,
        everyones=everyones,
    )
    outbox.more = adoption.step
    async with ApiClient(config.api_url, request_timeout=config.request_timeout) as client:
        sending = asyncio.create_task(sender.run(client))
        with _progress() as progress:
            bar = progress.add_task("spans", total=spans)
            async for _ in _until_done(sender, sending, outbox, adoption):
                progress.update(bar, completed=counters.settled)
        adoption.closing = True
        sending.cancel()
        [ended_by] = await asyncio.gather(sending, return_exceptions=True)
        if isinstance(ended_by, Exception):
            counters.trouble(f"the sending failed by {place_of(ended_by)}")
    adoption.close()
    return counters.snapshot(state="closed")


async def _until_done(
    sender: Sender, sending: "asyncio.Task[None]", outbox: Outbox, adoption: Adoption
) -> AsyncIterator[None]:
    """Keep the sender supplied until nothing is left, nobody sends any more, or the API has failed
    for too long."""
    well = time.monotonic()
    while True:
        adoption.step()
        yield
        if sending.done() or (not len(outbox) and adoption.is_idle):
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
    if not folder.is_spool(path):
        raise SpoolError(f"There is no spool in {path}: no process has had that as its spool_dir")
    return folder.files(path)


def _pass_over(error: SpoolError) -> None:
    print(f"passed over: {error}", file=sys.stderr)


def _dead(
    path: Path, failed: Callable[[SpoolError], None] = _pass_over, *, delete: bool = False
) -> Iterator[SpoolFile]:
    """The files that nobody holds, each open and locked while it is looked at; ``failed`` is told
    of those that cannot be opened."""
    for each in _files(path):
        try:
            file = SpoolFile(each)
        except SpoolError as error:
            if not error.in_use and each.exists():
                failed(error)
            continue
        try:
            yield file
        finally:
            file.close(delete=delete)


def _look_into(path: Path) -> Found:
    size = folder.size_on_disk(path)
    try:
        file = SpoolFile(path)
    except SpoolError as error:
        return Found(path.name, "living" if error.in_use else "unreadable", size)
    owner = file.owner()
    found = Found(
        *(path.name, "dead", size, owner.address if owner else None),
        *(len(file.runs()), file.count(), file.spans(), file.oldest()),
    )
    file.close()
    return found


def _rows(file: SpoolFile, *, payloads: bool) -> Iterator[dict[str, Any]]:
    reached = 0
    while (reading := file.read(reached, REFILL)).reached != reached:
        for stored in reading.rows:
            yield _shown(file, stored.at, stored.item, "ready", payloads=payloads)
        reached = reading.reached
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
    if at is None:
        return ""
    try:
        return str(timedelta(seconds=round(clock.now() - at)))
    except OverflowError:  # a clock that was never set
        return "unknown"
