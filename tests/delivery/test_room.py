"""What goes when more waits than may: the oldest spans, and with the last of a run the run."""

import math
from collections import Counter
from pathlib import Path

import pytest

from prefactor_otel.clock import Period
from prefactor_otel.delivery.batch import Batch
from prefactor_otel.delivery.budget import Budget
from prefactor_otel.delivery.operation import FOOTPRINT, Item, Operation, SpanRef
from prefactor_otel.delivery.outbox import Outbox
from prefactor_otel.delivery.receipt import Receipt
from prefactor_otel.delivery.wire import end_alone
from prefactor_otel.spool.file import SpoolFile
from prefactor_otel.stats.counters import Counters
from prefactor_otel.stats.log import QuietLog
from tests.benchmarks.hot_path import steps_of

MANY = 10_000


def outbox_of(max_items: int) -> Outbox:
    return Outbox(Budget(max_items), Counters(), QuietLog(), max_items=8)


def opening(run: str) -> list[Item]:
    steps = (Operation.REGISTER, Operation.START)
    return [Item(run, step, f"{run}-{step}", b'"a":1') for step in steps]


def ending(run: str) -> list[Item]:
    return [Item(run, Operation.FINISH_RUN, f"{run}-finish_run", b'"a":1')]


def ref(number: int) -> SpanRef:
    return SpanRef(number.to_bytes(16, "big"))


def span(run: str, number: int, parent: int | None = None, *, is_open: bool = False) -> Item:
    above = ref(parent) if parent is not None else None
    key = f"{run}-{number}"
    return Item(run, Operation.CREATE, key, b'"a":1', ref(number), above, ends_span=not is_open)


def finish(run: str, number: int) -> Item:
    body = b'"status":"complete","timestamp":"2026-01-01T00:00:00Z","result_payload":{"a":1}'
    key = f"{run}-{number}-finish"
    return Item(run, Operation.FINISH_SPAN, key, body, ref(number), None, ends_span=True)


def shown(outbox: Outbox, run: str, *numbers: int) -> None:
    """The platform has a run, and these spans in it, which are open."""
    outbox.put(opening(run))
    sent(outbox)
    for number in numbers:
        outbox.put([span(run, number, is_open=True)])
        sent(outbox)


def keys_of(batches: list[Batch]) -> list[str]:
    return [item.key for batch in batches for item in batch.items]


def sent(outbox: Outbox) -> dict[str, SpanRef | None]:
    """Everything that can be sent, in its order, with its parent."""
    found: dict[str, SpanRef | None] = {}
    while True:
        spans = outbox.lease(100, 10**6)
        batches = [*outbox.lease_about_runs(100), *([spans] if spans is not None else [])]
        if not batches:
            return found
        for batch in batches:
            found |= {item.key: item.parent for item in batch.items}
            outbox.settle(batch)


def test_the_spans_of_the_oldest_batch_go_first_whatever_their_run_waits_for() -> None:
    outbox = outbox_of(8)
    for run in ("a", "b"):
        outbox.put(opening(run))
    for number, run in enumerate("aabbab"):
        outbox.put([span(run, number)])
    assert [key for key in sent(outbox) if key[-1].isdigit()] == ["a-4", "b-2", "b-3", "b-5"]
    assert len(outbox) == outbox.size == 0


def test_who_waits_for_a_span_that_goes_is_told_and_nobody_else() -> None:
    outbox = outbox_of(2)
    receipts = [Receipt(), Receipt(), Receipt()]
    for number, receipt in enumerate(receipts):
        outbox.put([span("run", number)], receipt)
        receipt.seal()
    assert [receipt.future.done() for receipt in receipts] == [True, False, False]
    assert receipts[0].future.result() is False
    batch = outbox.lease(9, 10**6)
    assert batch is not None
    outbox.settle(batch)
    batch.resolve(lost=False)
    assert [receipt.future.result(0) for receipt in receipts] == [False, True, True]


