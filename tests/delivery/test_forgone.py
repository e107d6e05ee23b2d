"""Who gives up waiting for a flush leaves nothing behind."""

import math
from pathlib import Path

import pytest

from prefactor_otel import PrefactorSpanProcessor, TracerProvider
from prefactor_otel.delivery.budget import Budget
from prefactor_otel.delivery.outbox import Outbox
from prefactor_otel.delivery.receipt import Receipt
from prefactor_otel.devserver import DevServer
from prefactor_otel.spool.file import SpoolFile
from prefactor_otel.stats.counters import Counters
from prefactor_otel.stats.log import QuietLog
from tests.delivery.test_room import sent, span
from tests.growth import growth
from tests.patience import PATIENCE


def given_up(outbox: Outbox, times: int) -> None:
    for _ in range(times):
        receipt = Receipt(patient=True)
        outbox.watch(receipt)
        receipt.seal()
        receipt.forgo()


def waiting(spool: Path | None) -> Outbox:
    """Twenty batches, or one and what is behind it on disk."""
    outbox = Outbox(Budget(max_items=100 if spool is None else 5), Counters(), QuietLog(), 1)
    if spool is not None:
        outbox.spool_into(SpoolFile.create(spool / "file"), max_bytes=10**9, max_age=math.inf)
    for number in range(20):
        outbox.put([span("run", number)])
    outbox.commit()
    return outbox


@pytest.mark.parametrize("is_durable", [False, True])
def test_flushes_that_are_given_up_leave_nothing_where_spans_wait(
    is_durable: bool, tmp_path: Path
) -> None:
    outbox = waiting(tmp_path if is_durable else None)
    given_up(outbox, 100)
    grown = growth(lambda: given_up(outbox, 100), lambda: given_up(outbox, 1000))
    assert grown < 1000 * 100
    assert len(sent(outbox)) == 20
    assert len(outbox) == outbox.size == 0


def test_a_flush_waits_though_others_have_given_up(api: DevServer) -> None:
    processor = PrefactorSpanProcessor(api.url, api.token, shutdown_timeout=PATIENCE)
    provider = TracerProvider(span_processors=[processor], shutdown_on_exit=False)
    api.faults.add(status=503, times=None)
    provider.get_tracer("agent").start_span("step").end()
    assert not any(processor.force_flush(0) for _ in range(50))
    api.faults.clear()
    assert processor.force_flush(int(PATIENCE * 1000))
    assert len(api.spans()) == 1
