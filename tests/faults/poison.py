"""What instrumentations hand over and should not: values, and whole spans made of them."""

import base64
import enum
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, Status, StatusCode, TraceFlags

from prefactor_otel.payload.repairs import Repair

TRACE: Final = 0xABC
ROOT: Final = 0xFFFF
POISONED: Final = 50
BEGUN: Final = 1_700_000_000_000_000_000
RESOURCE: Final = Resource({"service.name": "agent", "service.version": "1"})
SCOPE: Final = InstrumentationScope("tests", "1")
PHOTO: Final = base64.b64encode(b"\x89PNG\r\n\x1a\n" + random.Random(1).randbytes(30_000)).decode()


class Unprintable:
    """Raises whatever is asked of it."""

    def __str__(self) -> str:
        raise RuntimeError("no text for you")

    __repr__ = __str__

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no comparison")

    def __hash__(self) -> int:
        return 1


class Disguised:
    """Raises when asked for its class."""

    @property
    def __class__(self) -> type:
        raise RuntimeError("no class")

    @__class__.setter
    def __class__(self, value: type) -> None:  # pragma: no cover - never set
        raise RuntimeError("no class")


class Broken(Mapping[str, object]):
    """A mapping that raises when it is read."""

    def __getitem__(self, key: str) -> object:
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        raise RuntimeError("no members")

    def __len__(self) -> int:
        return 3


class Endless(Mapping[str, object]):
    """A mapping without an end."""

    def __getitem__(self, key: str) -> object:
        return key

    def __iter__(self) -> Iterator[str]:
        number = 0
        while True:
            yield str(number)
            number += 1

    def __len__(self) -> int:
        return 3


class Text(str):
    def __str__(self) -> str:
        raise RuntimeError("no text")


class Number(int):
    def __int__(self) -> int:
        raise RuntimeError("no number")

    def __repr__(self) -> str:
        raise RuntimeError("no text")


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    LOW = 1


@dataclass
class Point:
    x: int
    y: object


def nested(depth: int) -> object:
    value: object = "deep"
    for _ in range(depth):
        value = {"inner": value}
    return value


def cycle() -> object:
    value: list[object] = []
    value.append(value)
    return value


def double_cycle() -> object:
    value: dict[str, object] = {}
    value["one"] = value["other"] = value
    return value


def web() -> object:
    """Thirty mappings, each of which holds all."""
    mappings: list[dict[str, object]] = [{} for _ in range(30)]
    for mapping in mappings:
        mapping.update((str(number), other) for number, other in enumerate(mappings))
    return mappings[0]


def doubling() -> object:
    """Forty small lists that would be a terabyte of JSON."""
    value: object = [1]
    for _ in range(40):
        value = [value, value]
    return value


@dataclass(frozen=True)
class Poison:
    """A span that nobody should make: what of it differs, and what its metadata must tell."""

    name: str
    changes: Mapping[str, Any]
    told: Sequence[Repair] = ()

    def __str__(self) -> str:
        return self.name


def untyped(given: object) -> Any:
    """What the SDK's types forbid."""
    return given


def value(name: str, made: object, *told: Repair) -> Poison:
    return Poison(name, {"attributes": {"before": 1, "odd": made, "after": "ok"}}, told)


def message(name: str, part: object, *told: Repair) -> Poison:
    content = part if isinstance(part, str) else json.dumps(part)
    model = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}
    return Poison(name, {"attributes": model | {"gen_ai.input.messages": content}}, told)


