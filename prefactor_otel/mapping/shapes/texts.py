"""JSON inside of texts."""

import json
import math
import re
from typing import Final

import orjson

from prefactor_otel.mapping.kept import Kept, Outline
from prefactor_otel.payload.plain import NotFinite
from prefactor_otel.privacy.patterns import lets_in


def parsed(value: object) -> object:
    """The value of a JSON text that holds an object or array; anything else unchanged."""
    if isinstance(value, str) and value.startswith(("{", "[")):
        try:  # not in a function of its own: of nearly every value, this is what a reader asks
            return orjson.loads(value)
        except orjson.JSONDecodeError:
            return _loads_leniently(value)
    return value


def decoded(value: object) -> object:
    """The value of a JSON text, also of one that holds a text; for attributes that always hold
    JSON."""
    if isinstance(value, str) and value.startswith(("{", "[", '"')):
        try:  # as above
            return orjson.loads(value)
        except orjson.JSONDecodeError:
            return _loads_leniently(value)
    return value


def unwrapped(value: object) -> object:
    """The value inside of JSON in JSON, until there is none left; for what is known to be no
    text."""
    if not isinstance(value, str) or not value.startswith(("{", "[", '"')):
        return value
    try:  # as above
        inner = orjson.loads(value)
    except orjson.JSONDecodeError:
        inner = _loads_leniently(value)
    return unwrapped(inner) if isinstance(inner, str) and inner is not value else inner


def text(value: object) -> str | None:
    """A text that says something, without the quotes around it."""
    if isinstance(value, str) and value[:1] not in _QUOTED:
        return value
    found = unquoted(value)
    return found if isinstance(found, str) and found else None


_QUOTED: Final = ("'", '"', "")
"""How a text begins that is no word as it stands."""


def model_name(value: object) -> str | None:
    """The name of a model; what stands there where nobody knew it is none."""
    return _MODELS[(value,)] if isinstance(value, str) else None


def _model_name(outline: Outline) -> str | None:
    name = text(outline[0])
    return name if name is None or name.lower() not in _NOBODY_KNOWS else None


_MODELS: Final = Kept(_model_name)
_NOBODY_KNOWS: Final = frozenset({"unknown", "none", "null", "undefined"})


def unquoted(value: object) -> object:
    """A name without the quotes that JSON or Python's ``repr`` has put around it."""
    if not isinstance(value, str) or value[:1] not in ("'", '"') or len(value) <= 2:
        return value
    if value[0] == "'" == value[-1] and "'" not in value[1:-1]:
        return value[1:-1]
    return decoded(value)


def seconds(value: object) -> float | None:
    """A time in seconds."""
    return value if isinstance(value, (int, float)) and value >= 0 else None


def milliseconds(value: object) -> float | None:
    """A time in seconds, of one in milliseconds."""
    told = seconds(value)
    return told / 1000 if told is not None else None


def settings(value: object) -> dict[str, object] | None:
    """The settings that were given: what is null was not asked for, and a key is none. None without
    any."""
    value = parsed(value)
    if not isinstance(value, dict):
        return None
    told = {name: number_in(each) for name, each in value.items() if is_setting(name, each)}
    return told or None


def is_setting(name: object, value: object) -> bool:
    """Whether it was asked for, and is nothing by which the client is let in."""
    return value is not None and not _LETS_IN[(str(name),)]


_LETS_IN: Final = Kept(lambda outline: lets_in(str(outline[0])))


def number_in(value: object) -> object:
    """The value as a number, where it was written as a text."""
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return float(value) if "." in value else int(value)
    return value


_NUMBER: Final = re.compile(r"-?\d{1,15}(\.\d{1,15})?")


def _loads_leniently(text: str) -> object:
    """What other encoders call JSON: NaN, infinities and lone surrogates."""
    try:
        return json.loads(text, parse_float=_number, parse_constant=_number)
    except (ValueError, RecursionError):
        return text


def _number(text: str) -> object:
    number = float(text)
    return number if math.isfinite(number) else NotFinite()
