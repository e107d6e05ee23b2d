"""What waits is never in no place at all, wherever the thread that moves it is struck."""

import sys
from collections.abc import Callable
from functools import partial
from itertools import count
from types import FrameType
from typing import TYPE_CHECKING

from prefactor_otel import delivery
from prefactor_otel.delivery.batch import Batch
from prefactor_otel.delivery.budget import Budget
from prefactor_otel.delivery.operation import Item, Operation, SpanRef
from prefactor_otel.delivery.outbox import Outbox
from prefactor_otel.delivery.receipt import Receipt
from prefactor_otel.stats.counters import Counters
from prefactor_otel.stats.log import QuietLog

if TYPE_CHECKING:
    from _typeshed import TraceFunction

HERE = delivery.__path__[0]
KEYS = ["first", "second", "third", "fourth", "fifth"]
REFS = [SpanRef(bytes([number]) * 16) for number in range(5)]


def created(number: int, parent: SpanRef | None = None) -> Item:
    return Item("run", Operation.CREATE, KEYS[number], b"", REFS[number], parent)


def flying() -> Outbox:
    """Spans in batches of two: the first is on its way, the second waits for that, the third and
    the fourth do not, and the fifth waits for the second."""
    outbox = Outbox(Budget(100, 100_000), Counters(), QuietLog(), max_items=2)
    outbox.put([created(0)])
    assert outbox.lease(2, 100_000)
    outbox.put([created(1, REFS[0]), created(2)])
    outbox.put([created(3)])
    outbox.put([created(4, REFS[1])])
    return outbox


def struck(work: Callable[[], object], line: int) -> bool:
    """Do something, and be struck before so many lines of the delivery have run. Whether the
    strike came."""
    passed = 0

    def strike(frame: FrameType, event: str, _: object) -> "TraceFunction | None":
        nonlocal passed
        if not frame.f_code.co_filename.startswith(HERE):
            return None
        passed += event == "line"
        if passed > line:
            raise SystemExit
        return strike

    before = sys.gettrace()
    sys.settrace(strike)
    try:
        work()
    except SystemExit:
        return True
    finally:
        sys.settrace(before)
    return False


def drained(outbox: Outbox) -> list[str]:
    """The keys of everything that can be leased and settled, one request after the other."""
    keys: list[str] = []
    while batch := outbox.lease(10, 100_000):
        keys += [item.key for item in batch.items]
        outbox.settle(batch)
    return keys


def leased(outbox: Outbox) -> Batch:
    batch = outbox.lease(10, 100_000)
    assert batch is not None
    return batch


def keys_of(batch: Batch | None) -> list[str]:
    return [item.key for item in batch.items] if batch is not None else []


def struck_everywhere(work: Callable[[Outbox], object]) -> int:
    """Strike the work at each line in turn, and see that what waits is there afterwards."""
    for line in count():
        outbox = flying()
        if not struck(partial(work, outbox), line):
            return line
        outbox.recover()
        assert sorted(drained(outbox)) == sorted(KEYS), line
        assert len(outbox) == outbox.size == 0
    raise AssertionError


def test_a_strike_at_any_line_of_a_lease_loses_and_repeats_nothing() -> None:
    assert struck_everywhere(lambda outbox: outbox.lease(10, 100_000)) > 100


def test_a_strike_at_any_line_of_what_takes_a_batch_apart_loses_and_repeats_nothing() -> None:
    assert struck_everywhere(lambda outbox: outbox.line.apart(leased(outbox), [1, 2])) > 150


def test_what_waits_for_a_span_on_its_way_is_sent_behind_it_and_nothing_else_waits() -> None:
    outbox = flying()
    second = leased(outbox)
    assert keys_of(second) == ["third", "fourth"]
    assert outbox.lease(10, 100_000) is None
    outbox.recover()
    assert drained(outbox) == ["first", "second", "third", "fourth", "fifth"]


def test_a_batch_of_different_fates_comes_apart_and_each_who_waits_is_told_of_his_own() -> None:
    outbox = Outbox(Budget(100, 100_000), Counters(), QuietLog())
    receipts = [Receipt(), Receipt()]
    outbox.put([created(0), created(1)], receipts[0])
    outbox.put([created(2), created(3)], receipts[1])
    whole = Receipt()
    outbox.watch(whole)
    for receipt in (*receipts, whole):
        receipt.seal()
    parts = dict(outbox.line.apart(leased(outbox), ["taken", "taken", "taken", "lost"]))
    for lost in (False, True):
        part = parts["lost" if lost else "taken"]
        outbox.settle(part)
        part.resolve(lost=lost)
    assert [receipt.future.result(0) for receipt in (*receipts, whole)] == [True, False, False]
    assert len(outbox) == outbox.size == 0


def opening(run: str) -> list[Item]:
    steps = (Operation.REGISTER, Operation.START)
    return [Item(run, step, f"{run}-{step}", b"") for step in steps]


def ending(run: str) -> Item:
    return Item(run, Operation.FINISH_RUN, f"{run}-finish", b"")


def test_spans_wait_for_their_run_to_be_open_and_its_end_for_them() -> None:
    outbox = Outbox(Budget(100, 100_000), Counters(), QuietLog())
    outbox.put(opening("run"))
    outbox.put([created(0)])
    outbox.put([ending("run")])
    order: list[str] = []
    for _ in range(4):
        calls = outbox.lease_about_runs(9)
        batch = calls[0] if calls else leased(outbox)
        assert len(calls) <= 1
        order += keys_of(batch)
        outbox.settle(batch)
    assert order == ["run-register", "run-start", "first", "run-finish"]
    assert len(outbox) == 0


def test_what_waits_is_counted_while_more_comes_behind_what_a_failed_disk_holds() -> None:
    outbox = Outbox(Budget(100, 100_000), Counters(), QuietLog())
    outbox.disk.tail.append(Batch.of_one(created(0)))

    def more_comes(frame: FrameType, event: str, arg: object) -> "TraceFunction | None":
        if frame.f_code.co_filename.startswith(HERE):
            outbox.disk.tail.append(Batch.of_one(created(1)))
        return None

    before = sys.gettrace()
    sys.settrace(more_comes)
    try:
        counted = len(outbox)
    finally:
        sys.settrace(before)
    assert 1 <= counted < len(outbox)
