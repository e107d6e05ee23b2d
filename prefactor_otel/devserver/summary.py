"""A span's one-line summary: its type's template over its payload.

A small part of Liquid: ``{{ path.to.value }}``. Filters and tags are left as they stand.
"""

import re
from typing import Final

from prefactor_otel.devserver.rules import Json

_PLACE: Final = re.compile(r"\{\{\s*([\w.]+)\s*\}\}")
MAX_LENGTH: Final = 300


def render(template: str | None, payload: Json) -> str | None:
    """The summary, or None without a template."""
    if not template:
        return None
    text = _PLACE.sub(lambda match: _text(_value(payload, match[1].split("."))), template)
    return text if len(text) <= MAX_LENGTH else f"{text[: MAX_LENGTH - 1]}…"


def _value(payload: object, path: list[str]) -> object:
    for name in path:
        payload = payload.get(name) if isinstance(payload, dict) else None
    return payload


def _text(value: object) -> str:
    return "" if value is None else str(value)
