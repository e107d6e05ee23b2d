"""The completion hook: what a model was asked and has answered, handed over before the span ends by
instrumentations that are built on ``opentelemetry-util-genai``, and written nowhere."""

import time
from collections.abc import Sequence
from typing import NamedTuple

from opentelemetry.trace import Span

from prefactor_otel.doors.base import Handle, hand_over, usable_sender
from prefactor_otel.host.suppress import OWN_TRACE
from prefactor_otel.mapping.dialects.events import DETAILS
from prefactor_otel.mapping.dialects.genai import (
    INPUT_MESSAGES,
    OUTPUT_MESSAGES,
    SYSTEM_INSTRUCTIONS,
    TOOL_DEFINITIONS,
)
from prefactor_otel.payload.plain import json_text
from prefactor_otel.payload.size import characters
from prefactor_otel.spans.sdk import key_of
from prefactor_otel.spans.view import Event, SpanKey
from prefactor_otel.stats.log import logger

_NAMES = (INPUT_MESSAGES, OUTPUT_MESSAGES, SYSTEM_INSTRUCTIONS, TOOL_DEFINITIONS)


class Completion(NamedTuple):
    """The content of a call, each part as its attribute would hold it; see ``Record``."""

    key: SpanKey
    at_ns: int
    parts: tuple[tuple[object, ...], ...]

    def read(self) -> Event:
        """The same as an event that tells details of a call."""
        told = {
            name: json_text(part) for name, part in zip(_NAMES, self.parts, strict=True) if part
        }
        return Event(DETAILS, self.at_ns, told)

    def weight(self) -> int:
        """The characters of its texts; 0 for what cannot be read."""
        try:
            return characters(self.parts)
        except BaseException:  # made by hand
            return 0


class PrefactorCompletionHook:
    """Shows the content of calls on Prefactor that no span and no log record has: with it, the
    variable ``OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT`` may keep content from every
    other backend.

    Off unless asked for, by ``OTEL_INSTRUMENTATION_GENAI_COMPLETION_HOOK=prefactor`` or as the
    ``completion_hook`` of an instrumentation. Content goes with its span when that is sent by
    ``sender``, by default by whatever sends spans to Prefactor in this process, and as that
    captures, masks and limits it.
    """

    def __init__(self, sender: Handle | None = None) -> None:
        self._sender = usable_sender(sender)

    def on_completion(
        self,
        *,
        inputs: Sequence[object] = (),
        outputs: Sequence[object] = (),
        system_instruction: Sequence[object] = (),
        tool_definitions: Sequence[object] | None = None,
        span: Span | None = None,
        log_record: object = None,
    ) -> None:
        """Called by instrumentations when a call is complete; returns at once, never raises."""
        try:
            context = span.get_span_context() if span is not None else None
            if context is None or not context.trace_flags.sampled or context.trace_id == OWN_TRACE:
                return
            parts = (inputs, outputs, system_instruction, tool_definitions)
            told = tuple(tuple(part or ()) for part in parts)
            if any(told):
                hand_over(Completion(key_of(context), time.time_ns(), told), self._sender)
        except Exception as error:
            logger.warning("The content of a call was missed: %s", type(error).__name__)
