"""What registers a run is large and mostly the same: it waits once for all runs."""

import gc
import tracemalloc
from pathlib import Path

import orjson

from prefactor_otel import PrefactorSpanProcessor, TracerProvider, run
from prefactor_otel.config.options import load_config
from prefactor_otel.delivery.budget import Budget
from prefactor_otel.delivery.operation import Item, Operation
from prefactor_otel.delivery.outbox import Outbox
from prefactor_otel.delivery.run_calls import call_body
from prefactor_otel.runs.run import About, Registrations, Run, facts_of
from prefactor_otel.spool.file import SpoolFile
from prefactor_otel.stats.counters import Counters
from prefactor_otel.stats.log import QuietLog
from tests.patience import comes_true

NOBODY = "http://127.0.0.1:9"
FACTS = facts_of({}, is_ours=True)


def registrations() -> Registrations:
    return Registrations(load_config(None, "pf_x", agent_id="an agent"))


def job(number: int) -> About:
    return About(external_identifier=f"job {number}")


def test_runs_that_wait_take_what_is_said_of_each_and_not_the_schemas_of_all() -> None:
    processor = PrefactorSpanProcessor(NOBODY, "token", run_scope="trace")
    TracerProvider(span_processors=[processor], shutdown_on_exit=False)

    def waiting(first: int, last: int) -> tuple[int, int]:
        """Bytes that are allocated, and that it says, once so many runs wait."""
        for number in range(first, last):
            with run("job", external_identifier=f"job {number}"):
                pass
        assert comes_true(lambda: processor.stats().waiting_items == 3 * last)
        gc.collect()
        return tracemalloc.get_traced_memory()[0], processor.stats().held_bytes

    waiting(0, 50)
    tracemalloc.start()
    allocated, said = waiting(50, 60)
    more_allocated, more_said = waiting(60, 160)
    tracemalloc.stop()
    assert more_said - said > 100 * 1000
    assert more_allocated - allocated < 4 * (more_said - said)


def test_a_registration_is_sent_and_counted_as_a_whole() -> None:
    made = registrations()
    body = made.of(job(1), FACTS)
    schema = made.schema()
    item = Item("a run", Operation.REGISTER, "a run-register", body)
    sent = call_body(item)
    assert len(body) < 1000 < len(schema) < len(sent) <= item.size
    members = orjson.loads(sent)
    assert members["agent_schema_version"] == orjson.loads(schema)
    assert members["external_identifier"] == "job 1"
    assert call_body(item._replace(body=sent[1 : sent.rindex(b',"idempotency_key"')])) == sent


def test_registrations_that_come_back_from_disk_are_whole(tmp_path: Path) -> None:
    made = registrations()
    file = SpoolFile.create(tmp_path / "file")
    outbox = Outbox(Budget(max_items=3), Counters(), QuietLog())
    outbox.spool_into(file, max_bytes=10**9, max_age=1e9)
    opened = [item for n in range(9) for item in Run(f"run {n}").opening(made.of(job(n), FACTS))]
    for item in opened:
        outbox.put([item])
    outbox.commit()
    on_disk = [call_body(row.item) for row in file.read(0, 99).rows]
    assert on_disk == [call_body(item) for item in opened]
    sent = []
    while batches := outbox.lease_about_runs(99):
        for batch in batches:
            sent.append(call_body(batch.item))
            outbox.settle(batch)
    assert sorted(sent) == sorted(on_disk)
    assert len(outbox) == outbox.size == 0
    file.close()


def test_a_file_remembers_no_bodies(tmp_path: Path) -> None:
    made = registrations()
    file = SpoolFile.create(tmp_path / "file")

    def write(runs: range) -> None:
        for number in runs:
            file.write(Run(f"run {number}").opening(made.of(job(number), FACTS)), 1.0)
        file.commit()

    write(range(20))
    tracemalloc.start()
    write(range(20, 120))
    allocated, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert allocated < 100 * 2_000
    file.close()
