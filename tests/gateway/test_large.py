"""Requests that take longer than senders wait are taken once, however often they are sent."""

from pathlib import Path

import pytest

from prefactor_otel.devserver import DevServer
from tests.gateway.made import ids, request
from tests.gateway.process import Gateway, before
from tests.patience import comes_true

PROTOBUF = {"Content-Type": "application/x-protobuf"}


def accepted(gateway: Gateway) -> int:
    """Spans that were handed over."""
    name = 'prefactor_spans_accepted_total{account="own"} '
    lines = gateway.ask("/metrics").body.decode().splitlines()
    (line,) = [line for line in lines if line.startswith(name)]
    return int(line.removeprefix(name))


@pytest.mark.slow
def test_a_sender_that_gives_up_and_sends_again_is_answered_when_all_is_taken_and_nothing_twice(
    api: DevServer, tmp_path: Path
) -> None:
    count = 2_500
    body = request(*(ids() for _ in range(count))).SerializeToString()

    def is_taken() -> bool:
        try:
            return gateway.ask("/v1/traces", body, PROTOBUF, timeout=0.3).status == 200
        except OSError:  # as exporters do, after their time
            return False

    with before(api, tmp_path / "spool") as gateway:
        assert comes_true(is_taken)
        assert accepted(gateway) == count
        assert gateway.post(body).status == 200
        assert accepted(gateway) == count
        assert gateway.end() == 0
    assert len(api.spans()) == len(api.instances()) == count


@pytest.mark.slow
def test_what_was_refused_in_its_midst_goes_on_from_there_when_it_comes_again(
    api: DevServer, tmp_path: Path
) -> None:
    count, (trace, _) = 6_000, ids()
    body = request(*((trace, ids()[1]) for _ in range(count)), name="n" * 5_000)
    sent = body.SerializeToString()
    api.stop()
    with before(api, tmp_path / "spool", PREFACTOR_SPOOL_MAX_BYTES=str(24 * 2**20)) as gateway:
        assert gateway.post(sent).status == 429
        taken = accepted(gateway)
        assert 0 < taken < count
        assert gateway.post(sent).status == 429
        assert accepted(gateway) == taken
        api.start()
        assert comes_true(lambda: gateway.post(sent).status == 200)
        assert accepted(gateway) == count
        assert gateway.end() == 0
    assert len(api.spans()) == count