POISONS: Final = (
    value("None", None),
    value("NUL", "nul \x00 inside"),
    value("bytes", b"\xff\x00raw", Repair.BYTES),
    value("bytearray", bytearray(b"raw"), Repair.BYTES),
    value("many bytes", random.Random(2).randbytes(20_000), Repair.BYTES, Repair.MEDIA),
    value("NaN", float("nan"), Repair.NOT_FINITE),
    value("infinity", float("inf"), Repair.NOT_FINITE),
    value("NaN in a tuple", (1.5, float("-inf")), Repair.NOT_FINITE),
    value("lone surrogate", "lone \ud83e surrogate", Repair.SURROGATE),
    value("lone surrogate in a list", ["\udc00"], Repair.SURROGATE),
    value("10 MB", "word " * 2_000_000, Repair.SIZE),
    value("a million numbers", tuple(range(1_000_000)), Repair.SIZE),
    value("a million texts", tuple(map(str, range(1_000_000))), Repair.SIZE),
    value("very many members", {str(n): n for n in range(200_000)}, Repair.MANY),
    value("huge integer", 2**70, Repair.INTEGER),
    value("huge negative integer", -(2**70), Repair.INTEGER),
    value("integer beyond Python's decimals", 10**5000, Repair.INTEGER),
    value("nested 1,000 deep", nested(1000), Repair.DEPTH),
    value("holds itself", cycle(), Repair.CYCLE),
    value("holds itself twice", double_cycle(), Repair.CYCLE),
    value("a web", web(), Repair.CYCLE, Repair.MANY),
    value("doubling", doubling(), Repair.MANY),
    value("unprintable", Unprintable(), Repair.OBJECT),
    value("a type", Unprintable, Repair.OBJECT),
    value("disguised", Disguised(), Repair.UNREADABLE),
    value("broken mapping", Broken(), Repair.UNREADABLE),
    value("endless mapping", Endless(), Repair.MANY),
    value("odd keys", {(1, 2): 1, None: 2, 7: 3, Unprintable(): 4, "\ud800": 5}, Repair.KEY),
    value("very many odd keys", {(n,): n for n in range(9_000)}, Repair.KEY),
    value("subclass of str", Text("text")),
    value("subclass of int", Number(5)),
    value("enum", Colour.RED, Repair.OBJECT),
    value("integer enum", Level.LOW, Repair.OBJECT),
    value("dataclass", Point(1, Unprintable()), Repair.OBJECT),
    value("datetime", datetime(2024, 1, 1, tzinfo=UTC), Repair.OBJECT),
    value("set", {1, 2}, Repair.OBJECT),
    value("photo", f"data:image/png;base64,{PHOTO}", Repair.MEDIA),
    message(
        "photo in a message",
        [{"role": "user", "content": [{"type": "image", "mime_type": "image/png", "data": PHOTO}]}],
        Repair.MEDIA,
    ),
    message(
        "photo in a text that is no JSON",
        f"[{{'type': 'image', 'data': '{PHOTO}'}}, None]",
        Repair.MEDIA,
    ),
    message("deep JSON", "[" * 900 + "]" * 900, Repair.DEPTH),
    message(
        "NaN in JSON", '[{"role": "user", "content": [NaN, -Infinity, 1e999]}]', Repair.NOT_FINITE
    ),
    message("lone surrogate in JSON", '[{"role": "user", "content": "\\ud83e"}]', Repair.SURROGATE),
    Poison("names that are no text", {"attributes": {7: 1, None: 2, b"k": 3}}, (Repair.KEY,)),
    Poison("name that is a lone surrogate", {"attributes": {"\ud800": 1}}, (Repair.SURROGATE,)),
    Poison("attributes that cannot be read", {"attributes": Broken()}, (Repair.UNREADABLE,)),
    Poison("no name", {"name": None}, (Repair.OBJECT,)),
    Poison("name of bytes", {"name": b"name"}, (Repair.BYTES,)),
    Poison("name that is a lone surrogate in the span", {"name": "\ud83e"}, (Repair.SURROGATE,)),
    Poison(
        "event",
        {"events": [Event("\ud83e", untyped({"odd": b"raw"}), 5)]},
        (Repair.BYTES, Repair.SURROGATE),
    ),
    Poison("event without time", {"events": [Event("e", {}, -5)]}, (Repair.OUT_OF_TIME,)),
    Poison(
        "link",
        {"links": [Link(SpanContext(1, 2, False), untyped({"odd": nested(1000)}))]},
        (Repair.DEPTH,),
    ),
    Poison("status", {"status": Status(StatusCode.ERROR, "\ud83e")}, (Repair.SURROGATE,)),
    Poison("end before start", {"end_time": BEGUN - 10**9}, (Repair.END_BEFORE_START,)),
    Poison("year 1970", {"start_time": 1, "end_time": 2}),
    Poison("year 2100", {"start_time": 4_102_444_800 * 10**9, "end_time": 4_102_444_801 * 10**9}),
    Poison(
        "year 12000",
        {"start_time": BEGUN, "end_time": 316_516_000_000 * 10**9},
        (Repair.OUT_OF_TIME,),
    ),
    Poison("before 1970", {"start_time": -(10**18)}, (Repair.OUT_OF_TIME,)),
    Poison("time that is no number", {"start_time": "noon"}, (Repair.OUT_OF_TIME,)),
    Poison("time that is NaN", {"end_time": float("nan")}, (Repair.OUT_OF_TIME,)),
    Poison("no start", {"start_time": None}, (Repair.NO_START,)),
    Poison("no end", {"end_time": None}, (Repair.NO_END,)),
    Poison("no times", {"start_time": None, "end_time": None}, (Repair.NO_START, Repair.NO_END)),
    Poison("its own parent", {"parent": SpanContext(TRACE, POISONED, False)}, (Repair.OWN_PARENT,)),
)


def span_of(number: int, **changes: Any) -> ReadableSpan:
    """A leaf of the tree under the root; a span made by hand may hold anything."""
    given: dict[str, Any] = {
        "name": f"step {number}",
        "context": SpanContext(TRACE, number, False, TraceFlags(1)),
        "parent": SpanContext(TRACE, ROOT, False) if number != ROOT else None,
        "resource": RESOURCE,
        "attributes": {"number": number, "text": f"text of {number}, å and 字", "share": 0.5},
        "instrumentation_scope": SCOPE,
        "start_time": BEGUN + number * 1000,
        "end_time": BEGUN + number * 2000,
    }
    return ReadableSpan(**(given | changes))


def batch(**changes: Any) -> list[ReadableSpan]:
    """A hundred spans, the root last; one of them with these changes."""
    leaves = [span_of(n, **(changes if n == POISONED else {})) for n in range(1, 100)]
    return [*leaves, span_of(ROOT)]
