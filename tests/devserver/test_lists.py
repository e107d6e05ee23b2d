"""Lists: pages, orders, filters."""

from typing import Any

import pytest

from prefactor_otel.devserver import DevServer
from tests.devserver.calls import Caller


@pytest.fixture
def spans(call: Caller) -> list[str]:
    """The ids of five spans, in the order of their arrival, which is not that of their ids."""
    instance_id = call.active()
    ids = sorted((call.own_id() for _ in range(5)), reverse=True)
    for number, span_id in enumerate(ids):
        call.span(instance_id, id=span_id, started_at=f"2026-01-0{number + 1}T00:00:00Z")
    return ids


def listed(call: Caller, server: DevServer, **query: Any) -> list[str]:
    rows = call("GET", "/agent_spans", query={"agent_id": server.agent_id} | query).summaries
    return [row["id"] for row in rows]


def test_the_oldest_come_first(call: Caller, server: DevServer, spans: list[str]) -> None:
    assert listed(call, server) == spans


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"sorting[field]": "id", "sorting[direction]": "asc"}, (4, 3, 2, 1, 0)),
        ({"sorting[field]": "id", "sorting[direction]": "desc"}, (0, 1, 2, 3, 4)),
        ({"sorting[field]": "id"}, (4, 3, 2, 1, 0)),
        ({"sorting[direction]": "desc"}, (4, 3, 2, 1, 0)),
        ({"sorting[field]": "started_at", "sorting[direction]": "desc"}, (4, 3, 2, 1, 0)),
        ({"sorting": "id"}, (4, 3, 2, 1, 0)),
        ({"sorting": "-id"}, (0, 1, 2, 3, 4)),
        ({"sorting": "-started_at"}, (4, 3, 2, 1, 0)),
        ({"sorting[field]": "status", "sorting[direction]": "desc"}, (4, 3, 2, 1, 0)),
    ],
)
def test_orders(
    call: Caller, server: DevServer, spans: list[str], query: dict[str, str], expected: list[int]
) -> None:
    assert listed(call, server, **query) == [spans[index] for index in expected]


def test_the_order_is_echoed(call: Caller, server: DevServer) -> None:
    query = {"agent_id": server.agent_id, "sorting": "-id"}
    answer = call("GET", "/agent_spans", query=query)
    assert answer.body["sorting"] == {"field": "id", "direction": "desc"}
    answer = call("GET", "/agent_spans", query={"agent_id": server.agent_id})
    assert answer.body["sorting"] == {"field": "inserted_at", "direction": "asc"}


@pytest.mark.parametrize(
    ("query", "at_fault"),
    [
        ({"sorting[field]": "payload"}, "sorting[field]"),
        ({"sorting[field]": "id; DROP TABLE agent"}, "sorting[field]"),
        ({"sorting[field]": "id", "sorting[direction]": "up"}, "sorting[direction]"),
        ({"sorting": "-payload"}, "sorting"),
        ({"pagination[page_size]": "0"}, "pagination[page_size]"),
        ({"pagination[page_size]": "101"}, "pagination[page_size]"),
        ({"pagination[page_size]": "ten"}, "pagination[page_size]"),
        ({"pagination[offset]": "-1"}, "pagination[offset]"),
        ({"pagination[offset]": "1.5"}, "pagination[offset]"),
        ({"start_time": "monday"}, "start_time"),
    ],
)
@pytest.mark.parametrize("path", ["/agent_spans"])
def test_what_is_wrong_with_a_list_is_named(
    call: Caller, server: DevServer, path: str, query: dict[str, str], at_fault: str
) -> None:
    answer = call("GET", path, query={"agent_id": server.agent_id} | query)
    assert answer.invalid(at_fault)


def test_pages_are_walked_by_the_next_offset(
    call: Caller, server: DevServer, spans: list[str]
) -> None:
    seen: list[str] = []
    offset: int | None = 0
    while offset is not None:
        query = {"agent_id": server.agent_id, "pagination[offset]": offset}
        answer = call("GET", "/agent_spans", query=query | {"pagination[page_size]": 2})
        seen += [row["id"] for row in answer.summaries]
        offset = answer.body["pagination"]["next_page_offset"]
    assert seen == spans


