"""Where a payload differs from its declared JSON schema.

Differences are recorded beside the span and never refused (platform documentation: schemas are
for observability, not blocking). The keywords that span schemas use are known, others ignored.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

_TYPES: Final[dict[str, Callable[[Any], bool]]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
}


def mismatches(schema: Any, value: Any, path: str) -> Iterator[str]:
    """One sentence for each difference, with the path to it."""
    if not isinstance(schema, dict):
        return
    if not _is_of_type(schema.get("type"), value):
        yield f"{path}: is not of type {schema['type']}"
        return
    allowed = schema.get("enum")
    if isinstance(allowed, list) and value not in allowed:
        yield f"{path}: is none of {allowed}"
    if "const" in schema and value != schema["const"]:
        yield f"{path}: is not {schema['const']!r}"
    if isinstance(value, dict):
        yield from _object(schema, value, path)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from mismatches(schema.get("items"), item, f"{path}.{index}")


def _object(schema: dict[str, Any], value: dict[str, Any], path: str) -> Iterator[str]:
    properties, required = schema.get("properties"), schema.get("required")
    for name in required if isinstance(required, list) else ():
        if name not in value:
            yield f"{path}.{name}: is missing"
    for name, item in value.items():
        if isinstance(properties, dict) and name in properties:
            yield from mismatches(properties[name], item, f"{path}.{name}")
        elif schema.get("additionalProperties") is False:
            yield f"{path}.{name}: is not declared"


def _is_of_type(declared: Any, value: Any) -> bool:
    names = declared if isinstance(declared, list) else [declared]
    known = [name for name in names if isinstance(name, str) and name in _TYPES]
    if not known:
        return True
    return any(_TYPES[name](value) for name in known)
