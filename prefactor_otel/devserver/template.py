"""Summaries: ``{{ path.to.value }}`` filled in from a span's payload.

The platform renders Liquid. Of that, only output tags are done here: a filter is ignored, the
value shown as it is; logic tags (``{% %}``) vanish.
"""

import re
from typing import Any, Final

import orjson

_OUTPUT: Final = re.compile(r"\{\{-?\s*(.*?)\s*-?\}\}|\{%.*?%\}", re.DOTALL)


def render(template: str, values: Any) -> str:
    """The text, with nothing in place of what is absent, as Liquid has it."""
    return _OUTPUT.sub(lambda match: _shown(match.group(1), values), template)


def _shown(expression: str | None, values: Any) -> str:
    if expression is None:
        return ""
    value = values
    for step in expression.partition("|")[0].strip().split("."):
        value = _step(value, step)
    return _text(value)


def _step(value: Any, step: str) -> Any:
    if isinstance(value, dict):
        return value.get(step)
    if isinstance(value, list) and step.isascii() and step.isdigit() and int(step) < len(value):
        return value[int(step)]
    return None


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, dict) and "$sensitive" in value:
        return "[sensitive]"  # a summary is shown to everybody
    return orjson.dumps(value).decode()
