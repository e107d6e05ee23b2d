"""The gateway's life, from its start to its clean end; or as long as a file lasts."""

import asyncio
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from itertools import islice
from typing import Final, NamedTuple

from aiohttp import web

from prefactor_otel.errors import PrefactorConfigError
from prefactor_otel.gateway.accounts import Accounts
from prefactor_otel.gateway.agents import Agents
from prefactor_otel.gateway.app import App
from prefactor_otel.gateway.reader import READER
from prefactor_otel.gateway.roots import roots_of
from prefactor_otel.gateway.settings import Settings
from prefactor_otel.pipeline.pipeline import Pipeline
from prefactor_otel.runs.events import Foretold
from prefactor_otel.spans.source import Whose
from prefactor_otel.spans.view import SpanView
from prefactor_otel.stats.log import QuietLog
from prefactor_otel.stats.own_logs import unheard

_GRACE: Final = 15.0
"""Seconds that requests have to be answered when the end is asked for: more than they wait for."""
_KEEP_ALIVE: Final = 75.0
"""Seconds that a connection may stay without a request."""
_AT_ONCE: Final = 512
"""Spans of a file that are handed over together."""
_REPLAY_WITHIN: Final = 60.0
"""Seconds that what is left of a replay has, before it stays in the spool."""


async def serve(settings: Settings, on_ready: Callable[[str], None]) -> bool:
    """Serve until SIGINT or SIGTERM, on the main thread; ``on_ready`` gets the URL as soon as
    requests are taken. Then take no more, deliver what waits and finish the runs. Whether nothing
    was left; what was is on disk. Raises ``OSError`` where it cannot listen."""
    ended = asyncio.Event()
    async with AsyncExitStack() as at_end:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, ended.set)
            at_end.callback(loop.remove_signal_handler, number)
        accounts = Accounts(settings)
        app = App(settings, accounts, QuietLog())
        runner = web.AppRunner(
            app.application,
            access_log=None,
            logger=unheard("prefactor_otel.gateway.http"),
            auto_decompress=False,  # it is bounded here
            keepalive_timeout=_KEEP_ALIVE,
            shutdown_timeout=_GRACE,
        )
        try:
            await runner.setup()
            site = web.TCPSite(runner, settings.host, settings.port, reuse_address=True)
            await site.start()
            accounts.begin()
            on_ready(_url(settings.host, runner.addresses[0][1]))
            await ended.wait()
            app.is_ready = False
        finally:
            await runner.cleanup()
            delivered = await accounts.close()
    return delivered


class Replayed(NamedTuple):
    """What became of the spans of a file."""

    spans: int
    acknowledged: int
    waiting: int
    """On disk, for the next gateway."""


def replay(settings: Settings, views: Iterable[SpanView]) -> Replayed:
    """Send spans of a file by the gateway's own token, and finish their runs. Raises
    ``PrefactorConfigError`` without a token."""
    own_token = settings.own_config().api_token
    if own_token is None:
        raise PrefactorConfigError("a replay needs a token: set PREFACTOR_API_TOKEN")
    agents = Agents(settings.services)
    describe = agents.describing({})
    reader = READER._replace(whose=Whose(token=settings.own_token_from))
    pipeline = Pipeline(reader, settings.api_url, own_token, **settings.exporter_options)
    sent = 0
    for some in _batched(views, _AT_ONCE):
        said = [replace(view, resource=describe(view.resource)) for view in some]
        pipeline.tell(Foretold(roots_of(said)))
        pipeline.deliver(said)
        sent += len(some)
    pipeline.shutdown(_REPLAY_WITHIN * 1000)
    stats = pipeline.stats()
    return Replayed(sent, stats.acknowledged - stats.adopted, stats.waiting)


def _batched(views: Iterable[SpanView], size: int) -> Iterator[list[SpanView]]:
    """The views, so many at a time."""
    left = iter(views)
    while some := list(islice(left, size)):
        yield some


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
