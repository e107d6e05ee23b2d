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
from tests.patience import PATIENCE, comes_true

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
def test_what_was_answered_with_200_is_there_once_and_hangs_on_its_parent(
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
    for name, (_, _, parent) in answered.items():
        if (above := rows.get(parent.hex())) is not None:
            assert rows[name]["parent_span_id"] == above["id"]
        else:  # it was never answered for
            assert parent.hex() not in answered
    runs = {name: row["agent_instance_id"] for name, row in rows.items()}
    traces = {name: trace for name, (trace, _, _) in answered.items()}
    assert len({*runs.values()}) == len({*traces.values()})
    figure(f"{KILLS} kills of a gateway: {len(answered)} spans answered with 200 are there once")


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


LONG = {"PREFACTOR_RUN_LINGER": str(PATIENCE)}
"""Nothing of the dead is sent while what belongs to it may come."""
SHORT = {"PREFACTOR_RUN_LINGER": "0"}


@pytest.mark.parametrize("is_sent_again", [False, True])
@pytest.mark.parametrize("is_away", [False, True])
def test_a_span_finds_its_parent_over_several_kills(
    is_away: bool, is_sent_again: bool, api: DevServer, tmp_path: Path
) -> None:
    (trace, root), step, spool = ids(), secrets.token_bytes(8), tmp_path / "spool"
    child = request((trace, step), parent=root).SerializeToString()
    if is_away:
        api.faults.add(status=503, times=None)
    for body in (child, child if is_sent_again else None, None):
        with before(api, spool, **LONG) as gateway:
            assert body is None or gateway.post(body).status == 200
            gateway.kill()
    with before(api, spool, **LONG) as gateway:
        assert gateway.post(request((trace, root)).SerializeToString()).status == 200
        assert is_away or api.wait_until(lambda api: len(api.spans()) == 2)
        gateway.kill()
    api.faults.clear()
    with before(api, spool, **SHORT) as gateway:
        assert comes_true(lambda: folder_is_empty(gateway, spool))
        assert gateway.end() == 0
    above, below = sorted(api.spans(), key=lambda row: row["parent_span_id"] is not None)
    assert below["parent_span_id"] == above["id"]
    assert [run["status"] for run in api.instances()] == ["complete"]
    assert "refused" not in gateway.told


def folder_is_empty(gateway: Gateway, spool: Path) -> bool:
    """But for the file of the gateway itself."""
    return [path.name.partition("-")[0] for path in folder.files(spool)] == [str(gateway.pid)]


def test_a_span_whose_parent_another_gateway_had_is_in_the_same_run_and_names_it(
    api: DevServer, tmp_path: Path
) -> None:
    (trace, root), step = ids(), secrets.token_bytes(8)
    with before(api, tmp_path / "first", **LONG) as gateway:
        assert gateway.post(request((trace, root)).SerializeToString()).status == 200
        assert api.wait_until(lambda api: len(api.spans()) == 1)
        gateway.kill()
    with before(api, tmp_path / "second", **SHORT, PREFACTOR_PARENT_TIMEOUT="0.1") as gateway:
        body = request((trace, step), parent=root).SerializeToString()
        assert gateway.post(body).status == 200
        assert api.wait_until(lambda api: len(api.spans()) == 2)
        assert gateway.end() == 0
    (run,) = api.instances()
    (late,) = [row for row in api.spans() if row["payload"]["span_id"] == step.hex()]
    assert (late["agent_instance_id"], late["parent_span_id"]) == (run["id"], None)
    assert late["payload"]["parent_span_id"] == root.hex()


def test_a_span_whose_parent_never_comes_goes_without_it_after_several_kills(
    api: DevServer, tmp_path: Path
) -> None:
    (trace, root), step, spool = ids(), secrets.token_bytes(8), tmp_path / "spool"
    sibling = secrets.token_bytes(8)
    for span in (step, sibling):
        with before(api, spool, **LONG) as gateway:
            body = request((trace, span), parent=root).SerializeToString()
            assert gateway.post(body).status == 200
            gateway.kill()
    with before(api, spool, **SHORT) as gateway:
        assert api.wait_until(lambda api: len(api.spans()) == 2, PATIENCE)
        assert gateway.end() == 0
    assert {row["payload"]["parent_span_id"] for row in api.spans()} == {root.hex()}
    assert [run["status"] for run in api.instances()] == ["complete"]
    assert folder.files(spool) == []


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
