"""Asks the platform now and then whether an open run is to stop, or is over: its answers to what is
sent may not say it, and an agent that waits for a model sends nothing."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from prefactor_otel.delivery.asking import ended, shown, status_in
from prefactor_otel.delivery.client import ApiClient
from prefactor_otel.host.termination import terminated_instance

LOOKS: Final = 4
"""Looks for runs that are due within one interval."""


@dataclass(frozen=True, slots=True)
class Watched:
    """A run to ask for: its key, the agent instance's id, and since when it is open (monotonic
    seconds)."""

    key: str
    instance_id: str
    since: float


async def watch(
    client: ApiClient,
    interval: float,
    runs: Callable[[], Sequence[Watched]],
    terminated: Callable[[str, str | None], None],
    over: Callable[[str], None],
) -> None:
    """Ask for every run of ``runs()`` once in ``interval`` seconds, one after another, until
    cancelled; tell ``terminated`` the key and the reason, and ``over`` the key of one that is over
    for any other. A run that is shorter is never asked
    for. What cannot be read is asked for again when it is due. An interval of 0 asks never."""
    if not interval:
        return
    asked: dict[str, float] = {}
    while True:
        await asyncio.sleep(interval / LOOKS)
        watched = runs()
        asked = {run.key: asked[run.key] for run in watched if run.key in asked}
        for run in watched:
            if time.monotonic() - asked.get(run.key, run.since) < interval:
                continue
            asked[run.key] = time.monotonic()
            answer = await shown(client, run.instance_id)
            stopped, reason = terminated_instance(answer)
            if stopped:
                terminated(run.key, reason)
            elif ended(status_in(answer)) is not None:
                over(run.key)
