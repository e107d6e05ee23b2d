"""Summaries: Liquid templates over a span's payload, as the platform renders them."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from liquid import BoundTemplate, Environment
from liquid.exceptions import LiquidError


class _Bounded(Environment):
    """A template comes over the network: it may not run for ever."""

    loop_iteration_limit = 10_000
    output_stream_limit = 100_000


_ENVIRONMENT: Final = _Bounded()


@lru_cache(maxsize=256)
def _compiled(template: str) -> BoundTemplate:
    return _ENVIRONMENT.from_string(template)


def fault_in(template: str) -> str | None:
    """What is wrong with a template; None if nothing is."""
    try:
        _compiled(template).render({})  # some faults show only then
    except LiquidError as error:
        return f"is not a Liquid template: {error.message}"
    return None


def render(template: str, values: Mapping[str, Any]) -> str:
    """The text, with nothing in place of what is absent, as Liquid has it."""
    try:
        return _compiled(template).render(_public(values))
    except LiquidError as error:
        return f"[{type(error).__name__}]"


def _public(value: Any) -> Any:
    """A copy without sensitive values: a summary is shown to everybody."""
    if isinstance(value, Mapping):
        if "$sensitive" in value:
            return "[sensitive]"
        return {key: _public(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_public(inner) for inner in value]
    return value
