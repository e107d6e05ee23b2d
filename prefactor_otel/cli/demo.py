"""``prefactor-otel demo``: a real agent, the real exporter, a local API, and what arrives."""

import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import orjson
from opentelemetry.sdk.resources import Resource
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from prefactor_otel import PrefactorSpanProcessor, Stats, TracerProvider
from prefactor_otel.cli.agent import QUESTION, TravelAgent
from prefactor_otel.cli.tree import run_tree, seconds
from prefactor_otel.devserver import DevServer

REFRESH = 0.15
"""Seconds between two looks at the growing run."""


def run_demo(*, as_json: bool) -> int:
    """Run it; the exit code is 0 when everything was delivered."""
    path = Path(tempfile.mkdtemp(prefix="prefactor-demo-")) / "prefactor.db"
    with DevServer(db=str(path)) as server:
        processor = PrefactorSpanProcessor(server.url, server.token, schedule_delay=0.1)
        provider = TracerProvider(
            resource=Resource.create({"service.name": "travel-agent", "service.version": "1.0"}),
            span_processors=[processor],
        )
        worker = threading.Thread(target=_work, args=(provider,))
        worker.start()
        if not as_json:
            _watch(server, worker)
        worker.join()
        stats = processor.stats()
        if as_json:
            sys.stdout.buffer.write(_as_json(server, stats, path) + b"\n")
        else:
            _tell(stats, path)
    return 0 if stats.acknowledged == stats.accepted > 0 else 1


def _work(provider: TracerProvider) -> None:
    TravelAgent(provider.get_tracer("travel-agent", "1.0")).run(QUESTION)
    provider.shutdown()


def _watch(server: DevServer, worker: threading.Thread) -> None:
    """Show the run as the API has it, until the agent is through."""
    console = Console()
    console.print(f"A local Prefactor API listens on {server.url}. The agent is asked:")
    console.print(Text(f"  {QUESTION}\n", "italic"))
    with Live(console=console, refresh_per_second=10, transient=False) as live:
        while worker.is_alive():
            live.update(_picture(server))
            worker.join(REFRESH)
        live.update(_picture(server))


def _picture(server: DevServer) -> Group:
    spans = server.spans()
    runs = [
        run_tree(run, [span for span in spans if span["agent_instance_id"] == run["id"]])
        for run in server.instances()
    ]
    return Group(*runs)


def _tell(stats: Stats, path: Path) -> None:
    console = Console()
    console.print(
        f"\n{stats.acknowledged} of {stats.accepted} spans acknowledged "
        f"in {stats.requests} requests.\n"
    )
    console.print(f"The data lies in {path}. To serve it to any reader of the API:")
    console.print(f"  prefactor-otel devserver --db {path}\n", soft_wrap=True)
    console.print("To send your own agent's spans to the real platform, set")
    console.print("  PREFACTOR_API_URL=https://app.prefactorai.com")
    console.print("  PREFACTOR_API_TOKEN=<your token>")
    console.print("and add one line to the agent:")
    console.print("  from prefactor_otel import configure; configure()", highlight=False)


def _as_json(server: DevServer, stats: Stats, path: Path) -> bytes:
    [instance] = server.instances()
    document: dict[str, Any] = {
        "run": {name: instance[name] for name in ("id", "status", "started_at", "finished_at")},
        "spans": [
            {
                "id": span["id"],
                "parent_span_id": span["parent_span_id"],
                "type": span["schema_name"],
                "name": span["payload"]["name"],
                "status": span["status"],
                "seconds": seconds(span),
                "token_usage": span["payload"]["token_usage"],
                "error": span["payload"]["error"],
                "summary": span["summary"],
            }
            for span in server.spans()
        ],
        "stats": {
            "accepted": stats.accepted,
            "acknowledged": stats.acknowledged,
            "dropped": stats.dropped,
            "requests": stats.requests,
        },
        "database": str(path),
    }
    return orjson.dumps(document, option=orjson.OPT_INDENT_2)
