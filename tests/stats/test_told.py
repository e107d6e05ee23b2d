"""Every counter is told wherever counters are told."""

from dataclasses import fields, replace
from pathlib import Path

from prefactor_otel import Stats
from prefactor_otel.gateway.exposition import AccountState, Seen, exposition
from prefactor_otel.gateway.tallies import Tallies
from prefactor_otel.stats.counters import Counters

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
FIELDS = [each.name for each in fields(Stats)]


def test_every_counter_has_its_row_in_the_documentation() -> None:
    page = PAGE.read_text()
    [table] = [part for part in page.split("\n\n") if part.startswith("| of `stats()` |")]
    assert [name for name in FIELDS if f"`{name}`" not in table] == []


def test_every_number_is_a_metric_of_the_gateway() -> None:
    empty = Counters().snapshot(state="running")
    numbers = [name for name in FIELDS if type(getattr(empty, name)) is int]
    values = {name: 1_000_001 + place for place, name in enumerate(numbers)}
    stats = replace(empty, **values)  # type: ignore[arg-type]
    text = exposition([AccountState("mine", stats, 0, Tallies())], Seen())
    missing = [name for name, value in values.items() if f" {value}\n" not in text]
    assert missing == []
