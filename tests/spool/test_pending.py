"""What is still to be written grows with what waits, and not with what is over."""

from pathlib import Path

from prefactor_otel.delivery.operation import Item, Operation, SpanRef, new_key
from prefactor_otel.spool.file import SpoolFile
from tests.growth import growth

AT = 1_790_000_000.0


def live(file: SpoolFile, runs: int) -> None:
    """So many runs begin, and are over, before anything can be written."""
    for _ in range(runs):
        run = new_key()
        calls = (Operation.REGISTER, Operation.START, Operation.FINISH_RUN)
        places = file.write([Item(run, call, f"{run}-{call}", b'"a":1') for call in calls], AT)
        file.registered(run, "an instance", None, ids_accepted=False)
        file.forget(places)
        file.run_over(run)


def test_runs_that_are_over_before_they_are_written_leave_nothing(tmp_path: Path) -> None:
    file = SpoolFile.create(tmp_path / "file")
    grown = growth(lambda: live(file, 200), lambda: live(file, 2000))
    assert grown < 2000 * 20
    file.commit()
    assert file.count() == 0
    assert list(file.runs()) == []
    file.close()


def test_a_run_that_is_over_leaves_none_of_its_open_spans_in_the_file(tmp_path: Path) -> None:
    file = SpoolFile.create(tmp_path / "file")
    span = SpanRef(bytes(15) + b"\1")
    opened = [
        Item("run", Operation.REGISTER, "run-register", b'"a":1'),
        Item("run", Operation.CREATE, "run-span", b'"a":1', span),
    ]
    file.forget(file.write(opened, AT))
    file.run_over("run")
    file.commit()
    assert list(file.opened_spans()) == []
    assert list(file.runs()) == []
    file.close()
