"""Whatever a span carries, it is listed, counted and searched: nothing that it says can keep it
out."""

from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from prefactor_otel.devserver import DevServer, reading
from prefactor_otel.devserver.reasons import reasons
from prefactor_otel.devserver.search import indexed
from prefactor_otel.devserver.totals import Totals
from tests.devserver.calls import Caller
from tests.devserver.screen.browser import Browser

KEYS = st.sampled_from(
    [
        *("name", "tool_name", "agent_name", "model_name", "inputs", "outputs", "messages", "role"),
        *("content", "parts", "type", "text", "input", "output", "question", "error", "message"),
        *("error_type", "token_usage", "prompt_tokens", "completion_tokens", "total_tokens"),
        *("cached_tokens", "input_tokens", "metadata", "kind", "scope", "events", "attributes"),
        *("resource", "repaired", "trace_id", "span_id", "$sensitive", "model", "otel.name"),
    ]
)
TEXTS = st.sampled_from(["", " ", "user", "assistant", "llm", "a\0b", "天気", "\u202e", "x" * 300])
NUMBERS = st.one_of(st.integers(-(2**63), 2**64 - 1), st.floats(allow_nan=False))
LEAVES = st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=5)),
    max_leaves=25,
)
PAYLOADS = st.dictionaries(KEYS, JSON, max_size=8)
BEYOND = 2**63


def shown(payload: dict[str, Any], result: dict[str, Any] | None, parent: str | None) -> Any:
    return {
        "id": "span",
        "parent_span_id": parent,
        "schema_name": "otel:llm",
        "schema_title": None,
        "status": "complete",
        "payload": payload,
        "result_payload": result,
        "started_at": None,
        "finished_at": None,
        "schema_mismatches": [],
    }


@given(PAYLOADS, st.none() | PAYLOADS, st.sampled_from([None, "parent"]))
def test_everything_is_read_of_any_payload(
    payload: dict[str, Any], result: dict[str, Any] | None, parent: str | None
) -> None:
    span = shown(payload, result, parent)
    usage = reading.usage_of(span)
    row = reading.outline(span, usage)
    assert isinstance(row["name"], str)
    totals = Totals()
    totals.add(row, usage)
    totals.tell(span, usage, 1)
    sums = (totals.input, totals.output, totals.cached, totals.reasoning, totals.total)
    assert all(type(n) is int and 0 <= n < BEYOND // 1000 for n in sums)
    for told in (totals.question, reading.question_in(span), reading.answer_in(span)):
        assert told is None or told.strip()
    for text in (reading.searched(span), reading.searched_at_end(span)):
        assert isinstance(indexed(text), str)
    orjson.dumps([row, usage, totals.models, reasons(payload)])


def test_the_oddest_spans_stand_in_the_list_and_do_no_harm_to_others(
    call: Caller, browser: Browser, server: DevServer
) -> None:
    run = call.active()
    huge = {"prompt_tokens": 2**64 - 1, "total_tokens": -5, "completion_tokens": 1e308}
    odd: list[dict[str, Any]] = [
        {"name": "n" * 1_000_000},
        {"name": "a\0b", "inputs": {"input": "word " * 200_000}},
        {"token_usage": huge, "outputs": [[[]]]},
        {
            "inputs": {
                "messages": [1, None, {"role": 1}, {"role": "user", "content": [{"text": 3}]}]
            }
        },
    ]
    for payload in odd:
        assert call.span(run, payload=payload).status == 200
    call.span(run, payload={"name": "usual", "token_usage": {"total_tokens": 3}})
    [told] = browser.opened().read("/page/runs")["runs"]
    assert (told["spans"], told["tokens"]["total"]) == (5, 3)
    rows = browser.read(f"/page/runs/{run}/spans")["spans"]
    assert all(len(row["name"]) <= 200 for row in rows)
    for row in rows:
        assert browser.read(f"/page/spans/{row['id']}")["agent_instance_id"] == run
    assert browser.read("/page/runs?q=usual")["total"] == 1
