"""Asks the platform now and then whether an open run is to stop: its answers to what is sent may
not say it, and an agent that waits for a model sends nothing."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from prefactor_otel.api import ApiClient
from prefactor_otel.ledger import logger
from prefactor_otel.termination import terminated_instance
from prefactor_otel_transport.addresses import segment

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
) -> None:
    """Ask for every run of ``runs()`` once in ``interval`` seconds, one after another, until
    cancelled; tell ``terminated`` the key and the reason. A run that is shorter is never asked
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
            stopped, reason = await _ask(client, run.instance_id)
            if stopped:
                terminated(run.key, reason)


async def _ask(client: ApiClient, instance_id: str) -> tuple[bool, str | None]:
    try:
        answer = await client.get(f"/agent_instance/{segment(instance_id)}")
    except Exception as error:  # the sender tells of an API that fails
        logger.debug("A run could not be asked for: %s", type(error).__name__)
        return False, None
    return terminated_instance(answer)
