"""What waits is never in no place at all, wherever the thread that moves it is struck."""

import sys
from types import FrameType
from typing import TYPE_CHECKING

from prefactor_otel.delivery import outbox as module
from prefactor_otel.delivery.budget import Budget
from prefactor_otel.delivery.operation import Item, Operation, SpanRef
from prefactor_otel.delivery.outbox import Outbox
from prefactor_otel.stats.counters import Counters
from prefactor_otel.stats.log import QuietLog

if TYPE_CHECKING:
    from _typeshed import TraceFunction

KEYS = ["first", "second", "third"]


def filled() -> Outbox:
    """Three spans, the second of which has to wait for the first."""
    outbox = Outbox(Budget(100, 100_000), Counters(), QuietLog())
    refs = [SpanRef(bytes([number]) * 16) for number in range(3)]
    parents = [None, refs[0], None]
    outbox.put(
        [
            Item("run", Operation.CREATE, key, b"", ref, parent)
            for key, ref, parent in zip(KEYS, refs, parents, strict=True)
        ]
    )
    return outbox


def leased_until(outbox: Outbox, line: int) -> bool:
    """Lease everything, and be struck before so many lines of the outbox have run. Whether the
    strike came."""
    passed = 0

    def strike(frame: FrameType, event: str, _: object) -> "TraceFunction | None":
        nonlocal passed
        if frame.f_code.co_filename != module.__file__:
            return None
        passed += event == "line"
        if passed > line:
            raise SystemExit
        return strike

    before = sys.gettrace()
    sys.settrace(strike)
    try:
        outbox.lease(10, 100_000)
    except SystemExit:
        return True
    finally:
        sys.settrace(before)
    return False


def drained(outbox: Outbox) -> list[str]:
    """The keys of everything that can be leased and settled, one request after the other."""
    keys: list[str] = []
    while batch := outbox.lease(10, 100_000):
        for entry in batch:
            keys.append(entry.item.key)
            outbox.settle(entry)
    return keys


def test_a_strike_at_any_line_of_a_lease_loses_and_repeats_nothing() -> None:
    line = 0
    while leased_until(outbox := filled(), line):
        outbox.recover()
        assert sorted(drained(outbox)) == sorted(KEYS), line
        assert len(outbox) == outbox.size == 0
        line += 1
    assert line > 30
