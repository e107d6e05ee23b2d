"""Rows are shown, digested and compared whatever an API or another SDK has put into them."""

import json
from typing import Any

import pytest

from prefactor_otel.cli.comparing import paired
from prefactor_otel.cli.runs import line_of_run
from prefactor_otel.cli.terminal import endless_console
from prefactor_otel.cli.tree import digest, light, part_lines, run_tree

Row = dict[str, Any]

RUN: Row = {
    "id": "r",
    "status": "terminated",
    "purpose": "live",
    "started_at": "2026-11-30T12:00:00Z",
    "finished_at": "2026-11-30T12:00:01.5Z",
    "termination_reason": "too dear",
    "quality_payloads": {"helpful": {"score": 1}},
}
SPAN: Row = {
    "id": "a",
    "parent_span_id": "b",
    "schema_name": "otel:tool",
    "schema_title": "Tool call",
    "status": "failed",
    "started_at": "2026-11-30T12:00:00Z",
    "finished_at": "2026-11-30T12:00:01.5Z",
    "summary": "a tool",
    "payload": {
        "name": "lookup",
        "inputs": {"a": 1},
        "outputs": {"b": 2},
        "token_usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
        "error": {"error_type": "KeyError", "message": "no such key"},
    },
    "result_payload": {"c": 3},
}
ODD: tuple[object, ...] = (None, 5, 0.5, True, "", "odd", [], [1], {}, {"a": {}})


def shown(run: Row, spans: list[Row]) -> str:
    """All that is made of them, as text."""
    lines = run_tree(run, spans, part_lines).lines(endless_console())
    told = [line_of_run(run, {"id": "agent", "name": run.get("name")}).plain]
    told += [line.plain for line in lines]
    told += [json.dumps(digest(span)) for span in (*spans, *map(light, spans))]
    told += [str(pair.changes) for pair in paired(spans, [SPAN | {"id": "z"}])]
    return "\n".join(told)


def test_what_people_have_said_of_a_run_is_shown_in_either_form() -> None:
    told = shown(RUN | {"quality_payload": {"feedback": {"rating": "up"}}}, [SPAN])
    assert 'quality: {"feedback": {"rating": "up"}}' in told
    assert "helpful" in told


@pytest.mark.parametrize("name", [name for name in SPAN if name != "id"])
def test_a_span_is_shown_with_anything_in_any_of_its_fields(name: str) -> None:
    for odd in ODD:
        told = shown(RUN, [SPAN | {name: odd}, SPAN | {"id": "b", "parent_span_id": None}])
        assert told.count("too dear") == 2, odd
    assert "lookup" in shown(
        RUN, [{k: v for k, v in SPAN.items() if k != name} | {"id": "a"}, SPAN]
    )


@pytest.mark.parametrize("name", SPAN["payload"])
def test_a_payload_is_shown_with_anything_in_any_of_its_fields(name: str) -> None:
    for odd in ODD:
        payload = SPAN["payload"] | {name: odd}
        assert "otel:tool" in shown(RUN, [SPAN | {"payload": payload}]), odd
    for inner in SPAN["payload"][name] if isinstance(SPAN["payload"][name], dict) else ():
        for odd in ODD:
            payload = SPAN["payload"] | {name: SPAN["payload"][name] | {inner: odd}}
            assert "otel:tool" in shown(RUN, [SPAN | {"payload": payload}]), odd


@pytest.mark.parametrize("name", [name for name in RUN if name != "id"])
def test_a_run_is_shown_with_anything_in_any_of_its_fields(name: str) -> None:
    for odd in ODD:
        assert "run r" in shown(RUN | {name: odd}, [SPAN]), odd
