"""The gateway's life: in the foreground, from its start to its clean end."""

import asyncio
import signal
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Final

from aiohttp import web

from prefactor_otel.gateway.accounts import Accounts
from prefactor_otel.gateway.app import App
from prefactor_otel.gateway.settings import Settings
from prefactor_otel.stats.log import QuietLog

_GRACE: Final = 15.0
"""Seconds that requests have to be answered when the end is asked for: more than they wait for."""
_KEEP_ALIVE: Final = 75.0
"""Seconds that a connection may stay without a request."""


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


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
