"""What a tool was given and what it answered, out of what frameworks wrap these in."""

import ast
from collections.abc import Iterable, Mapping
from typing import Final

from prefactor_otel.mapping.rules import Part
from prefactor_otel.mapping.shapes.blocks import is_block, text_of
from prefactor_otel.mapping.shapes.texts import parsed, unwrapped


def tool_result(value: object) -> object:
    """What a tool answered, out of the message that a framework wrapped it in; where that tells
    more than the answer, a ``Part``. What is not certainly such a message stays whole."""
    value = parsed(value)
    if isinstance(value, dict):
        for wrapper, others in _WRAPPERS.items():
            inner = value.get(wrapper)
            if isinstance(inner, dict) and value.keys() <= others and _wraps(value, inner):
                message = {"type": value.get("type"), **inner}
                return _part_of(value, message, (wrapper, *_OF_WRAPPER))
        if value.keys() >= {"tool_name", "tool_output"}:  # LlamaIndex's result of a step
            return _part_of(value, value["tool_output"], ("tool_name", "tool_output"))
        if _is_tool_message(value):
            return _part_of(value, text_of(value["content"]), _OF_TOOL_MESSAGE)
        if value.keys() == {"id", "name", "response"}:  # Gemini's function response
            return value["response"]
        if value.keys() >= {"raw_output", "raw_input"} and not value.get("is_error"):
            return _part_of(value, value["raw_output"], _OF_TOOL_OUTPUT)  # LlamaIndex
    if isinstance(value, list) and value and all(is_block(block) for block in value):
        return text_of(value)
    return value


_WRAPPERS: Final[dict[str, frozenset[str]]] = {
    "output": frozenset({"output", "kwargs"}),
    "data": frozenset({"data", "type"}),
    "kwargs": frozenset({"kwargs", "lc", "type", "id", "name"}),
}
"""What LangChain wraps a message in, and what it says beside."""
_OF_WRAPPER: Final = ("type", "lc", "id", "name")
_OF_TOOL_MESSAGE: Final = ("content", "type", "name", "additional_kwargs", "response_metadata")
_OF_TOOL_OUTPUT: Final = ("raw_output", "raw_input", "content", "blocks", "tool_name", "is_error")


def _wraps(outer: Mapping[str, object], inner: Mapping[str, object]) -> bool:
    return _is_tool_message({"type": outer.get("type"), **inner}) or "lc" in outer or "lc" in inner


def _is_tool_message(value: Mapping[str, object]) -> bool:
    return "content" in value and ("tool_call_id" in value or value.get("type") == "tool")


def _part_of(value: Mapping[str, object], shown: object, known: Iterable[str]) -> object:
    rest = {name: other for name, other in value.items() if other and name not in known}
    inner = tool_result(shown)
    if isinstance(inner, Part):
        return Part(inner.shown, {**inner.rest, **rest})
    return Part(inner, rest) if rest else inner


def tool_arguments(value: object) -> object:
    """A tool's arguments as an object where that is certain; None without a value, and a ``Part``
    where the value tells more than them."""
    value = unwrapped(value)
    if not isinstance(value, dict):
        return value
    if isinstance(value.get("inputs"), dict) and "input_str" in value:
        return _arguments_part(value, value["inputs"], ("inputs", "input_str"))
    if isinstance(value.get("input_str"), str):
        return _arguments_part(value, literal(value["input_str"]), ("input_str", "inputs"))
    if isinstance(value.get("kwargs"), dict) and not value.get("args") and value.keys() <= _CALL:
        return value["kwargs"]
    if value.keys() == _DESCRIBED and isinstance(value["parameters"], dict):  # veADK
        rest = {"description": value["description"]} if value["description"] else {}
        return Part(value["parameters"], rest)
    return value


def _arguments_part(value: Mapping[str, object], shown: object, known: Iterable[str]) -> object:
    rest = {name: other for name, other in value.items() if other and name not in known}
    return Part(shown, rest) if rest else shown


_DESCRIBED: Final = frozenset({"name", "description", "parameters"})
_CALL: Final = frozenset({"args", "kwargs", "sanitize_inputs_outputs"})
"""What a call is recorded with; smolagents adds one of its own."""


def literal(text: str) -> object:
    """The value of a Python literal, as LangChain writes arguments; else the text."""
    if text[:1] not in ("{", "["):
        return parsed(text)
    try:
        value: object = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return parsed(text)
    return value
