"""From any Python value to one that JSON has: a tree of plain values, bounded in every way.

Values of instrumentations are strangers: their ``__str__``, ``__iter__`` or ``__class__`` may
raise, they may hold themselves, or never end. Nothing here calls ``str`` or ``repr`` on them.
"""

import base64
import re
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from datetime import date, time
from enum import Enum
from itertools import compress, islice
from math import isfinite
from typing import Final
from uuid import UUID

import orjson

from prefactor_otel.payload.repairs import Repair, Repairs

MAX_DEPTH: Final = 64
"""Containers inside each other before the rest is cut; far above what any framework nests."""

MAX_VALUES: Final = 10_000
"""Values that are read one by one before the rest is cut. Only values that share parts of each
other grow so far: what takes a kilobyte in memory can be larger than the universe as JSON."""

_AGAIN: Final = 16
"""What a container counts beyond itself when it comes again: sharing is what explodes."""

_DECIMAL_BITS: Final = 2_000
"""Python writes integers up to here as decimals, however its limit on digits is set."""


class NotFinite:
    """Stands in a value for NaN or an infinity that a text of JSON held; becomes null."""


_PAIR: Final = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_LONE: Final = re.compile("[\ud800-\udfff]")
_WHOLE: Final = frozenset({str, bool, int, type(None)})
_SCALARS: Final = _WHOLE | {float}
_PARTLY: Final = frozenset({float, tuple})
_PERHAPS: Final = _WHOLE | _PARTLY
"""Types of which a value may be plain, as those from the SDK are."""
_TEXT: Final = frozenset({str})


def plain_attributes(given: Mapping[str, object], repairs: Repairs) -> Mapping[str, object]:
    """The attributes, themselves where they are plain already, as those from the SDK are.

    Integers beyond 64 bits and lone surrogates pass: encoding finds them without a search.
    """
    if _TEXT.issuperset(map(type, given)):
        kinds = set(map(type, given.values()))
        if kinds <= _WHOLE:
            return given
        # The kinds before the values: of most spans one or two values have to be looked at.
        if kinds <= _PERHAPS:
            values = given.values()
            perhaps = compress(values, map(_PARTLY.__contains__, map(type, values)))
            if all(map(_is_plain, perhaps)):
                return given
    walk = _Walk(repairs, MAX_VALUES)
    made: dict[str, object] = {}
    for key, value in given.items():
        name = walk.key(key)
        made[free_key(name, made)] = value if _is_plain(value) else walk.plain(value, 0)
    return made


def plain(value: object, repairs: Repairs, most: int = MAX_VALUES) -> object:
    """A copy of exact JSON types: encoding it cannot fail. Never raises."""
    return _Walk(repairs, most).plain(value, 0)


def json_text(value: object) -> object:
    """A value as the JSON that instrumentations write into attributes: dataclasses as objects,
    bytes in base64. What has no such text becomes a plain value. Never raises."""
    try:
        return orjson.dumps(value, default=_as_written, option=orjson.OPT_NON_STR_KEYS).decode()
    except Exception:  # a lone surrogate, a value that holds itself
        return plain(value, set())


def _as_written(value: object) -> object:
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(value).decode("ascii")
    return plain(value, set())


def _is_plain(value: object) -> bool:
    if type(value) is tuple:
        kinds = set(map(type, value))
        return kinds <= _WHOLE or (kinds == {float} and all(map(isfinite, value)))
    return type(value) in _WHOLE or (type(value) is float and isfinite(value))


