"""Large requests, which take longer than senders wait: who has not heard in time sends the same
again, and that goes on where the first is, or was refused."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

_KNOWN_FOR: Final = 120.0
"""Seconds after which what was taken of a request is forgotten, if it has not come again."""
_MOST: Final = 256


class Sent(NamedTuple):
    """A request as it came: what names it and no other, and what it holds while it is taken."""

    name: Callable[[], bytes]
    held: ExitStack


@dataclass(slots=True)
class Taking:
    """How much of one request was taken so far."""

    taken: int = 0
    """Its spans that are on disk or acknowledged: the first ones."""
    task: "asyncio.Task[None] | None" = None
    asked: float = 0.0


class Takings:
    """Those of one account. One event loop owns it."""

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, Taking] = OrderedDict()

    async def go_on(self, sent: Sent, take: Callable[[Taking], Coroutine[Any, Any, None]]) -> None:
        """Take the rest of a request, or wait for who does; that goes on where the sender does not
        wait for it. Raises what ``take`` does."""
        self._forget()
        name = sent.name()
        taking = self._known.setdefault(name, Taking())
        self._known.move_to_end(name)
        taking.asked = time.monotonic()
        if taking.task is None or taking.task.done():
            taking.task = asyncio.create_task(_holding(sent.held, take, taking))
        await asyncio.shield(taking.task)

    def stop(self) -> None:
        """Nobody goes on with what is going on."""
        for taking in self._known.values():
            if taking.task is not None:
                taking.task.cancel()

    def _forget(self) -> None:
        """What nobody has asked for lately, and is not going on."""
        long_ago = time.monotonic() - _KNOWN_FOR
        for request, taking in list(self._known.items()):
            if taking.asked > long_ago and len(self._known) <= _MOST:
                return
            if taking.task is None or taking.task.done():
                _ = taking.task is None or taking.task.cancelled() or taking.task.exception()
                del self._known[request]


async def _holding(
    held: ExitStack, take: Callable[[Taking], Coroutine[Any, Any, None]], taking: Taking
) -> None:
    """Take it, and hold what the request held that has begun this, until that is done."""
    with held.pop_all():
        await take(taking)
