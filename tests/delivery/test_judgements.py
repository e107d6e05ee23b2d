"""Judgements of runs wait within the same bounds as spans, and of each name only the last."""

import json
import math
import time
from pathlib import Path
from typing import Any

from prefactor_otel import PrefactorSpanProcessor, TracerProvider, run
from prefactor_otel.delivery.budget import Budget
from prefactor_otel.delivery.operation import FOOTPRINT, Item, Operation
from prefactor_otel.delivery.outbox import Outbox
from prefactor_otel.delivery.receipt import Receipt
from prefactor_otel.devserver import DevServer
from prefactor_otel.runs.run import Run
from prefactor_otel.spool.file import SpoolFile
from prefactor_otel.stats.counters import Counters
from prefactor_otel.stats.log import QuietLog
from tests.delivery.test_room import ending, opening, outbox_of, sent, shown, span
from tests.growth import growth
from tests.patience import PATIENCE, comes_true

MIB = 1024 * 1024
FLUSH = int(PATIENCE * 1000)


def judgement(of: str, name: str, number: int, text: str = "") -> Item:
    return Run(of).quality(name, {"text": text}, number)


def judging(api: DevServer, names: list[str]) -> PrefactorSpanProcessor:
    schemas: list[dict[str, object]] = [{"name": name, "schema": {}} for name in names]
    processor = PrefactorSpanProcessor(
        *(api.url, api.token),
        quality_schemas=schemas,
        max_queue_bytes=MIB,
        run_scope="trace",
        shutdown_timeout=PATIENCE,
    )
    TracerProvider(span_processors=[processor], shutdown_on_exit=False)
    return processor


def judged(api: DevServer) -> list[dict[str, Any]]:
    return [each.body for each in api.requests if each.path.endswith("/record_quality")]


def test_of_the_judgements_under_one_name_only_the_last_waits(api: DevServer) -> None:
    processor = judging(api, ["tone"])
    api.faults.add(status=503, times=None)
    with run("agent") as agent:
        for number in range(50):
            agent.record_quality("tone", {"score": number, "text": "x" * 10_000})
    assert comes_true(lambda: processor.stats().waiting_items == 4)  # and three calls of the run
    assert comes_true(lambda: 10_000 < processor.stats().held_bytes < 20_000)
    api.faults.clear()
    assert processor.force_flush(FLUSH)
    assert [each["payload"]["score"] for each in judged(api)] == [49]
    assert processor.stats().lost_judgements == 0


def test_judgements_that_wait_take_no_more_than_the_budget(api: DevServer) -> None:
    names = [f"name {number}" for number in range(40)]
    processor = judging(api, names)
    api.faults.add(status=503, times=None)
    with run("agent") as agent:
        for name in names:
            agent.record_quality(name, {"text": "x" * 100_000})
    assert comes_true(lambda: processor.stats().lost_judgements > 0)
    api.faults.clear()
    assert comes_true(lambda: api.instances() and api.instances()[0]["status"] == "complete")
    arrived = judged(api)
    assert 1 < len(arrived) == 40 - processor.stats().lost_judgements
    assert len(json.dumps(arrived)) <= MIB
    assert [each["name"] for each in arrived] == names[-len(arrived) :]


def test_of_spans_and_judgements_the_oldest_go_first() -> None:
    counters = Counters()
    outbox = Outbox(Budget(4), counters, QuietLog(), max_items=1)
    shown(outbox, "run")
    outbox.put([span("run", 1)])
    outbox.judge(judgement("run", "first", 1))
    outbox.put([span("run", 2)])
    outbox.judge(judgement("run", "second", 2))
    outbox.put([span("run", 3), span("run", 4)])
    assert sent(outbox).keys() == {"run-2", "run-quality-2", "run-3", "run-4"}
    assert counters.snapshot(state="running").lost_judgements == 1
    assert len(outbox) == outbox.size == 0


def test_who_waits_for_a_judgement_waits_for_what_takes_its_place() -> None:
    outbox = outbox_of(9)
    shown(outbox, "run")
    outbox.judge(judgement("run", "tone", 1))
    receipt = Receipt()
    outbox.watch(receipt)
    receipt.seal()
    outbox.judge(judgement("run", "tone", 2))
    assert not receipt.future.done()
    [batch] = outbox.lease_about_runs(9)
    assert batch.item.key == "run-quality-2"
    outbox.judge(judgement("run", "tone", 3))  # the one on its way may have arrived
    outbox.settle(batch)
    batch.resolve(lost=False)
    assert receipt.future.result(0) is True
    assert sent(outbox).keys() == {"run-quality-3"}
    assert len(outbox) == outbox.size == 0


def test_a_judgement_that_is_put_off_can_go_and_the_run_ends() -> None:
    outbox = outbox_of(2)
    shown(outbox, "run")
    outbox.judge(judgement("run", "tone", 1))
    [batch] = outbox.lease_about_runs(9)
    batch.not_before = time.monotonic() + PATIENCE
    outbox.release([batch])
    outbox.put(ending("run"))
    outbox.put([span("other", 1)])
    outbox.hurry()
    assert sent(outbox).keys() == {"other-1", "run-finish_run"}
    assert len(outbox) == outbox.size == 0


def test_on_disk_a_judgement_stands_in_the_place_of_the_one_before(tmp_path: Path) -> None:
    file = SpoolFile.create(tmp_path / "file")
    outbox = Outbox(Budget(), Counters(), QuietLog())
    outbox.spool_into(file, max_bytes=99 * FOOTPRINT, max_age=math.inf)
    shown(outbox, "run")
    for number in range(3):
        outbox.judge(judgement("run", "tone", number))
        outbox.commit()
    assert [row.item.key for row in file.read(0, 9).rows] == ["run-quality-2"]
    assert sent(outbox).keys() == {"run-quality-2"}
    outbox.commit()
    assert file.count() == 0
    file.close()


def lost_runs(outbox: Outbox, runs: range) -> None:
    for number in runs:
        name = f"run {number}"
        outbox.put([*opening(name), span(name, number), *ending(name)])


def test_runs_that_are_given_up_leave_nothing_behind() -> None:
    outbox = outbox_of(8)
    lost_runs(outbox, range(100))
    grown = growth(
        lambda: lost_runs(outbox, range(100, 1000)), lambda: lost_runs(outbox, range(1000, 4000))
    )
    assert len(outbox) <= 8
    assert grown < 3000 * 400  # unrecorded spans, of which 20,000 are remembered
    assert outbox.calls(Operation.REGISTER) <= 2
