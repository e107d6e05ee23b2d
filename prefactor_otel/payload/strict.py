"""Whether a value arrives as it is: what a caller waits for is refused, where a span's would be
repaired."""

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from math import isfinite
from typing import Final

import orjson

from prefactor_otel.payload.plain import MAX_DEPTH

_BITS: Final = range(-(2**63), 2**64)


def checked_object(payload: object) -> Mapping[str, object]:
    """The payload, if it is an object of which JSON can hold every part. Raises ``ValueError``,
    which names the first place that is not so, and never what is there."""
    checked = an_object(payload)
    fault = next(_faults(checked, "payload", 0), None)
    if fault is not None:
        raise ValueError(f"{fault}: the API takes nothing that JSON does not have")
    return checked


def an_object(payload: object) -> Mapping[str, object]:
    """The payload, if it is an object, whatever is in it. Raises ``ValueError``."""
    if not isinstance(payload, Mapping):
        kind = kind_of(payload)
        raise ValueError(f"payload has to be an object, a dict, and is of the type {kind}")
    return payload


def kind_of(value: object) -> str:
    """The name of a value's type, which says what is wrong and nothing of what is there."""
    return type(value).__name__


def _faults(value: object, place: str, depth: int) -> Iterator[str]:
    if depth > MAX_DEPTH:
        yield "payload is nested too deep"
        return
    if is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if not isinstance(key, str):
                yield f"{place} has a key that is no text"
            yield from _faults(inner, f"{place}[{key!r}]", depth + 1)
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            yield from _faults(inner, f"{place}[{number}]", depth + 1)
    else:
        fault = _fault_of(value)
        if fault is not None:
            yield f"{place} is {fault}"


def _fault_of(value: object) -> str | None:
    """What is wrong with a value that has no parts."""
    if isinstance(value, float):
        return None if isfinite(value) else "NaN or infinite"
    if isinstance(value, int):
        return None if value in _BITS else "an integer of more than 64 bits"
    if isinstance(value, str):
        return None
    try:
        orjson.dumps(value)  # None, moments, UUIDs, enumerations
    except TypeError:
        return f"of the type {kind_of(value)}"
    return None
