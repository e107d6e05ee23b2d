"""A scripted model behind the HTTP APIs of several providers, on a loopback socket."""

from tests.model.script import (
    ANSWER,
    CACHED_TOKENS,
    COMPLETION_TOKENS,
    PROMPT_TOKENS,
    REASONING_TOKENS,
    TOOL,
)
from tests.model.server import FakeModel

__all__ = [
    "ANSWER",
    "CACHED_TOKENS",
    "COMPLETION_TOKENS",
    "PROMPT_TOKENS",
    "REASONING_TOKENS",
    "TOOL",
    "FakeModel",
]