@pytest.mark.parametrize("ends_first", [True, False])
def test_a_run_whose_last_span_is_given_up_goes_with_it(ends_first: bool) -> None:
    outbox = outbox_of(8)
    outbox.put(opening("lost"))
    outbox.put([span("lost", 0)])
    if ends_first:
        outbox.put(ending("lost"))
    outbox.put(opening("kept"))
    for number in range(1, 7):
        outbox.put([span("kept", number)])
    if not ends_first:
        outbox.put(ending("lost"))
    assert {key.partition("-")[0] for key in sent(outbox)} == {"kept"}
    assert len(outbox) == outbox.size == 0


def test_a_run_that_the_api_was_asked_for_is_ended_though_its_spans_are_given_up() -> None:
    outbox = outbox_of(4)
    outbox.put(opening("run"))
    [registration] = outbox.lease_about_runs(9)
    registration.attempts += 1
    outbox.release([registration])
    outbox.put([span("run", 0)])
    outbox.put(ending("run"))
    outbox.put([span("other", 1)])
    assert sent(outbox).keys() == {"other-1", "run-register", "run-start", "run-finish_run"}


def test_empty_runs_go_before_any_span_does() -> None:
    outbox = outbox_of(9)
    for run in ("a", "b", "c"):
        outbox.put(opening(run))
        outbox.put(ending(run))
    outbox.put([span("run", 0)])
    assert Counter(key[0] for key in sent(outbox)) == {"b": 3, "c": 3, "r": 1}


def test_an_open_span_whose_creation_is_given_up_can_be_created_anew() -> None:
    outbox = outbox_of(3)
    told: list[tuple[str, SpanRef]] = []
    outbox.on_creation_dropped = lambda run, span: told.append((run, span))
    outbox.put([span("run", 1, is_open=True)])
    outbox.put([span("run", 2, parent=1)])
    outbox.put([span("run", 3)])
    assert told == []
    outbox.put([span("run", 4)])
    assert told == [("run", ref(1))]
    outbox.put([span("run", 1)])  # gives up the second
    outbox.put([span("run", 5, parent=1)])
    assert sent(outbox) == {"run-4": None, "run-1": None, "run-5": ref(1)}


def test_children_hang_higher_only_before_their_parent_is_created_anew() -> None:
    outbox = outbox_of(6)
    outbox.put([span("run", 0)])
    outbox.put([span("run", 1, parent=0, is_open=True)])
    for number in range(2, 6):
        outbox.put([span("run", number, parent=1)])
    first = outbox.lease(1, 10**6)
    assert first is not None and keys_of([first]) == ["run-0"]
    outbox.put([span("run", 6, parent=1)])
    outbox.put([span("run", 7, parent=1)])  # gives up the first child's parent
    outbox.settle(first)
    outbox.put([span("run", 1, parent=0)])
    outbox.put([span("run", 8, parent=1)])
    found = sent(outbox)
    assert {found[f"run-{number}"] for number in range(4, 8)} == {ref(0)}
    assert found["run-8"] == ref(1)
    assert outbox.orphaned == 4


def test_a_creation_that_was_sent_once_is_not_made_anew() -> None:
    outbox = outbox_of(2)
    told: list[tuple[str, SpanRef]] = []
    outbox.on_creation_dropped = lambda run, span: told.append((run, span))
    outbox.put([span("run", 1, is_open=True)])
    batch = outbox.lease(9, 10**6)
    assert batch is not None
    batch.attempts += 1
    outbox.release([batch])
    outbox.put([span("run", 2)])
    outbox.put([span("run", 3)])
    assert told == []


