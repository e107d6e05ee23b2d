"""Whether a value can be content, whatever it is called.

A number, a switch, a word or a short line under a name without a word of content is none. Anything
else may hold what somebody said: objects, lists, texts with JSON or Python's ``repr`` inside, long
texts and those of several lines, bytes, addresses with a query.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

import orjson

from prefactor_otel.privacy.content import (
    is_allowed,
    is_counted,
    is_of_one_word,
    is_of_resource,
    names_content,
)
from prefactor_otel.words import words_of

MAX_LINE: Final = 256
"""Characters of the longest text that can be a word or a short line."""
_MAX_WORD: Final = 64
_STRUCTURE: Final = re.compile(
    r"\s*[\[{<]|.*(?:[\[{(]\s*[\"'\[{]|[:=]\s*[\[{]|\w=[\"'])", re.DOTALL
)
"""A text that is, or holds, what an encoder or a ``repr`` has made of an object."""
_ADDRESS: Final = re.compile(r"\[[0-9A-Fa-f:.%]+\](?::\d+)?")
"""An address of IPv6 in its brackets, which are none of a list."""
_QUERY: Final = re.compile(r"[^\s?]*\?\S*=")
_NUMBER: Final = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
_QUANTITY: Final = re.compile(r"[-+]?\d[\d.,:x]*(?:[eE][+-]?\d+)?\s?[A-Za-zµ%/]{0,8}")
"""A number with its unit, several of them as in a size, or a time."""


def can_be_content(name: str, value: object) -> bool:
    """Whether the value of an attribute of this name, which has no word of content, may hold some
    nonetheless."""
    if value is None or isinstance(value, (bool, int, float)):
        return False
    if isinstance(value, str):
        return _text_can(name, value)
    if isinstance(value, Mapping):
        return not (is_counted(name) and _is_counts(value))
    if not isinstance(value, (list, tuple)):
        return True
    return not _is_list_of_words(name, value)


def _text_can(name: str, text: str) -> bool:
    if not _is_line(text) and not is_counted(name) and not is_of_resource(name):
        return True
    if _ADDRESS.fullmatch(text):
        return False
    if _STRUCTURE.match(text):
        inner = _json_in(text)
        return not isinstance(inner, (list, dict)) or can_be_content(name, inner)
    if is_counted(name) and not is_allowed(name):
        told = _NUMBER if names_content(name) else _QUANTITY
        return told.fullmatch(text) is None
    if is_of_one_word(name) and any(map(str.isspace, text)):
        return True
    return _QUERY.match(text) is not None or not (_is_line(text) or is_of_resource(name))


def _is_list_of_words(name: str, values: Sequence[object]) -> bool:
    if is_counted(name):
        return all(isinstance(value, (bool, int, float)) for value in values)
    is_known = is_allowed(name) or is_of_resource(name)
    return is_known and all(isinstance(value, str) and _is_plain(value) for value in values)


def _is_plain(text: str) -> bool:
    return _is_line(text) and _STRUCTURE.match(text) is None


def _is_line(text: str) -> bool:
    return len(text) <= MAX_LINE and "\n" not in text


def _is_counts(value: object) -> bool:
    """Whether an object holds nothing but numbers, at whatever depth."""
    if isinstance(value, Mapping):
        return all(_is_counts(inner) for inner in value.values())
    return value is None or isinstance(value, (bool, int, float))


def _json_in(text: str) -> object:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


def settings_alone(settings: Mapping[str, object]) -> dict[str, object]:
    """Those settings of a call that are no content: numbers and switches, the words by which an API
    names a choice, and of an object in them the same."""
    told = {
        name: _setting(name, value)
        for name, value in settings.items()
        if _SAID.isdisjoint(words_of(name))
    }
    return {name: value for name, value in told.items() if value is not None and value != {}}


def _setting(name: str, value: object) -> object:
    """What of a setting is no content, None where nothing is."""
    if isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, Mapping):
        inner = {key: each for key, each in value.items() if not isinstance(each, Mapping)}
        return settings_alone(inner)
    texts = value if isinstance(value, (list, tuple)) else [value]
    is_choice = not _CHOICES.isdisjoint(words_of(name))
    return value if is_choice and all(map(_is_word, texts)) else None


def _is_word(value: object) -> bool:
    return isinstance(value, str) and len(value) <= _MAX_WORD and _is_plain(value)


_CHOICES: Final = frozenset(
    (
        *("choice", "effort", "encoding", "format", "language", "level", "modality", "mode"),
        *("quality", "retention", "sequence", "size", "speed", "stop", "style", "tier", "type"),
        *("verbosity", "voice"),
    )
)
"""Words of settings whose values are words that the API or the developer has chosen."""
_SAID: Final = frozenset(
    (
        *("content", "context", "document", "extra", "image", "input", "instruction", "message"),
        *("metadata", "prompt", "query", "system", "text", "user"),
    )
)
"""Words of what stands beside the settings of a request and is none."""
