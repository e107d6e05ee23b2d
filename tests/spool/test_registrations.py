"""What registers a run is large and mostly the same: a file holds it once, and loses none of it."""

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import pytest

from prefactor_otel.delivery.operation import Item, Operation
from prefactor_otel.delivery.rows import Damaged, Stored
from prefactor_otel.errors import SpoolError
from prefactor_otel.spool.file import SpoolFile

AT = 1_790_000_000.0
LARGE = b'"agent_identifier":"%s"' % (b"x" * 40_000)


def registration(number: int, body: bytes = LARGE) -> Item:
    """Of a run of its own."""
    return Item(f"run-{number}", Operation.REGISTER, f"run-{number}-register", body)


def item_rows(path: Path) -> tuple[int, int]:
    """How many items are in a file that nobody holds, and how many bodies that they share."""
    with closing(sqlite3.connect(path)) as connection:
        [items] = connection.execute("SELECT count(*) FROM item").fetchone()
        [bodies] = connection.execute("SELECT count(*) FROM registration").fetchone()
    return items, bodies


def written(path: Path, items: Iterable[Item]) -> list[int]:
    """A new file with these; their places."""
    file = SpoolFile.create(path)
    places = list(file.write(list(items), AT))
    file.close()
    return places


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "1-a.spool"


def test_what_registers_many_runs_is_on_disk_once_and_comes_back_whole(path: Path) -> None:
    items = [registration(number) for number in range(50)]
    places = written(path, items)
    assert path.stat().st_size < 3 * len(LARGE)
    file = SpoolFile(path)
    assert file.read(0, 100).rows == [
        Stored(place, AT, item) for place, item in zip(places, items, strict=True)
    ]
    file.close()


def test_runs_that_were_read_have_their_registration_in_memory_once(path: Path) -> None:
    written(path, [registration(number) for number in range(50)])
    file = SpoolFile(path)
    assert len({id(row.item.body) for row in file.read(0, 100).rows}) == 1
    file.close()


def test_a_registration_that_no_run_needs_any_more_leaves_the_file(path: Path) -> None:
    """Agents, and versions of them, come and go in a gateway that runs for months."""
    file = SpoolFile.create(path)
    kept = file.write([registration(0)], AT)
    for number in range(1, 1_000):
        body = b'"agent_identifier":"agent %d"' % number
        gone = file.write([registration(number, body)], AT)
        file.commit()
        file.forget(gone)
    file.commit()
    assert [row.seq for row in file.read(0, 10).rows] == list(kept)
    assert [row.item for row in file.read(0, 10).rows] == [registration(0)]
    file.close()
    items, bodies = item_rows(path)
    assert (items, bodies < 500) == (1, True)


def test_a_registration_is_there_after_a_write_that_failed(path: Path) -> None:
    file = SpoolFile.create(path)
    [never] = file.write([registration(0)._replace(run=None)], AT)  # type: ignore[arg-type]
    with pytest.raises(SpoolError):
        file.commit()
    file.forget([never])
    file.write([registration(1)], AT)
    file.commit()
    assert [row.item for row in file.read(0, 10).rows] == [registration(1)]
    file.close()


def test_a_run_whose_registration_is_gone_from_the_disk_costs_itself(path: Path) -> None:
    places = written(path, [registration(0), registration(1, b'"agent_identifier":"other"')])
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DELETE FROM registration WHERE length(body) < 100")
        connection.commit()
    file = SpoolFile(path)
    reading = file.read(0, 10)
    assert [row.item for row in reading.rows] == [registration(0)]
    assert reading.damaged == [Damaged(places[1], 0, 0)]
    file.close()
