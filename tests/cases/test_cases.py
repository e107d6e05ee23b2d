"""Spans as users of such exporters and the sources of frameworks have shown them, each file one
thing that is easily told wrong."""

import json
from pathlib import Path
from typing import Any, Final

import pytest

from prefactor_otel.cli.inspect import agent_spans
from tests.cases.expectations import unmet, wrong_counts
from tests.recorded import views_in

FOLDER: Final = Path(__file__).parent
EXPECTED: Final[dict[str, Any]] = json.loads((FOLDER / "expected.json").read_text())


@pytest.mark.parametrize("name", EXPECTED)
def test_the_case_becomes_what_a_person_would_tell(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = EXPECTED[name]
    for variable, value in expected.get("env", {}).items():
        monkeypatch.setenv(variable, value)
    rows = list(agent_spans(views_in((FOLDER / "spans" / name).read_text())))
    assert not reasons(expected, rows)


def test_every_case_is_expected_to_become_something() -> None:
    assert {path.name for path in (FOLDER / "spans").glob("*.json")} == EXPECTED.keys()


def reasons(expected: dict[str, Any], rows: list[dict[str, Any]]) -> list[str]:
    found: list[str] = []
    by_id = {row["payload"]["span_id"]: row for row in rows}
    usages = {id_: row["payload"]["token_usage"] or {} for id_, row in by_id.items()}
    for id_, wanted in expected.get("spans", {}).items():
        found += [f"{id_[-4:]}: {reason}" for reason in unmet(wanted, by_id[id_])]
    for id_, usage in usages.items():
        found += [f"{id_[-4:]}: {reason}" for reason in wrong_counts(usage)]
    for key, total in expected.get("tokens_total", {}).items():
        told = sum(usage.get(key, 0) for usage in usages.values())
        if told != total:
            found.append(f"the sum of {key} is {told}, not {total}")
    text = json.dumps(rows)
    return found + [
        f"{word!r} is still there" for word in expected.get("absent", []) if word in text
    ]
