"""Content that other switches keep out is kept out here too, unless an option says otherwise."""

import pytest

from prefactor_otel.config.options import load_config
from prefactor_otel.mapping import Capture, agent_span
from prefactor_otel.privacy.masking import Masking
from tests.made_spans import one_view

GENAI = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"


def captured() -> tuple[bool, bool]:
    config = load_config(None, "pf_token")
    return config.capture_inputs, config.capture_outputs


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("", True),
        ("true", True),
        ("True", True),
        ("SPAN_ONLY", True),
        ("span_and_event", True),
        ("false", False),
        ("no_content", False),
        ("EVENT_ONLY", True),
        ("treu", False),
    ],
)
def test_the_switch_of_the_genai_conventions_is_followed(
    monkeypatch: pytest.MonkeyPatch, value: str, shown: bool
) -> None:
    monkeypatch.setenv(GENAI, value)
    assert captured() == (shown, shown)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("HIDE_INPUTS", (False, True)),
        ("HIDE_INPUT_MESSAGES", (False, True)),
        ("HIDE_INPUT_TEXT", (False, True)),
        ("HIDE_OUTPUTS", (True, False)),
        ("HIDE_OUTPUT_MESSAGES", (True, False)),
        ("HIDE_OUTPUT_TEXT", (True, False)),
        ("HIDE_INPUT_IMAGES", (True, True)),
    ],
)
def test_the_switches_of_openinference_are_followed(
    monkeypatch: pytest.MonkeyPatch, name: str, shown: tuple[bool, bool]
) -> None:
    monkeypatch.setenv(f"OPENINFERENCE_{name}", "true")
    assert captured() == shown
    monkeypatch.setenv(f"OPENINFERENCE_{name}", "false")
    assert captured() == (True, True)


@pytest.mark.parametrize(("value", "shown"), [("true", True), ("True", True), ("false", False)])
def test_the_switch_of_openllmetry_is_followed(
    monkeypatch: pytest.MonkeyPatch, value: str, shown: bool
) -> None:
    monkeypatch.setenv("TRACELOOP_TRACE_CONTENT", value)
    assert captured() == (shown, shown)


def test_own_options_win(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(GENAI, "false")
    monkeypatch.setenv("PREFACTOR_CAPTURE_OUTPUTS", "true")
    assert captured() == (False, True)
    config = load_config(None, "pf_token", capture_inputs=True, capture_outputs=False)
    assert (config.capture_inputs, config.capture_outputs) == (True, False)


def test_content_that_no_reader_takes_up_is_cut_as_well() -> None:
    view = one_view(
        **{"gen_ai.prompt.odd": "a" * 50, "gen_ai.completion.odd": "b" * 50, "c": "c" * 50}
    )
    metadata = agent_span(view, Capture(max_input_length=5)).payload["metadata"]
    assert isinstance(metadata, dict)
    assert metadata["gen_ai.prompt.odd"] == "aaaaa…[cut: 50 characters]"
    assert metadata["gen_ai.completion.odd"] == "b" * 50
    assert metadata["c"] == "c" * 50


def test_content_that_is_not_sent_is_shown_to_no_mask() -> None:
    seen: list[str] = []

    def note(path: str, text: str) -> object:
        seen.append(text)
        return text

    view = one_view(
        **{"gen_ai.operation.name": "execute_tool", "gen_ai.tool.call.arguments": '{"a": "secret"}'}
    )
    agent_span(view, Capture(inputs=False, outputs=False, mask=Masking((note,))))
    assert "secret" not in seen