def test_a_span_that_is_shown_ends_though_what_it_ended_with_is_given_up() -> None:
    counters = Counters()
    outbox = Outbox(Budget(3), counters, QuietLog())
    shown(outbox, "run", 1)
    receipt = Receipt()
    counters.accept(1)
    outbox.put([finish("run", 1)], receipt)
    receipt.seal()
    outbox.put(ending("run"))
    for number in (2, 3, 4):
        counters.accept(1)
        outbox.put([span("run", number)])
    assert counters.snapshot(state="running").dropped == {"queue_full": 3}
    assert receipt.future.result(0) is False
    end, other = outbox.lease(9, 10**6), outbox.lease(9, 10**6)
    assert end is not None and other is not None
    assert keys_of([other]) == ["run-4"]
    assert end.item == finish("run", 1)._replace(
        key="run-1-finishe",
        body=b'"status":"complete","timestamp":"2026-01-01T00:00:00Z"',
        ends_span=False,
    )
    assert outbox.lease_about_runs(9) == []
    for each in (other, end):
        outbox.settle(each)
    assert sent(outbox).keys() == {"run-finish_run"}
    assert len(outbox) == outbox.size == 0


def test_ends_go_last_and_are_bounded_too() -> None:
    outbox = outbox_of(4)
    shown(outbox, "run", 1, 2, 3, 4, 5, 6)
    for number in range(1, 7):
        outbox.put([finish("run", number)])
    outbox.put([span("run", 7)])
    assert sent(outbox).keys() == {f"run-{number}-finishe" for number in range(3, 7)}
    assert len(outbox) == outbox.size == 0


def test_a_span_that_was_never_shown_has_no_end() -> None:
    outbox = outbox_of(2)
    outbox.put([span("run", 1, is_open=True), finish("run", 1)])
    outbox.put([span("run", 2), span("run", 3)])
    assert sent(outbox).keys() == {"run-2", "run-3"}
    assert len(outbox) == outbox.size == 0


def test_the_end_that_is_left_is_on_disk_in_the_place_of_the_whole(tmp_path: Path) -> None:
    file = SpoolFile.create(tmp_path / "file")
    outbox = Outbox(Budget(), Counters(), QuietLog())
    outbox.spool_into(file, max_bytes=2 * FOOTPRINT + 100, max_age=math.inf)
    shown(outbox, "run", 1)
    outbox.put([finish("run", 1)])
    outbox.commit()
    outbox.put([span("run", 2), span("run", 3)])
    outbox.commit()
    kept = [row.item for row in file.read(0, 9).rows]
    assert [item.key for item in kept] == ["run-1-finishe", "run-3"]
    assert kept[0] == end_alone(kept[0]) == end_alone(finish("run", 1))
    assert sent(outbox).keys() == {"run-1-finishe", "run-3"}
    outbox.commit()
    assert file.count() == 0
    file.close()


def test_of_what_is_too_old_the_ends_are_left_and_follow_their_run(tmp_path: Path) -> None:
    file = SpoolFile.create(tmp_path / "file")
    items = [*opening("run"), span("run", 1), finish("run", 2), *ending("run")]
    file.write(items, at=2_000_000_000.0)
    file.commit()
    outbox = outbox_of(9)
    outbox.adopt(file, file.read(0, 9).rows, too_old=Period(0.0, math.inf))
    assert list(sent(outbox)) == ["run-register", "run-start", "run-2-finishe", "run-finish_run"]
    outbox.commit()
    assert file.count() == 0
    file.close()


def test_what_waits_for_a_span_that_goes_while_it_is_put_off_goes_higher() -> None:
    outbox = outbox_of(3)
    outbox.put([span("run", 1)])
    put_off = outbox.lease(9, 10**6)
    assert put_off is not None
    put_off.attempts, put_off.not_before = 1, math.inf
    outbox.put([span("run", 2, parent=1)])
    assert outbox.lease(9, 10**6) is None
    outbox.release([put_off])
    outbox.put([span("run", 3), span("run", 4)])
    assert sent(outbox) == {"run-2": None, "run-3": None, "run-4": None}
    assert len(outbox) == outbox.size == 0


def test_what_was_put_off_is_not_again_once_there_is_a_hurry() -> None:
    outbox = outbox_of(3)
    outbox.put([span("run", 1)])
    batch = outbox.lease(9, 10**6)
    assert batch is not None
    batch.not_before = math.inf
    outbox.release([batch])
    assert outbox.lease(9, 10**6) is None
    outbox.hurry()
    for _ in range(2):
        assert outbox.lease(9, 10**6) is batch
        outbox.release([batch])