@pytest.mark.parametrize(
    ("offset", "size", "expected"),
    [
        (0, 2, (5, 1, 2, 3, 1, 0, 2, 2, None)),
        (2, 2, (5, 3, 4, 3, 2, 2, 2, 4, 0)),
        (4, 2, (5, 5, 5, 3, 3, 4, 2, None, 2)),
        (0, 5, (5, 1, 5, 1, 1, 0, 5, None, None)),
        (1, 3, (5, 2, 4, 2, 1, 1, 3, 4, 0)),
        (5, 2, (5, 0, 0, 3, 3, 5, 2, None, 3)),
        (1000, 100, (5, 0, 0, 1, 11, 1000, 100, None, 900)),
    ],
)
def test_the_page_describes_itself(
    call: Caller,
    server: DevServer,
    spans: list[str],
    offset: int,
    size: int,
    expected: tuple[int | None, ...],
) -> None:
    query = {"pagination[offset]": offset, "pagination[page_size]": size}
    answer = call("GET", "/agent_spans", query={"agent_id": server.agent_id} | query)
    names = (
        *("item_count", "item_start", "item_end", "page_count", "page_index"),
        *("page_offset", "page_size", "next_page_offset", "previous_page_offset"),
    )
    assert answer.body["pagination"] == dict(zip(names, expected, strict=True))
    assert len(answer.summaries) == max(0, min(size, 5 - offset))


def test_an_empty_list_has_no_pages(call: Caller, server: DevServer) -> None:
    page = call.get("/agent_spans", agent_id=server.agent_id).body["pagination"]
    assert (page["item_count"], page["page_count"], page["next_page_offset"]) == (0, 0, None)


def test_a_page_holds_a_hundred_unless_told(call: Caller, server: DevServer) -> None:
    for number in range(101):
        call.pending(external_identifier=str(number))
    answer = call.get("/agent_instance", agent_id=server.agent_id)
    assert (len(answer.summaries), answer.body["pagination"]["next_page_offset"]) == (100, 100)


def test_spans_are_listed_by_run_by_agent_or_both(call: Caller, server: DevServer) -> None:
    one, two = call.active(), call.active()
    first, second = call.span(one).details["id"], call.span(two).details["id"]
    assert listed(call, server) == [first, second]
    assert listed(call, server, agent_instance_id=two) == [second]
    rows = call.get("/agent_spans", agent_instance_id=one).summaries
    assert [row["id"] for row in rows] == [first]
    assert call.get("/agent_spans").invalid("agent_instance_id", "agent_id")


def test_spans_are_listed_by_time(call: Caller, server: DevServer, spans: list[str]) -> None:
    window = {"start_time": "2026-01-02T00:00:00Z", "end_time": "2026-01-03T01:00:00+01:00"}
    assert listed(call, server, **window) == spans[1:3]


def test_a_listed_span_is_the_span_as_it_was_answered(call: Caller, server: DevServer) -> None:
    span = call.span(call.active(), status="complete", result_payload={"text": "x"}).details
    assert call.get("/agent_spans", agent_id=server.agent_id).summaries == [span]
    assert server.spans() == [span]


def test_runs_are_listed_by_agent_and_version(call: Caller, server: DevServer) -> None:
    first = call.register().details
    second = call.register(agent_version={"external_identifier": "v2"}).details
    rows = call.get("/agent_instance", agent_id=server.agent_id, status="failed").summaries
    assert [row["id"] for row in rows] == [first["id"], second["id"]]
    assert {"risk_score", "purpose", "termination_reason"} <= rows[0].keys()
    version = {"agent_id": server.agent_id, "agent_version_id": second["agent_version_id"]}
    rows = call.get("/agent_instance", **version).summaries
    assert [row["id"] for row in rows] == [second["id"]]
    assert call.get("/agent_instance").invalid("agent_id")


@pytest.mark.parametrize("path", ["/agent_instance", "/agent_spans"])
def test_an_unknown_agent_has_an_empty_list(call: Caller, path: str) -> None:
    for agent_id in (call.own_id(), "nonsense"):
        assert call.get(path, agent_id=agent_id).summaries == []
