"""Why a span is shown as it is, told by what it still carries."""

from typing import Any

import pytest

from prefactor_otel.cli.inspect import agent_spans
from prefactor_otel.cli.why import METADATA, uses_of
from prefactor_otel.devserver.reasons import reasons
from prefactor_otel.mapping import SpanType
from tests.devserver.calls import LLM, Caller
from tests.devserver.screen.browser import Browser
from tests.recorded import NAMES, recorded


@pytest.mark.parametrize("name", NAMES)
def test_what_a_stored_span_still_tells_is_what_became_of_the_span(name: str) -> None:
    views = {view.key.span_hex: view for view in recorded(name).views}
    for row in agent_spans(list(recorded(name).views)):
        payload = row["payload"]
        view = views[payload["span_id"]]
        told = {each["shown"]: each["from"] for each in reasons(payload) or ()}
        left = {*told.get("metadata", ()), *told.get("metadata.attributes", ())}
        uses = uses_of(view, SpanType(row["schema_name"][5:]), payload)
        assert left <= view.attributes.keys()
        assert left >= {name for use in uses if use.place == METADATA for name in use.names}
        assert told.get("name", [view.name]) == [view.name]
        assert ("token_usage" in told) == (payload["token_usage"] is not None)


def test_a_span_is_shown_with_the_reasons(call: Caller, browser: Browser) -> None:
    metadata = {"kind": "client", "app.city": "Paris", "scope": {"name": "by.hand", "version": "1"}}
    payload: dict[str, Any] = {"name": "chat", "trace_id": "1" * 32, "span_id": "2" * 16}
    payload |= {"inputs": {"messages": []}, "outputs": {}, "metadata": metadata}
    span = call.span(call.active(), payload=payload).details["id"]
    rows = browser.opened().read(f"/page/spans/{span}")["why"]
    told = {row["shown"]: row["from"] for row in rows}
    assert told["metadata"] == ["app.city"]
    assert told["metadata.scope"] == ["by.hand 1"]
    assert "inputs.messages" in told
    assert all(row["because"] for row in rows)


@pytest.mark.parametrize(
    "payload",
    [{}, {"metadata": 1}, {"metadata": {"kind": 1}}, {"metadata": {"kind": "x"}, "inputs": 3}],
    ids=str,
)
def test_of_another_sdks_span_nothing_is_said(
    call: Caller, browser: Browser, payload: dict[str, Any]
) -> None:
    anything = {**LLM, "params_schema": {"type": "object"}}
    run = call.active(agent_schema_version={"span_type_schemas": [anything]})
    span = call.span(run, payload=payload).details["id"]
    assert browser.opened().read(f"/page/spans/{span}")["why"] is None


def test_odd_values_break_nothing() -> None:
    payload = {"trace_id": 1, "span_id": 2, "inputs": [1], "outputs": "x", "token_usage": 3}
    odd = {"kind": "x", "scope": 1, "events": [1, {}], "resource": [], "attributes": 2}
    for metadata in (odd, odd | {"repaired": {}, "otel.name": None, "scope": {}}):
        assert isinstance(reasons({**payload, "metadata": metadata}), list)
