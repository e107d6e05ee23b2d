"""What the last words of a name mean, whichever vocabulary has it: trusted least."""

from typing import Final

from prefactor_otel.mapping.rules import Ending, Rule, Told, types
from prefactor_otel.mapping.shapes.texts import decoded
from prefactor_otel.mapping.types import LLM

TYPES: Final = ()


def _reason(value: object) -> object:
    """Why a model stopped; of several answers the first is shown, and the others stay."""
    told = decoded(value)
    several = isinstance(told, (list, tuple)) and len(told) > 1
    reason = told[0] if isinstance(told, (list, tuple)) and told else told
    if reason is None or reason in ("", [], ()):
        return None
    return Told({"stop_reason": reason}, whole=False) if several else reason


RULES: Final = (
    Rule("stop_reason", Ending("finish reason", "stop reason"), _reason, of=types(LLM)),
    Rule("session_id", Ending("session id", "conversation id", "thread id")),
    Rule("user_id", Ending("user id", "enduser id")),
    Rule("user_id", ("gen_ai.user",)),
)
