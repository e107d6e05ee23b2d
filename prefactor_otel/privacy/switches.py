"""Switches that other instrumentations read: who hides content from them hides it from us too."""

from collections.abc import Mapping
from typing import Final

GENAI_CAPTURE: Final = "otel_instrumentation_genai_capture_message_content"
GENAI_HOOK: Final = "otel_instrumentation_genai_completion_hook"
TRACELOOP_CAPTURE: Final = "traceloop_trace_content"
_SHOWS: Final = ("true", "1", "yes", "on", "span_only", "event_only", "span_and_event")
"""Values with which content belongs into spans, or into the log records that are shown with them.
Others keep it out, as OpenTelemetry's instrumentations do with what they do not know."""

_INPUTS: Final = ("inputs", "input_messages", "input_text", "prompts", "llm_prompts")
_OUTPUTS: Final = ("outputs", "output_messages", "output_text", "choices")
_TRUE: Final = ("true", "1", "yes", "on", "t", "y")


def captured_by(variables: Mapping[str, str]) -> dict[str, str]:
    """The options that these environment variables (names in lower case) switch off:
    ``OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT``, OpenLLMetry's
    ``TRACELOOP_TRACE_CONTENT``, OpenInference's ``OPENINFERENCE_HIDE_INPUTS``, ``_OUTPUTS`` and
    their like. Those that hide only the messages or the texts switch all of that side off: rather
    too much than too little. Where Prefactor is named as the completion hook, the first is about
    all others."""
    asked = variables.get(GENAI_CAPTURE, "true").strip().lower()
    if variables.get(GENAI_HOOK) == "prefactor":
        asked = "true"
    traced = variables.get(TRACELOOP_CAPTURE, "true").strip().lower()
    hides_all = asked not in _SHOWS or traced != "true"
    return {
        option: "false"
        for option, parts in (("capture_inputs", _INPUTS), ("capture_outputs", _OUTPUTS))
        if hides_all or any(_is_set(variables, f"openinference_hide_{part}") for part in parts)
    }


def _is_set(variables: Mapping[str, str], name: str) -> bool:
    return variables.get(name, "").strip().lower() in _TRUE
