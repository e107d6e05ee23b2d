"""Agents are killed at random moments; every span that was accepted arrives once."""

import os
import random
import subprocess
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from prefactor_otel.devserver import DevServer
from prefactor_otel.spool import folder
from tests.cli.command import COMMAND, clean
from tests.conftest import Figure
from tests.faults.agents import Accepted, agent, forked, listen

KILLS = int(os.environ.get("PREFACTOR_TEST_KILLS", "200"))
TROUBLES: list[dict[str, Any]] = [
    {"status": 503, "times": 2},
    {"status": 429, "times": 1, "retry_after": 0.1},
    {"drop": "before", "times": 2},
    {"drop": "after", "times": 2, "path": "/bulk"},
    {"drop": "after", "times": 1, "path": "/register"},
    {"status": 401, "times": 1},
    {"delay": 0.2, "times": 3},
]


def replay(api: DevServer, path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, "spool", "replay", str(path)],
        env=clean(PREFACTOR_API_URL=api.url, PREFACTOR_API_TOKEN=api.token),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_no_accepted_span_is_lost_or_doubled_by_kills_at_random_moments(
    api: DevServer, tmp_path: Path, figure: Figure
) -> None:
    path = tmp_path / "spool"
    chance, accepted = random.Random(20), Accepted()
    for seed in range(KILLS):
        if chance.random() < 0.5:
            api.faults.add(**chance.choice(TROUBLES))
        pid, told = forked(partial(agent, api.url, api.token, path, seed))
        listen(pid, told, accepted, lines_to_live=chance.randint(0, 250))
    api.faults.clear()

    done = replay(api, path)
    assert (done.returncode, folder.files(path)) == (0, []), done.stderr + done.stdout
    assert not list(path.glob("*.unreadable*"))
    rows = {}
    for row in api.spans():
        assert row["payload"]["span_id"] not in rows, "a span is there twice"
        rows[row["payload"]["span_id"]] = row
    lost = accepted.parents.keys() - rows.keys()
    assert not lost, f"{len(lost)} of {len(accepted.parents)} lost"
    for span, parent in accepted.parents.items():
        if parent in accepted.parents:
            assert rows[span]["parent_span_id"] == rows[parent]["id"]
    statuses = [instance["status"] for instance in api.instances()]
    assert set(statuses) <= {"complete", "failed"}
    figure(
        f"{KILLS} kills: {len(accepted.parents)} spans accepted, {len(rows)} arrived, "
        f"0 lost, 0 twice; runs: {statuses.count('failed')} failed of {len(statuses)}"
    )
