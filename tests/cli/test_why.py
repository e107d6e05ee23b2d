"""What ``inspect --why`` says of every recorded span is what became of it."""

import json
from collections import Counter
from typing import Any

import pytest

from prefactor_otel.cli.inspect import agent_spans
from prefactor_otel.cli.why import METADATA, NOT_SENT, Use, uses_of
from prefactor_otel.mapping import SpanType
from prefactor_otel.spans.view import SpanView
from tests.cli.command import run_command
from tests.recorded import FOLDER, NAMES, recorded

WITH_TOOL = FOLDER / "openai__openinference_openai__chat_tool_ok.json"


def explained(name: str) -> list[tuple[SpanView, dict[str, Any], list[Use]]]:
    views = {view.key.span_hex: view for view in recorded(name).views}
    return [
        (view, row["payload"], uses_of(view, SpanType(row["schema_name"][5:]), row["payload"]))
        for row in agent_spans(list(recorded(name).views))
        for view in [views[row["payload"]["span_id"]]]
    ]


@pytest.mark.parametrize("name", NAMES)
def test_every_attribute_is_in_one_place_and_none_is_held_back(name: str) -> None:
    for view, _, uses in explained(name):
        told = Counter(name for use in uses for name in use.names if name in view.attributes)
        assert told == Counter(list(view.attributes)), view.name
        assert NOT_SENT not in [use.place for use in uses]


@pytest.mark.parametrize("name", NAMES)
def test_what_is_said_to_be_in_metadata_is_there_and_nothing_else_is(name: str) -> None:
    for view, payload, uses in explained(name):
        sent = payload[METADATA].keys() | payload[METADATA].get("attributes", {}).keys()
        told = {name for use in uses if use.place == METADATA for name in use.names}
        places = {use.place for use in uses} - {METADATA}
        labels = {place.removeprefix(f"{METADATA}.") for place in places}
        assert told == (sent - labels) & view.attributes.keys(), view.name


@pytest.mark.parametrize("name", NAMES)
def test_every_place_that_is_named_holds_something(name: str) -> None:
    for view, payload, uses in explained(name):
        for use in uses:
            if use.place != "with these":
                found: Any = payload
                for step in use.place.split("."):
                    found = found[step]
                assert found not in (None, {}), (view.name, use)


def test_the_picture_says_which_reader_showed_which_attribute_where() -> None:
    done = run_command("inspect", "--why", str(WITH_TOOL))
    assert (done.returncode, done.stderr) == (0, "")
    assert "metadata.response_model ← llm.model_name" in done.stdout
    assert "inputs.messages ← llm.input_messages.* (4) (openinference)" in done.stdout
    assert "metadata ← app.city" in done.stdout


def test_what_a_setting_holds_back_is_said_to_be_not_sent() -> None:
    done = run_command("inspect", "--why", str(WITH_TOOL), PREFACTOR_CAPTURE_INPUTS="false")
    assert "inputs.messages" not in done.stdout
    assert "not sent ← llm.input_messages.* (4) (openinference)" in done.stdout


def test_the_reasons_are_in_the_json_as_well() -> None:
    done = run_command("inspect", "--why", "--json", str(WITH_TOOL))
    rows = json.loads(done.stdout)
    [tool] = [row for row in rows if row["payload"]["name"] == "get_weather"]
    assert tool["why"] == ["metadata ← app.city"]
