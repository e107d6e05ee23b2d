"""Server-sent events: runs, and the spans of one, as they change.

A listener is a number, that of the last change that he was told of. He is told the rest from the
store, as fast as he takes it, and each row once however often it has changed meanwhile; so a slow
one costs nobody anything. Without listeners nothing is done at all.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Final

import orjson

from prefactor_otel.devserver import pages
from prefactor_otel.devserver.account import Account

PAUSE: Final = 0.25
"""Seconds between two looks at what has changed: a run is told at most four times a second."""
_ELSEWHERE: Final = 1.0
"""Seconds until a listener looks for what another server on the same file has changed."""
_ALIVE: Final = 15.0
_BATCH: Final = 500


class Feed:
    """Made and used on the server's loop; only ``wake`` may be called from any thread."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._loop = asyncio.get_running_loop()
        self._waiting: set[asyncio.Event] = set()
        self._is_open = True

    def wake(self) -> None:
        """Something may have changed."""
        if self._waiting:
            with suppress(RuntimeError):  # the loop has ended meanwhile
                self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        for each in self._waiting:
            each.set()

    def close(self) -> None:
        """End what is being told. Call it on the loop."""
        self._is_open = False
        self._wake()

    async def events(self, run: str | None, last: str | None) -> AsyncIterator[bytes]:
        """What changes from now on, or from the last event that was heard; a comment where it is
        silent for long. It goes on until the server stops, or whoever listens does."""
        told, changed = self._begin(last), asyncio.Event()
        if told is None:
            told = self._now()
            yield _event("reset", told, {})
        yield b"retry: 1000\nid: %d\n\n" % told
        spoken = self._loop.time()
        self._waiting.add(changed)
        try:
            while self._is_open:
                changed.clear()
                batch, told, is_all = self._since(told, run)
                if not batch and self._loop.time() - spoken >= _ALIVE:
                    batch = b": alive\n\n"
                if batch:
                    yield batch
                    spoken = self._loop.time()
                if is_all:
                    await asyncio.sleep(PAUSE)
                    with suppress(TimeoutError):
                        await asyncio.wait_for(changed.wait(), _ELSEWHERE)
        finally:
            self._waiting.discard(changed)

    def _now(self) -> int:
        with self._account.store.transaction():
            return pages.last_change(self._account.store)

    def _begin(self, last: str | None) -> int | None:
        """The number to go on from; None where the one that was heard is not of this server."""
        now = self._now()
        if last is None:
            return now
        is_ours = last.isascii() and last.isdigit() and len(last) < 19 and int(last) <= now
        return int(last) if is_ours else None

    def _since(self, told: int, run: str | None) -> tuple[bytes, int, bool]:
        """What has changed since, up to which change that tells, and whether that is all."""
        store = self._account.store
        with store.transaction():
            spans = store.rows(
                "SELECT changed, outline FROM span_outline"
                " WHERE agent_instance_id = ? AND changed > ? ORDER BY changed LIMIT ?",
                *(run or "", told, _BATCH),
            )
            runs = pages.changed_runs(store, told, _BATCH)
        # Of what is cut off the rest comes next, so neither may be told beyond the other's cut.
        ends = [rows[-1]["changed"] for rows in (spans, runs) if len(rows) == _BATCH]
        end = min(ends) if ends else max([told, *(row["changed"] for row in (*spans, *runs))])
        # Who was cut off behind a span hears it again, with its run, that has the same number.
        events = [(r["changed"], 0, _event("span", r["changed"] - 1, r["outline"])) for r in spans]
        events += [(r["changed"], 1, _event("run", r["changed"], pages.run_row(r))) for r in runs]
        shown = [event for number, _, event in sorted(events) if number <= end]
        return b"".join(shown), end, not ends


def _event(name: str, number: int, data: object) -> bytes:
    text = data.encode() if isinstance(data, str) else orjson.dumps(data)
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (number, name.encode(), text)
