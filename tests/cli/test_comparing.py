"""What two runs differ in is found whatever else is in them."""

from typing import Any

from prefactor_otel.cli.comparing import Pair, paired

Row = dict[str, Any]


def step(name: str, parent: str | None = None, **others: Any) -> Row:
    """A span that is called so; ``id`` is its name unless it says another."""
    kind, status = others.pop("kind", "otel:tool"), others.pop("status", "complete")
    payload = {"name": name, **others.pop("payload", {})}
    row = {"id": name, "parent_span_id": parent, "schema_name": kind, "status": status}
    took = others.pop("took", 0.0)
    times = {"started_at": "2026-11-30T12:00:00Z", "finished_at": f"2026-11-30T12:00:{took:09.6f}Z"}
    return row | times | {"payload": payload} | others


def names(pairs: list[Pair]) -> list[tuple[str | None, str | None]]:
    return [(name(before), name(after)) for before, after, _ in pairs]


def name(row: Row | None) -> str | None:
    return row["payload"]["name"] if row is not None else None


def test_steps_that_are_added_and_gone_are_told_from_those_that_stay() -> None:
    before = [step("root"), step("a", "root"), step("b", "root"), step("c", "root")]
    after = [step("root"), step("a", "root"), step("c", "root"), step("d", "root")]
    pairs = [*paired(before, after)]
    assert names(pairs) == [("root", "root"), ("a", "a"), ("b", None), ("c", "c"), (None, "d")]
    assert [pair.depth for pair in pairs] == [0, 1, 1, 1, 1]
    assert [change for pair in pairs for change in pair.changes] == []


def test_one_more_call_among_many_alike_is_one_step_more() -> None:
    before = [step("chat", id=f"b{number}") for number in range(3)]
    after = [step("chat", id=f"a{number}") for number in range(4)]
    assert names([*paired(before, after)]) == [("chat", "chat")] * 3 + [(None, "chat")]


def test_a_step_that_takes_the_place_of_another_is_a_change_of_name_and_type() -> None:
    before = [step("root"), step("search", "root"), step("hit", "search")]
    after = [step("root"), step("lookup", "root", kind="otel:retriever"), step("hit", "lookup")]
    pairs = [*paired(before, after)]
    assert names(pairs) == [("root", "root"), ("search", "lookup"), ("hit", "hit")]
    assert pairs[1].changes == ["type otel:tool → otel:retriever", "name search → lookup"]


def test_changes_of_status_error_tokens_and_duration_are_told() -> None:
    error = {"error_type": "KeyError", "message": "no such key"}
    usage = {"prompt_tokens": 10, "completion_tokens": 5}
    [pair] = paired(
        [step("a", took=0.1)],
        [step("a", status="failed", took=2.0, payload={"error": error, "token_usage": usage})],
    )
    assert pair.changes == [
        "status complete → failed",
        "error none → KeyError",
        "tokens none → 10+5",
        "duration 0.10 s → 2.00 s",
    ]


def test_what_takes_a_little_longer_is_alike() -> None:
    for took, takes in ((0.01, 0.09), (10.0, 11.0)):
        [pair] = paired([step("a", took=took)], [step("a", took=takes)])
        assert pair.changes == []


def test_deep_and_wide_runs_are_compared_as_well() -> None:
    deep = [step(f"s{n}", f"s{n - 1}" if n else None) for n in range(5_000)]
    assert len([*paired(deep, deep[:-1])]) == 5_000
    wide = [step("chat", id=f"c{n}") for n in range(5_000)]
    assert names([*paired(wide, wide[:-1])])[-1] == ("chat", None)
