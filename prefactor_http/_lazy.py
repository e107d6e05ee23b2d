"""Names of a package that are loaded when they are asked for (PEP 562).

Making the models' classes takes longer than importing all else of this package, and a caller who
sends JSON that is encoded already needs none of them. Type checkers see ordinary imports.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module

Attribute = Callable[[str], object]
Names = Callable[[], list[str]]


def loader(package: str, homes: Mapping[str, Sequence[str]]) -> tuple[Attribute, Names]:
    """``__getattr__`` and ``__dir__`` of a package: ``homes`` has its submodules, each with the
    names that the package takes from it."""
    origin = {name: home for home, names in homes.items() for name in names}

    def attribute(name: str) -> object:
        if name in homes:
            return import_module(f"{package}.{name}")
        if name not in origin:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value: object = getattr(import_module(f"{package}.{origin[name]}"), name)
        setattr(sys.modules[package], name, value)  # found without asking here from now on
        return value

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *homes, *origin})

    return attribute, names
