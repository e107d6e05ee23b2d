"""JSON in and out, in one place: orjson, and the standard library for what orjson refuses."""

import json
import math
import re

import orjson

_LONG_NUMBER = re.compile(r"\d{20}")
"""May be an integer beyond 64 bits, which orjson would read as a float."""


def dumps(value: object) -> str:
    """Valid JSON, also for lone surrogates, integers beyond 64 bits and keys that are no strings;
    NaN and infinities become null. Raises ``TypeError`` for what JSON cannot hold."""
    try:
        return orjson.dumps(value).decode("utf-8")
    except TypeError:  # orjson.JSONEncodeError is one
        return json.dumps(_without_nan(value), allow_nan=False, default=_by_orjson)


def loads(text: str) -> object:
    """The value of a JSON text. Raises ``ValueError``."""
    if _LONG_NUMBER.search(text) is None:
        try:
            return orjson.loads(text)
        except ValueError:
            pass  # lone surrogates and NaN, which the standard library takes
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("JSON nested too deeply") from None


def _without_nan(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(item) for item in value]
    return value


def _by_orjson(value: object) -> object:
    """Dates, UUIDs and the like, in the form that orjson gives them."""
    return orjson.loads(orjson.dumps(value))
