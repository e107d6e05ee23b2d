"""Declarations of tools in every provider's shape."""

from functools import lru_cache
from typing import Final

from prefactor_otel.mapping.rules import Told
from prefactor_otel.mapping.shapes.texts import parsed, unwrapped

REMEMBERED: Final = 65_536
"""Characters of the longest declaration that is kept for the next span."""


def declared(value: object) -> object:
    """The names of declared tools; a declaration that tells more stays where it is."""
    if isinstance(value, str) and len(value) <= REMEMBERED:
        names, is_whole = _declared_in(value)
    else:
        names, is_whole = tool_names(value), only_names(value)
    return Told({"tools": names}, whole=is_whole) if names is not None else None


@lru_cache(maxsize=16)  # an agent declares the same tools with every call of a model
def _declared_in(value: str) -> tuple[object, bool]:
    """The names of tools, and whether they are all that is declared; nobody changes them."""
    return tool_names(value), only_names(value)


def tool_names(value: object) -> object:
    """The names of declared tools, whatever shape their definitions have."""
    value = unwrapped(value)
    if not isinstance(value, (list, tuple)):
        return value
    return [_tool_name(tool) for entry in value for tool in _tools_of(entry)]


def only_names(value: object) -> bool:
    """Whether names are all that these definitions of tools hold."""
    value = unwrapped(value)
    if not isinstance(value, (list, tuple)):
        return True
    return all(isinstance(tool, str) for entry in value for tool in _tools_of(entry))


def _tools_of(entry: object) -> list[object]:
    """The tools of one entry: Gemini declares several in one."""
    entry = parsed(entry)
    inner = entry.get("function_declarations") if isinstance(entry, dict) else None
    return inner if isinstance(inner, list) else [entry]


def _tool_name(tool: object) -> object:
    if not isinstance(tool, dict):
        return tool
    for holder in ("function", "toolSpec", "data"):
        inner = tool.get(holder)
        if isinstance(inner, dict):
            return inner.get("name", tool)
    return tool.get("name", tool)


@lru_cache(maxsize=32)  # the same
def name_in(schema: str) -> object:
    """The name in one declaration, None without one."""
    names = tool_names([parsed(schema)])
    return names[0] if isinstance(names, list) else None
