"""Agents work, die and come back for a while, over an API in trouble; then the books are checked.

A minute by default; ``PREFACTOR_TEST_SOAK=600`` makes it ten.
"""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from prefactor_otel.devserver import DevServer
from prefactor_otel.spool import folder
from tests.cli.command import clean
from tests.conftest import Figure
from tests.faults.agents import Accepted
from tests.faults.test_kills import replay
from tests.patience import PATIENCE

SECONDS = float(os.environ.get("PREFACTOR_TEST_SOAK", "60"))
AGENTS = 4
TROUBLE = 0.3
"""The share of requests that meet a fault."""
FAULTS: list[dict[str, Any]] = [
    {"drop": "before"},
    {"drop": "after"},
    {"status": 429, "retry_after": 0.2},
    {"status": 503},
    {"max_body": 40_000},
    {"delay": 1.0},
]
AGENT = """
import random, sys, threading
from pathlib import Path
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from prefactor_otel import PrefactorExporter, TracerProvider
from tests.faults.agents import Telling, work

seed, pause = int(sys.argv[1]), threading.Event()
telling = Telling(PrefactorExporter(schedule_delay=0.05), 1)
processor = (BatchSpanProcessor(telling, schedule_delay_millis=50) if seed % 2
             else SimpleSpanProcessor(telling))
provider = TracerProvider(span_processors=[processor])
threading.Thread(target=lambda: (sys.stdin.read(), pause.set()), daemon=True).start()
chance = random.Random(seed)
while not pause.wait(0.1):
    work(provider.get_tracer("agent"), chance, spans=20)
"""


class Agent:
    """One slot: an agent, replaced by another when it is killed."""

    def __init__(self, api: DevServer, path: Path, accepted: Accepted) -> None:
        self._environment = clean(
            PREFACTOR_API_URL=api.url,
            PREFACTOR_API_TOKEN=api.token,
            PREFACTOR_SPOOL_DIR=str(path),
            PREFACTOR_SHUTDOWN_TIMEOUT="3",
        )
        self._accepted = accepted
        self._process: subprocess.Popen[str] | None = None
        self._listener = threading.Thread()

    def begin(self, seed: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", AGENT, str(seed)],
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._listener = threading.Thread(target=self._listen, args=(self._process,))
        self._listener.start()

    def _listen(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self._accepted.hear(line)

    def kill(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._gone()

    def end(self) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._gone()

    def _gone(self) -> None:
        assert self._process is not None
        self._process.wait(PATIENCE)
        self._listener.join(PATIENCE)
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            stream.close()


@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 1200)
def test_whatever_happens_for_a_while_every_accepted_span_is_there_once_and_every_run_finished(
    tmp_path: Path, figure: Figure
) -> None:
    path, accepted, chance = tmp_path / "spool", Accepted(), random.Random(4)
    with DevServer(db=tmp_path / "api.db") as api:
        agents = [Agent(api, path, accepted) for _ in range(AGENTS)]
        for seed, agent in enumerate(agents):
            agent.begin(seed)
        kills, until, outage = 0, time.monotonic() + SECONDS, threading.Event()
        while (left := until - time.monotonic()) > 0:
            api.faults.clear()
            fault = chance.choice([*FAULTS, {"status": 401, "chance": 1.0}])
            api.faults.add(**{"times": None, "chance": TROUBLE, **fault})
            outage.wait(min(left, chance.uniform(0.2, 2.0)))
            api.faults.clear()
            if chance.random() < 0.5:
                kills += 1
                agent = chance.choice(agents)
                agent.kill()
                agent.begin(AGENTS + kills)
        for agent in agents:
            agent.end()
        done = replay(api, path)
        assert (done.returncode, folder.files(path)) == (0, []), done.stdout + done.stderr
        rows, runs, requests = api.spans(), api.instances(), len(api.requests)

    arrived = Counter(row["payload"]["span_id"] for row in rows)
    assert [span for span, times in arrived.items() if times > 1] == []
    lost = accepted.parents.keys() - arrived.keys()
    assert not lost, f"{len(lost)} of {len(accepted.parents)} lost"
    ids = {row["payload"]["span_id"]: row for row in rows}
    for span, parent in accepted.parents.items():
        if parent in accepted.parents:
            assert ids[span]["parent_span_id"] == ids[parent]["id"]
    statuses = Counter(run["status"] for run in runs)
    assert statuses.keys() <= {"complete", "failed"}
    figure(
        f"{SECONDS:.0f} s, {AGENTS} agents at a time, {kills} kills, {requests} requests: "
        f"{len(accepted.parents)} spans accepted, {len(rows)} arrived, 0 lost, 0 twice; "
        f"runs {dict(statuses)}"
    )
