"""What the platform's own readers find after recorded runs have gone through the exporter.

The evaluator and the dashboard read over HTTP; so do these tests, page by page, as they do.
"""

import json
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from prefactor_otel import PrefactorExporter
from prefactor_otel.devserver import DevServer
from prefactor_otel.spans.view import SpanView
from tests.patience import PATIENCE
from tests.recorded import NAMES, readable, recorded
from tests.support_table import CONTENT_ON_SPANS

pytestmark = pytest.mark.xdist_group("readers")

Row = dict[str, Any]

PAGE_SIZE = 10  # less than the readers' 100, so that there are pages to turn
TOOLS = {
    *("get_weather", "weather_tool", "adder", "kind TOOL", "B-get_weather"),
    *("finish", "final_answer", "handoff to weather agent"),
    *("mcp__weather__get_weather", "Weather-get_weather"),
}


@pytest.fixture(scope="module")
def api() -> Iterator[DevServer]:
    with DevServer() as server:
        yield server


@pytest.fixture(scope="module")
def runs(api: DevServer) -> dict[str, list[Row]]:
    """The span rows of each recorded run, exported one span after the other as they ended."""
    return {name: _delivered(api, name) for name in NAMES}


def _delivered(api: DevServer, name: str) -> list[Row]:
    exporter = PrefactorExporter(api.url, api.token, agent_name=name, max_request_bytes=2**21)
    for span in readable(name):
        exporter.export([span])
    exporter.shutdown()
    stats = exporter.stats()
    assert (stats.acknowledged, stats.dropped) == (len(readable(name)), {}), name
    assert stats.run_id is not None
    return pages(api, "agent_spans", agent_instance_id=stats.run_id)


def pages(api: DevServer, path: str, **query: str) -> list[Row]:
    rows: list[Row] = []
    offset: int | None = 0
    while offset is not None:
        paging = {"pagination[offset]": offset, "pagination[page_size]": PAGE_SIZE}
        request = urllib.request.Request(
            f"{api.url}/api/v1/{path}?{urllib.parse.urlencode({**query, **paging})}",
            headers={"Authorization": f"Bearer {api.token}"},
        )
        with urllib.request.urlopen(request, timeout=PATIENCE) as response:
            page = json.load(response)
        rows += page["summaries"]
        offset = page["pagination"]["next_page_offset"]
    return rows


def is_type(row: Row, *types: str) -> bool:
    return row["schema_name"] in {f"otel:{each}" for each in types}


@pytest.mark.parametrize("name", NAMES)
def test_every_span_arrives_under_its_parent_and_as_declared(
    name: str, runs: dict[str, list[Row]], api: DevServer
) -> None:
    rows = {row["payload"]["span_id"]: row for row in runs[name]}
    views = recorded(name).views
    assert rows.keys() == {view.key.span_hex for view in views}
    known = {view.key for view in views}
    for view in views:
        row = rows[view.key.span_hex]
        parent = rows[view.parent.span_hex]["id"] if view.parent in known and view.parent else None
        assert row["parent_span_id"] == parent
        assert row["finished_at"] is not None
    declared = {row["id"]: row for row in api.spans()}
    assert [declared[row["id"]]["schema_mismatches"] for row in runs[name]] == [[]] * len(rows)


def tells_why_it_stopped(view: SpanView) -> bool:
    told = [*view.attributes.items(), *(item for e in view.events for item in e.attributes.items())]
    return any("finish_reason" in key and value != ("",) for key, value in told)


@pytest.mark.parametrize("name", NAMES)
def test_the_dashboard_finds_model_stop_reason_and_error(
    name: str, runs: dict[str, list[Row]]
) -> None:
    reasoned = {v.key.span_hex for v in recorded(name).views if tells_why_it_stopped(v)}
    for row in runs[name]:
        payload = row["payload"]
        assert row["agent_id"]
        assert row["started_at"]
        if payload["token_usage"] is not None:  # what it takes for a model call
            assert is_type(row, "llm", "embedding", "agent")
            assert is_type(row, "agent") or isinstance(payload["inputs"]["model"], str)
            assert payload["token_usage"]["prompt_tokens"] > 0
        if is_type(row, "llm") and payload["span_id"] in reasoned and "aborted" not in name:
            assert payload["outputs"]["stop_reason"] in ("stop", "tool_calls", "length")
        assert (payload["error"] is not None) == (row["status"] in ("failed", "cancelled"))
        if payload["error"] is not None:
            assert payload["error"]["error_type"]


@pytest.mark.parametrize("name", NAMES)
def test_the_evaluator_knows_a_tool_by_its_name_and_reads_its_result(
    name: str, runs: dict[str, list[Row]]
) -> None:
    for row in runs[name]:
        payload = row["payload"]
        output = row["result_payload"] or payload["outputs"]
        if row["status"] == "failed":
            assert output == payload["error"]
        if is_type(row, "tool"):
            assert payload["name"] in TOOLS or name.endswith("structured_output")
        if is_type(row, "llm") and row["status"] == "complete":
            assert output == payload["outputs"]


NOT_ON_THE_AGENT = (
    "traceloop_langchain",
    "any_agent__native",
    "semantic_kernel__native_2026",
    "logfire_claude_agent_sdk",
)
"""Runs whose agents carry no question or no answer."""


def has_content(name: str) -> bool:
    """Whether the instrumentation was told to put content on spans, where that must be said."""
    instrumentation = recorded(name).instrumentation
    if instrumentation.startswith("official_genai"):
        return instrumentation.endswith(CONTENT_ON_SPANS)
    return "nocontent" not in instrumentation


@pytest.mark.parametrize(
    "name",
    [
        name
        for name in NAMES
        if "tool_ok" in name and has_content(name) and not any(n in name for n in NOT_ON_THE_AGENT)
    ],
)
def test_a_run_with_one_root_tells_question_and_answer_there(
    name: str, runs: dict[str, list[Row]]
) -> None:
    roots = [row for row in runs[name] if row["parent_span_id"] is None]
    agents = [row for row in roots if is_type(row, "agent")]
    for root in agents:
        assert "What is the weather in Paris?" in json.dumps(root["payload"]["inputs"])
        assert "It is sunny, 21C in Paris." in json.dumps(root["result_payload"])


STORIES = {
    "pydantic_ai__native_default__tool_ok": [
        "weather_agent: What is the weather in Paris? → It is sunny, 21C in Paris.",
        "gpt-4o-mini: What is the weather in Paris? → get_weather",
        "get_weather(city=Paris) → sunny, 21C",
        "gpt-4o-mini: sunny, 21C → It is sunny, 21C in Paris.",
    ],
    "pydantic_ai__native_default__llm_error": [
        "weather_agent: hi → ModelRateLimitError",
        "boom → ModelRateLimitError",
    ],
    "langchain__openinference_langchain__agent_tool_error": [
        "weather_agent: What is the weather in Atlantis? → ValueError",
        "model",
        "gpt-4o-mini: What is the weather in Atlantis? → get_weather",
        "tools → ValueError",
        "get_weather(input=Atlantis) → ValueError",
    ],
}


@pytest.mark.parametrize("name", STORIES)
def test_the_summaries_tell_the_story_of_the_run(name: str, runs: dict[str, list[Row]]) -> None:
    rows = sorted(runs[name], key=lambda row: str(row["started_at"]))
    assert [row["summary"] for row in rows] == STORIES[name]


def test_no_summary_takes_more_than_a_line(runs: dict[str, list[Row]]) -> None:
    for rows in runs.values():
        for row in rows:
            assert row["summary"]
            assert len(row["summary"].splitlines()) == 1
            assert len(row["summary"]) < 260
