"""LiveKit's agents: the span's name says the type; newer releases write ``lk.pii.``."""

from collections.abc import Mapping
from typing import Final

from prefactor_otel.mapping.rules import INPUT, OUTPUT, Rule, Together, types
from prefactor_otel.mapping.shapes.messages import answer_of, messages
from prefactor_otel.mapping.shapes.texts import text
from prefactor_otel.mapping.types import AGENT, CHAIN, LLM, STEP, TOOL, BySpanName

TYPES: Final = (
    BySpanName(
        STEP,
        "lk.",
        {
            "agent_turn": AGENT,
            "agent_session": CHAIN,
            "llm_node": CHAIN,
            "llm_request": LLM,
            "function_tool": TOOL,
        },
    ),
)
_TEXT, _CALLS = "lk.response.text", "lk.response.function_calls"
_PII_TEXT, _PII_CALLS = "lk.pii.response.text", "lk.pii.response.function_calls"


def _answer(told: Mapping[str, object]) -> object:
    return answer_of(
        told.get(_PII_TEXT) or told.get(_TEXT), told.get(_PII_CALLS) or told.get(_CALLS)
    )


RULES: Final = (
    Rule("asked", ("lk.pii.chat_ctx", "lk.chat_ctx"), messages, INPUT),
    Rule("input", ("lk.pii.user_transcript", "lk.user_transcript"), text, INPUT),
    Rule("answered", Together(_PII_TEXT, _TEXT, _PII_CALLS, _CALLS), _answer, OUTPUT),
    Rule("name", ("lk.agent_name",), text, of=types(AGENT)),
)
