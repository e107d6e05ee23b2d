"""Why a model stopped, in the usual words."""

from typing import Final

from prefactor_otel.mapping.kept import Kept, Outline

_STOP_REASONS: Final = {
    "stop": ("end_turn", "stop_sequence", "completed", "complete", "eos", "eos_token"),
    "length": ("max_tokens", "max_output_tokens", "model_length", "model_context_window_exceeded"),
    "tool_calls": ("tool_call", "tool_use", "function_call", "function_calls"),
    "content_filter": (
        *("content_filtered", "guardrail_intervened", "refusal", "error_toxic"),
        *("safety", "image_safety", "recitation", "blocklist", "prohibited_content", "spii"),
    ),
    "error": (),
}
STOP_REASONS: Final = {
    word.replace("_", ""): reason
    for reason, others in _STOP_REASONS.items()
    for word in (reason, *others)
}
"""The usual word for why a model stopped, by those of the providers without what parts them."""


def usual_reason(reason: object) -> object:
    """The usual word for a reason, or the reason as it was given."""
    return _USUAL[(reason,)] if isinstance(reason, str) else reason


def _usual(outline: Outline) -> object:
    """A reason may be the member of an enum, and is spelt in every way."""
    [reason] = outline
    word = str(reason).rpartition(".")[2].lower().replace("_", "").replace("-", "")
    return STOP_REASONS.get(word.removeprefix("finishreason"), reason)


_USUAL: Final = Kept(_usual)
