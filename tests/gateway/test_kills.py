"""Gateways are killed at random moments; every span that was answered with 200 arrives once."""

import os
import random
import secrets
import threading
from pathlib import Path

import pytest

from prefactor_otel.devserver import DevServer
from prefactor_otel.spool import folder
from tests.conftest import Figure
from tests.devserver.calls import Caller
from tests.gateway.made import ids, request
from tests.gateway.process import Gateway, before
from tests.patience import PATIENCE

KILLS = int(os.environ.get("PREFACTOR_TEST_GATEWAY_KILLS", "10"))
LINGER = 3.0
Span = tuple[bytes, bytes, bytes]
"""Trace id, span id and the parent's."""


class Sender:
    """Sends traces of two steps and their root, the root last, a span in each request; one that
    was not answered with 200 is sent again, as exporters do."""

    def __init__(self) -> None:
        self.answered: dict[str, Span] = {}
        self._left: list[Span] = []

    def send(self, gateway: Gateway, is_over: threading.Event, told: threading.Semaphore) -> None:
        """Until it is over, or the gateway is gone."""
        while not is_over.is_set():
            span = self._next()
            body = request(span[:2], parent=span[2]).SerializeToString()
            try:
                status = gateway.post(body).status
            except OSError:
                return
            finally:
                told.release()
            if status == 200:
                self.answered[span[1].hex()] = self._left.pop(0)

    def _next(self) -> Span:
        if not self._left:
            trace, root = ids()
            steps = [(trace, secrets.token_bytes(8), root) for _ in range(2)]
            self._left = [*steps, (trace, root, b"")]
        return self._left[0]


def until_killed(gateway: Gateway, senders: list[Sender], answers: int) -> None:
    """Let all of them send, and kill it after about so many answers."""
    is_over, told = threading.Event(), threading.Semaphore(0)
    threads = [
        threading.Thread(target=sender.send, args=(gateway, is_over, told)) for sender in senders
    ]
    for thread in threads:
        thread.start()
    for _ in range(answers):
        assert told.acquire(timeout=PATIENCE)
    gateway.kill()
    is_over.set()
    for thread in threads:
        thread.join(PATIENCE)


def sent(api: DevServer) -> set[str]:
    return {row["payload"]["span_id"] for row in api.spans()}


@pytest.mark.slow
def test_what_was_answered_with_200_is_there_once_and_hangs_on_its_parent_or_names_it(
    api: DevServer, tmp_path: Path, figure: Figure
) -> None:
    chance, spool = random.Random(11), tmp_path / "spool"
    senders = [Sender() for _ in range(4)]
    for _ in range(KILLS):
        if chance.random() < 0.5:
            api.faults.add(status=503, times=2)
        with before(api, spool, PREFACTOR_RUN_LINGER=str(LINGER)) as gateway:
            until_killed(gateway, senders, chance.randint(4, 120))
    api.faults.clear()
    answered = {name: span for sender in senders for name, span in sender.answered.items()}
    with before(api, spool, PREFACTOR_RUN_LINGER=str(LINGER)) as gateway:
        arrived = api.wait_until(lambda api: answered.keys() <= sent(api), PATIENCE)
        assert arrived, gateway.ask("/metrics").body.decode()
        assert gateway.end() == 0
    rows = {row["payload"]["span_id"]: row for row in api.spans()}
    assert len(rows) == len(api.spans()), "a span is there twice"
    assert folder.files(spool) == []
    orphans = 0
    for name, (_, _, parent) in answered.items():
        above = rows.get(parent.hex())
        is_orphan = parent != b"" and (above is None or rows[name]["parent_span_id"] != above["id"])
        assert not is_orphan or rows[name]["payload"]["parent_span_id"] == parent.hex()
        orphans += is_orphan
    figure(
        f"{KILLS} kills of a gateway: {len(answered)} spans answered with 200, 0 lost, 0 twice, "
        f"{orphans} without their parent"
    )


def test_what_comes_after_a_kill_goes_on_in_the_run_that_is_there(
    api: DevServer, tmp_path: Path
) -> None:
    (trace, root), step, spool = ids(), secrets.token_bytes(8), tmp_path / "spool"
    linger = {"PREFACTOR_RUN_LINGER": str(LINGER)}
    with before(api, spool, **linger) as gateway:
        body = request((trace, step), parent=root).SerializeToString()
        assert gateway.post(body).status == 200
        gateway.kill()
    with before(api, spool, **linger) as gateway:
        assert gateway.post(request((trace, root)).SerializeToString()).status == 200
        assert api.wait_until(lambda api: len(api.spans()) == 2)
        assert gateway.end() == 0
    above, below = sorted(api.spans(), key=lambda row: row["parent_span_id"] is not None)
    assert below["parent_span_id"] == above["id"]
    assert [run["status"] for run in api.instances()] == ["complete"]


def test_what_a_killed_gateway_has_left_of_a_run_that_has_ended_goes_on_in_the_next(
    api: DevServer, tmp_path: Path
) -> None:
    (trace, root), step, spool = ids(), secrets.token_bytes(8), tmp_path / "spool"
    linger = {"PREFACTOR_RUN_LINGER": str(LINGER)}
    with before(api, spool, **linger) as gateway:
        assert gateway.post(request((trace, root)).SerializeToString()).status == 200
        assert api.wait_until(lambda api: len(api.spans()) == 1)
        api.faults.add(status=503, times=None)
        body = request((trace, step), parent=root).SerializeToString()
        assert gateway.post(body).status == 200
        gateway.kill()
    api.faults.clear()
    (run,) = api.instances()
    assert Caller(api).finish(run["id"]).status == 200
    with before(api, spool, **linger) as gateway:
        assert api.wait_until(lambda api: len(api.spans()) == 2, PATIENCE)
        assert gateway.end() == 0
    late = next(row for row in api.spans() if row["payload"]["span_id"] == step.hex())
    assert late["agent_instance_id"] != run["id"]
    assert [each["status"] for each in api.instances()] == ["complete", "complete"]
    assert folder.files(spool) == []
