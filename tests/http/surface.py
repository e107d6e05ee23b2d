"""Prints the public surface of ``prefactor_http`` as JSON, whichever is importable.

A script of its own, without imports of this project: it also runs in the environment of the
published package.
"""

import dataclasses
import importlib
import inspect
import json
import pkgutil
import types
import typing
from typing import Any

from pydantic import BaseModel

import prefactor_http


def shown(annotation: Any) -> str:
    """A type in words, the same for equal types however they are written."""
    origin, parts = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation is dict or (origin is dict and parts == (Any, Any)):
        return "dict"
    if origin in (typing.Union, types.UnionType):
        return " | ".join(sorted(shown(part) for part in parts))
    if origin is typing.Literal:
        return f"Literal{sorted(parts)}"
    if origin is not None:
        return f"{shown(origin)}[{', '.join(shown(part) for part in parts)}]"
    return getattr(annotation, "__name__", str(annotation))


def signature(function: Any) -> dict[str, Any]:
    return {
        "is async": inspect.iscoroutinefunction(function),
        "parameters": [
            [parameter.name, parameter.kind.name, repr(parameter.default)]
            for parameter in inspect.signature(function).parameters.values()
        ],
    }


def default_of(field: "dataclasses.Field[Any]") -> str:
    return "required" if field.default is dataclasses.MISSING else repr(field.default)


def members(cls: type) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, member in inspect.getmembers_static(cls):
        if name.startswith("_") and name not in ("__init__", "__aenter__", "__aexit__"):
            continue
        if isinstance(member, property):
            found[name] = "property"
        elif inspect.isfunction(member):
            found[name] = signature(member)
    return found


def model(cls: type[BaseModel]) -> dict[str, Any]:
    return {
        "bases": [base.__name__ for base in cls.__mro__[1:] if base is not object],
        "config": {name: repr(value) for name, value in cls.model_config.items()},
        "fields": {
            name: {
                "type": shown(field.annotation),
                "required": field.is_required(),
                "default": repr(field.default),
                "factory": getattr(field.default_factory, "__name__", None),
                "alias": field.alias,
                "constraints": sorted(map(repr, field.metadata)),
            }
            for name, field in cls.model_fields.items()
        },
    }


def described(thing: Any) -> Any:
    if inspect.isclass(thing) and issubclass(thing, BaseModel):
        return model(thing)
    if inspect.isclass(thing) and issubclass(thing, Exception):
        return {"bases": [base.__name__ for base in thing.__mro__[1:]], **members(thing)}
    if dataclasses.is_dataclass(thing):
        return {
            "fields": [
                [field.name, shown(field.type), default_of(field)]
                for field in dataclasses.fields(thing)
            ],
            "is frozen": vars(thing)["__dataclass_params__"].frozen,
            **members(typing.cast(type, thing)),
        }
    if inspect.isclass(thing):
        return members(thing)
    return signature(thing) if inspect.isfunction(thing) else shown(thing)


def surface(module: types.ModuleType) -> dict[str, Any]:
    return {
        "all": dict.fromkeys(getattr(module, "__all__", ()), True),
        "names": {
            name: described(thing)
            for name, thing in inspect.getmembers(module)
            if not name.startswith("_") and is_own(module, name, thing)
        },
    }


def is_own(module: types.ModuleType, name: str, thing: Any) -> bool:
    """Whether it is the module's to offer, not merely imported by it."""
    if name in getattr(module, "__all__", ()):
        return True
    if isinstance(thing, str) or typing.get_origin(thing) is typing.Literal:
        return f"{name} = " in inspect.getsource(module)
    return bool(getattr(thing, "__module__", "") == module.__name__)


def main() -> None:
    walked = pkgutil.walk_packages(prefactor_http.__path__, "prefactor_http.")
    names = ["prefactor_http", *(found.name for found in walked)]
    print(json.dumps({name: surface(importlib.import_module(name)) for name in names}))


if __name__ == "__main__":
    main()