class _Walk:
    """One walk through a value: what it repaired, what it may still read, where it stands."""

    __slots__ = ("_above", "_left", "_repairs", "_seen")

    def __init__(self, repairs: Repairs, most: int) -> None:
        self._repairs = repairs
        self._left = most
        self._above: set[int] = set()
        self._seen: set[int] = set()

    def plain(self, value: object, depth: int) -> object:
        """The value as JSON has it."""
        try:
            return self._plain(value, depth)
        except Exception:  # a stranger's iteration, length, attribute or class
            return self._cut(Repair.UNREADABLE, "[unreadable]")

    def key(self, key: object) -> str:
        """The name of a member."""
        if isinstance(key, str):
            return self._text(str.__str__(key))
        self._repairs.add(Repair.KEY)
        if type(key) in _SCALARS or isinstance(key, Enum):
            made = self.plain(key, MAX_DEPTH)
            return made if isinstance(made, str) else orjson.dumps(made).decode()
        return self._text(_named(key))

    def _plain(self, value: object, depth: int) -> object:
        if type(value) in _SCALARS:
            return self._scalar(value)
        self._left -= 1
        if self._left < 0:
            return self._cut(Repair.MANY, "[cut: too many values]")
        if isinstance(value, Enum):
            self._repairs.add(Repair.OBJECT)
            return self.plain(value._value_, depth + 1) if depth <= MAX_DEPTH else _named(value)
        if isinstance(value, str):
            return self._text(str.__str__(value))
        if isinstance(value, int):
            return self._scalar(int.__int__(value))
        if isinstance(value, float):
            return self._scalar(float.__float__(value))
        if isinstance(value, (Mapping, list, tuple, set, frozenset)):
            return self._container(value, depth)
        return self._odd(value, depth)

    def _scalar(self, value: object) -> object:
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, float) and not isfinite(value):
            return self._cut(Repair.NOT_FINITE, None)
        if type(value) is int and not -(2**63) <= value < 2**64:
            return self._cut(Repair.INTEGER, _digits(value))
        return value

    def _text(self, text: str) -> str:
        self._left -= len(text) // 4096  # a long text that is shared often is no small value
        if text.isascii():
            return text
        try:
            text.encode()
        except UnicodeEncodeError:
            self._repairs.add(Repair.SURROGATE)
            return _LONE.sub("\ufffd", _PAIR.sub(_joined, text))
        return text

    def _container(self, value: Iterable[object], depth: int) -> object:
        if id(value) in self._seen:
            self._left -= _AGAIN
        if id(value) in self._above:
            return self._cut(Repair.CYCLE, "[cut: holds itself]")
        if depth >= MAX_DEPTH:
            return self._cut(Repair.DEPTH, "[cut: nested too deep]")
        self._seen.add(id(value))
        self._above.add(id(value))
        try:
            if isinstance(value, Mapping):
                return self._object(value, depth)
            if isinstance(value, (set, frozenset)):
                self._repairs.add(Repair.OBJECT)
            return self._list(value, depth)
        finally:
            self._above.discard(id(value))

    def _object(self, value: Mapping[object, object], depth: int) -> dict[str, object]:
        made: dict[str, object] = {}
        for key, inner in islice(value.items(), max(0, self._left) + 1):
            name = free_key(self.key(key), made)
            made[name] = self._member(inner, depth)
            if self._left < 0:
                self._repairs.add(Repair.MANY)
                break
        return made

    def _list(self, value: Iterable[object], depth: int) -> list[object]:
        if type(value) in (list, tuple) and _SCALARS.issuperset(map(type, value)):
            self._left -= sum(1 for _ in value) // 64  # many of them are the rule, and cheap
            return [self._scalar(inner) for inner in value]
        made = [self._member(inner, depth) for inner in islice(value, max(0, self._left) + 1)]
        if self._left < 0:
            self._repairs.add(Repair.MANY)
        return made

    def _member(self, inner: object, depth: int) -> object:
        self._left -= type(inner) in _SCALARS
        return self.plain(inner, depth + 1)

    def _odd(self, value: object, depth: int) -> object:
        if isinstance(value, (bytes, bytearray, memoryview)):
            self._repairs.add(Repair.BYTES)
            return {"$bytes": base64.b64encode(value).decode("ascii")}
        if isinstance(value, NotFinite):
            return self._cut(Repair.NOT_FINITE, None)
        self._repairs.add(Repair.OBJECT)
        if isinstance(value, (date, time)):  # a datetime is a date
            return self._text(str.__str__(value.isoformat()))
        if type(value) is UUID:
            return str(value)
        if is_dataclass(value) and not isinstance(value, type):
            shown = {field.name: getattr(value, field.name) for field in fields(value)}
            return self._container(shown, depth)
        # str() and repr() of a stranger may raise, block or leak: its type is all that is safe.
        return self._text(f"[{_named(value)}]")

    def _cut(self, repair: Repair, instead: str | None) -> str | None:
        self._repairs.add(repair)
        return instead


def free_key(name: str, taken: Mapping[str, object]) -> str:
    """The name, or if another member has it, the name with its place."""
    free, place = name, len(taken) + 1
    while free in taken:
        free, place = f"{name} ({place})", place + 1
    return free


def _named(value: object) -> str:
    return str.__str__(type.__dict__["__name__"].__get__(type(value)))


def _joined(pair: re.Match[str]) -> str:
    return pair[0].encode("utf-16", "surrogatepass").decode("utf-16")


def _digits(number: int) -> str:
    return str(number) if number.bit_length() <= _DECIMAL_BITS else hex(number)