def test_what_is_sent_together_sees_the_same_spans_as_lost() -> None:
    outbox = Outbox(Budget(4), Counters(), QuietLog(), max_items=2)
    outbox.put([span("run", 1, is_open=True), span("run", 2)])
    for number, parent in ((3, None), (4, 3), (5, None)):  # gives up the first
        outbox.put([span("run", number, parent)])
    second, third = outbox.lease(1, 10**6), outbox.lease(1, 10**6)
    assert second is not None and third is not None
    assert keys_of([second, third]) == ["run-2", "run-3"]
    outbox.settle(second)
    outbox.put([span("run", 1, is_open=True)])
    assert sent(outbox).keys() == {"run-1", "run-5"}  # the fourth waits for the third
    outbox.put([span("run", 6, parent=1)])
    outbox.settle(third)
    found = outbox.lease(9, 10**6)
    assert found is not None and keys_of([found]) == ["run-4"]
    outbox.settle(found)
    assert sent(outbox) == {"run-6": ref(1)}


def test_what_comes_after_the_last_of_a_line_was_given_up_arrives() -> None:
    outbox = outbox_of(2)
    spared, own = Batch(), Batch()
    for number, batch in enumerate((spared, own)):
        batch.add(span("run", number))
        outbox.line.insert(batch)
        batch.limit = 10**6
    outbox.line.take_first(own)
    outbox.put([span("run", 2)])
    assert sent(outbox).keys() == {"run-0", "run-2"}
    assert len(outbox) == 0


def test_what_was_packed_for_a_long_wait_gives_back_what_it_took() -> None:
    outbox = outbox_of(8)
    outbox.packs = True
    text = b'"text":"' + b"a" * 10_000 + b'"'
    outbox.put([span("run", number)._replace(body=text) for number in range(4)])
    packed = outbox.size
    batch = outbox.lease(9, 10**6)
    assert batch is not None
    assert outbox.size == batch.footprint > 10 * packed
    outbox.settle(batch)
    assert outbox.size == 0


def crowded(runs: int) -> Outbox:
    """An outbox in which so many runs wait for their registration, with two spans and an end."""
    outbox = outbox_of(10 * MANY)
    for number in range(runs):
        run = f"{number:032}"
        outbox.put(opening(run))
        outbox.put([span(run, 2 * number), span(run, 2 * number + 1)])
        outbox.put(ending(run))
    return outbox


def sent_of_one_run(outbox: Outbox) -> None:
    for _ in range(2):
        [call] = outbox.lease_about_runs(1)
        outbox.settle(call)
        outbox.release([call])
        spans = outbox.lease(8, 10**6)
        if spans is not None:
            outbox.settle(spans)
            outbox.release([spans])


def test_what_a_run_costs_does_not_grow_with_how_many_wait() -> None:
    few, many = crowded(100), crowded(MANY)
    steps = steps_of(lambda: sent_of_one_run(few))
    assert steps_of(lambda: sent_of_one_run(many)) == pytest.approx(steps, rel=0.1)


def test_who_waits_is_called_off_without_a_search() -> None:
    few, many = crowded(100), crowded(MANY)
    assert steps_of(few.call_off) == steps_of(many.call_off)
    receipt, patient = Receipt(), Receipt(patient=True)
    for each in (receipt, patient):
        few.watch(each)
        each.seal()
    few.call_off()
    assert (receipt.future.done(), patient.future.done()) == (True, False)


def test_giving_up_the_oldest_takes_no_search() -> None:
    def given_up(runs: int) -> int:
        outbox = outbox_of(2 * runs + 8)
        for number in range(runs):
            outbox.put(opening(f"{number:032}"))
        for number in range(8):
            outbox.put([span("run", number)])
        return steps_of(lambda: outbox.put([span("run", 8)]))

    assert given_up(MANY) == pytest.approx(given_up(100), rel=0.1)
