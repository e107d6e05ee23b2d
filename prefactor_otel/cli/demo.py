"""``prefactor-otel demo``: a real agent, the real exporter, a local API, and what arrives."""

import os
import signal
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import orjson
from opentelemetry.sdk.resources import Resource
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from prefactor_otel import (
    PrefactorSpanProcessor,
    PrefactorTerminatedError,
    Stats,
    TracerProvider,
)
from prefactor_otel.cli.agent import QUESTION, TravelAgent
from prefactor_otel.cli.browser import open_page
from prefactor_otel.cli.terminal import new_console
from prefactor_otel.cli.tree import digest, run_tree
from prefactor_otel.config.options import DEFAULT_API_URL
from prefactor_otel.devserver import DevServer
from prefactor_otel.devserver.store import MEMORY

WATCHED_PACE: Final = 4.0
"""So slow is an agent that somebody is to watch, and to stop, on the page."""
REFRESH = 0.15
"""Seconds between two looks at the growing run."""


def run_demo(*, as_json: bool, keep: bool, opens: bool) -> int:
    """Run it; the exit code is 0 when everything was delivered. Only with ``keep`` is there a file,
    and something left of it all. What ``opens`` a page serves it until interrupted."""
    _forget_surroundings()
    kept = Path(tempfile.mkdtemp(prefix="prefactor-demo-")) / "prefactor.db" if keep else None
    console = new_console(quiet=as_json)
    with DevServer(kept or MEMORY) as server:
        processor = PrefactorSpanProcessor(
            server.url, server.token, schedule_delay=0.1, poll_interval=0.5, on_terminate="raise"
        )
        provider = TracerProvider(
            resource=Resource.create({"service.name": "travel-agent", "service.version": "1.0"}),
            span_processors=[processor],
        )
        tracer = provider.get_tracer("travel-agent", "1.0")
        agent = TravelAgent(tracer, pace=WATCHED_PACE if opens else 1.0)
        try:
            _watch(console, server, provider, agent, opens=opens)
        finally:  # after Ctrl+C as well, while the server still listens
            provider.shutdown()
        stats = processor.stats()
        if as_json:
            sys.stdout.buffer.write(_as_json(server, stats, kept) + b"\n")
        else:
            left = _STAYS if opens else _NOTHING_LEFT
            _tell(console, stats, left if kept is None else _how_to_look(kept, stats))
        if opens:
            _go_on(server)
        [ended] = [run["status"] for run in server.instances()] or [None]
        finished = ended == "complete" or (opens and ended == "terminated")
    return 0 if finished and stats.acknowledged == stats.accepted > 0 else 1


def _forget_surroundings() -> None:
    """The demo talks to itself: a proxy, and settings meant for the user's own agent, would only
    keep it from doing so. This process is the demo's own, so nobody misses them."""
    for name in list(os.environ):
        if name.startswith(("PREFACTOR_", "OTEL_")) or name.lower().endswith("_proxy"):
            del os.environ[name]


def _watch(
    console: Console,
    server: DevServer,
    provider: TracerProvider,
    agent: TravelAgent,
    *,
    opens: bool,
) -> None:
    """Let the agent work and show the run as the API has it, until that is finished."""
    console.print(f"A local Prefactor API listens on {server.url}.", soft_wrap=True)
    if opens:
        link = server.page_link()
        console.print(f"Its page, for one browser:\n  {link}", soft_wrap=True)
        open_page(link)
    console.print("The agent is asked:")
    console.print(Text(f"  {QUESTION}\n", "italic"), soft_wrap=True)
    work = threading.Thread(target=_ask, args=(agent,), daemon=True)
    work.start()
    with Live(console=console, refresh_per_second=10, transient=False) as live:
        while work.is_alive():
            live.update(_picture(server))
            work.join(REFRESH)
        provider.shutdown()
        live.update(_picture(server))
    if not console.is_terminal:  # there the picture ends without ending its line
        console.line()


def _ask(agent: TravelAgent) -> None:
    with suppress(PrefactorTerminatedError):  # on the page; the run says so, and why
        agent.run(QUESTION)


def _go_on(server: DevServer) -> None:
    """Serve the page until interrupted, with another link whenever one was used."""
    console, ended = new_console(stderr=True), threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())

    def tell() -> None:
        console.print(f"For another browser: {server.page_link()}", soft_wrap=True)

    sys.stdout.flush()
    console.print("The page stays until Ctrl+C.")
    server.on_session = tell
    tell()
    ended.wait()


def _picture(server: DevServer) -> Group:
    spans = server.spans()
    runs = [
        run_tree(run, [span for span in spans if span["agent_instance_id"] == run["id"]])
        for run in server.instances()
    ]
    return Group(*runs)


def _tell(console: Console, stats: Stats, left: str) -> None:
    lines = f"""
{stats.acknowledged} of {stats.accepted} spans acknowledged in {stats.requests} requests.

{left}

To send your own agent's spans to the real platform, set
  PREFACTOR_API_URL={DEFAULT_API_URL}
  PREFACTOR_API_TOKEN=<your token>
and add one line to the agent:
  from prefactor_otel import configure; configure()"""
    console.print(lines, soft_wrap=True, markup=False)


_STAYS: Final = "It stays in the browser until you stop this with Ctrl+C."
_NOTHING_LEFT: Final = (
    "Nothing is left of it. With --keep the data stays, and any reader of the API can look at it; "
    "with --open you see it in the browser."
)


def _how_to_look(kept: Path, stats: Stats) -> str:
    return f"""The data lies in {kept}. To serve it to any reader of the API:
  prefactor-otel devserver --db {kept}
and, in another shell, with the two variables that this prints:
  prefactor-otel show {stats.run_id} --payloads
When you have seen it:
  rm -r {kept.parent}"""


def _as_json(server: DevServer, stats: Stats, kept: Path | None) -> bytes:
    document: dict[str, Any] = {
        "run": next(
            (
                {name: run[name] for name in ("id", "status", "started_at", "finished_at")}
                for run in server.instances()
            ),
            None,
        ),
        "spans": [digest(span) for span in server.spans()],
        "stats": {
            "accepted": stats.accepted,
            "acknowledged": stats.acknowledged,
            "dropped": stats.dropped,
            "requests": stats.requests,
        },
        "database": str(kept) if kept is not None else None,
    }
    return orjson.dumps(document, option=orjson.OPT_INDENT_2)
