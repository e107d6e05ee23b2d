"""JSON in and out, in one place: by orjson, which would read an integer beyond 64 bits as a float,
and so not in; and by the standard library what the quicker ones refuse."""

import json
import math

import orjson


def dumps(value: object) -> str:
    """Valid JSON, also for lone surrogates, integers beyond 64 bits and keys that are no strings;
    NaN and infinities become null. Raises ``TypeError`` for what JSON cannot hold."""
    try:
        return orjson.dumps(value).decode("utf-8")
    except TypeError:  # orjson.JSONEncodeError is one
        return json.dumps(_without_nan(value), allow_nan=False, default=_by_orjson)


def loads(text: str | bytes) -> object:
    """The value of a JSON text. Raises ``ValueError``."""
    from pydantic_core import from_json  # a caller may never ask for anything

    try:
        return from_json(text)
    except ValueError:  # also of lone surrogates, which the standard library takes
        pass
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
