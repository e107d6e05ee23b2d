"""JSON in and out, in one place."""

import json

import orjson


def dumps(value: object) -> str:
    """JSON by orjson; what it refuses (lone surrogates, integers beyond 64 bits) by the
    standard library, which escapes them."""
    try:
        return orjson.dumps(value).decode("utf-8")
    except TypeError:  # orjson.JSONEncodeError is one
        return json.dumps(value, allow_nan=False)


def loads(text: bytes | str) -> object:
    """The value of a JSON text. Raises ``ValueError``."""
    return orjson.loads(text)
