"""A small run through the real exporter, and what the platform has stored of it."""

import asyncio
import os
from dataclasses import dataclass
from typing import Final

from opentelemetry.sdk.resources import Resource

from prefactor_otel import PrefactorSpanProcessor, Stats, TracerProvider
from prefactor_otel.cli.agent import QUESTION, TravelAgent
from prefactor_otel.cli.tree import Row
from prefactor_otel.config.options import variable_of
from prefactor_otel.delivery.client import ApiClient
from prefactor_otel_transport.addresses import segment

LOOKS: Final = 5
"""How often the platform is asked for the run, with a second between: it may need a moment."""

NAME: Final = "prefactor-otel doctor"
VERSION: Final = "doctor"


@dataclass(frozen=True, slots=True)
class Stored:
    """What was sent, and what the platform answers when it is asked for that."""

    stats: Stats
    run: Row
    spans: list[Row]


async def probe(client: ApiClient) -> Stored:
    """Send the run and read it back. Raises what the client raises."""
    stats = await asyncio.to_thread(send)
    if stats.run_id is None:
        return Stored(stats, {}, [])
    run, spans = await _read(client, stats.run_id)
    for _ in range(LOOKS - 1):
        if len(spans) >= stats.acknowledged:
            break
        await asyncio.sleep(1.0)
        run, spans = await _read(client, stats.run_id)
    return Stored(stats, run, spans)


def send() -> Stats:
    """Run the demo's agent, without its pauses, under the settings of this environment."""
    for option in ("spool_dir", "run_scope"):  # what others have left waiting is not ours to send
        os.environ.pop(variable_of(option), None)
    processor = PrefactorSpanProcessor(
        agent_name=NAME, agent_version=VERSION, purpose="smoke_test", strict=True
    )
    resource = Resource({"service.name": NAME, "service.version": VERSION})
    provider = TracerProvider(resource=resource, span_processors=[processor])
    try:
        TravelAgent(provider.get_tracer(NAME), pace=0.0).run(QUESTION)
    finally:
        provider.shutdown()
    return processor.stats()


async def _read(client: ApiClient, run_id: str) -> tuple[Row, list[Row]]:
    run = await client.get(f"/agent_instance/{segment(run_id)}")
    where: dict[str, str | int] = {
        "agent_instance_id": run_id,
        "pagination[page_size]": 100,
        "include_summaries": "true",
    }
    spans = await client.get("/agent_spans", where)
    details, rows = run.get("details"), spans.get("summaries")
    return details if isinstance(details, dict) else {}, rows if isinstance(rows, list) else []


def differences(stored: Stored) -> list[str]:
    """In what the stored run is not the one that was sent; empty when all is well."""
    stats, run = stored.stats, stored.run
    found = [
        ("spans acknowledged", stats.acknowledged, stats.accepted),
        ("spans stored", len(stored.spans), stats.accepted),
        ("status of the run", run.get("status"), "complete"),
        ("purpose of the run", run.get("purpose"), "smoke_test"),
    ]
    return [f"{what}: {seen} instead of {wanted}" for what, seen, wanted in found if seen != wanted]
