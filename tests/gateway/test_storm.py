"""A thousand senders at once, two gateways behind a balancer, and kills: what was answered with 200
is on the platform once, under its parent, in one run a trace."""

import asyncio
import os
import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from resource import RLIMIT_NOFILE, getrlimit, setrlimit

import pytest

from prefactor_otel.devserver import DevServer
from tests.conftest import Figure
from tests.gateway.storm import Replica, Sender, balancing, replicas
from tests.patience import comes_true

SENDERS = int(os.environ.get("PREFACTOR_TEST_STORM_SENDERS", "1000"))
SECONDS = float(os.environ.get("PREFACTOR_TEST_STORM_SECONDS", "40"))
KILLS = 10
PAUSE = 20.0
"""Seconds between two traces of a sender, about."""
LINGER = "30"
"""Seconds in which who sends again what a dead gateway has not answered is through with that."""


async def storm(behind: list[Replica]) -> list[Sender]:
    """Let all of them send, and kill one gateway after the other meanwhile."""
    is_over, chance = asyncio.Event(), random.Random(7)
    async with balancing(behind) as (url, session):
        senders = [Sender(url, session) for _ in range(SENDERS)]
        sending = [asyncio.create_task(each.run(is_over, PAUSE)) for each in senders]
        for _ in range(KILLS):
            await asyncio.sleep(SECONDS / (KILLS + 1))
            killed = chance.choice(behind)
            await asyncio.to_thread(killed.kill)
            await asyncio.to_thread(killed.start)
        await asyncio.sleep(SECONDS / (KILLS + 1))
        is_over.set()
        await asyncio.gather(*sending)
    return senders


@pytest.fixture
def many_files() -> Iterator[None]:
    """Each sender takes a connection at both of its ends, and one behind the balancer."""
    soft, hard = getrlimit(RLIMIT_NOFILE)
    setrlimit(RLIMIT_NOFILE, (hard, hard))
    yield
    setrlimit(RLIMIT_NOFILE, (soft, hard))


@pytest.mark.slow
@pytest.mark.usefixtures("many_files")
def test_what_a_thousand_senders_were_answered_for_is_there_once_in_one_run_a_trace(
    api: DevServer, tmp_path: Path, figure: Figure
) -> None:
    with replicas(api, tmp_path, 2, PREFACTOR_RUN_LINGER=LINGER) as behind:
        senders = asyncio.run(storm(behind))
        answered = {name: span for sender in senders for name, span in sender.answered.items()}
        is_through = all(comes_true(each.is_through) for each in behind)
        assert is_through, [each.metrics for each in behind]
        assert [each.end() for each in behind] == [0, 0]
    assert [sender.refused for sender in senders if sender.refused] == []
    found = Counter(row["payload"]["span_id"] for row in api.spans())
    assert found == Counter(answered.keys())
    rows = {row["payload"]["span_id"]: row for row in api.spans()}
    above = {name: parent.hex() for name, (_, _, parent) in answered.items() if parent}
    strays = [n for n, parent in above.items() if rows[n]["parent_span_id"] != rows[parent]["id"]]
    assert strays == []
    runs: defaultdict[bytes, set[str]] = defaultdict(set)
    for name, (trace, _, _) in answered.items():
        runs[trace].add(rows[name]["agent_instance_id"])
    assert {len(each) for each in runs.values()} == {1}
    assert Counter(run["status"] for run in api.instances()) == {"complete": len(runs)}
    retried = sum(sender.retried for sender in senders)
    figure(
        f"{SENDERS} senders for {SECONDS:.0f} s, {KILLS} kills of 2 gateways: {len(answered)} "
        f"spans of {len(runs)} traces answered with 200 are there once; {retried} requests retried"
    )
