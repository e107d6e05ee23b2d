"""What a vocabulary is made of: rules that say which attributes fill which slot, and how they are
read. Everything else that is known of a name is read off them: whose content it is, where it is
shown, which vocabulary it belongs to."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final, Literal, NamedTuple, Protocol

from prefactor_otel.mapping.types import SpanType
from prefactor_otel.privacy.content import Side
from prefactor_otel.spans.view import Attributes
from prefactor_otel.words import words_of

INPUT, OUTPUT, BOTH, NO_CONTENT = Side.INPUT, Side.OUTPUT, Side.BOTH, Side.NONE

Slot = Literal[
    "requested",
    "answering",
    "system",
    "asked",
    "input",
    "tools",
    "parameters",
    "arguments",
    "query",
    "candidates",
    "texts",
    "answered",
    "answer",
    "output",
    "result",
    "documents",
    "dimensions",
    "stop_reason",
    "stopped",
    "usage",
    "usage_at_last",
    "name",
    "response_id",
    "provider",
    "session_id",
    "user_id",
    "tags",
    "prompt_name",
    "prompt_version",
    "prompt_id",
    "first_token",
    "cost",
    "from_agent",
    "to_agent",
    "triggered",
    "decided_by",
    "judged",
    "failed",
]
"""What a span can tell. ``asked``, ``answered``: messages; ``input``, ``output``: anything else
that went in or came out; ``answer``: what an agent says in the end; ``requested``, ``answering``:
the models; ``judged``: what evaluators found, which is shown of the run and not of the span;
``failed``: that a tool did, or the error that a response is."""


class Part(NamedTuple):
    """What is shown of an attribute, and the rest of it, which stays in the metadata under the
    attribute's name."""

    shown: object
    rest: Mapping[str, object]


class Told(NamedTuple):
    """What an attribute tells in several slots. One that is not ``whole`` stays in the metadata as
    it is; of another the ``rest`` does, where ``of`` is a slot that is filled from here."""

    slots: Mapping[Slot, object]
    rest: Mapping[str, object] = {}
    whole: bool = True
    of: Slot | None = None

    def is_of(self, slot: Slot) -> bool:
        """Whether it tells of nothing but this slot."""
        return not self.rest and self.slots.keys() == {slot}


class Seen(NamedTuple):
    """A value made of some of a span's events, by their numbers."""

    value: object
    numbers: Sequence[int]


Reader = Callable[[Any], object]
"""Makes of a value (of an attribute, or what ``Names`` make of several) what a slot shows: that, a
``Part`` or ``Told`` of it; None refuses, and the next in the order of trust is asked."""


class Reading(NamedTuple):
    """Attributes of a span that a rule reads, and what gets their value; ``key`` is the name of
    one that is read for itself."""

    names: tuple[str, ...]
    get: Callable[[Attributes], object]
    key: str | None = None


def alone(name: str) -> Reading:
    """The reading of one attribute."""
    return Reading((name,), itemgetter(name), name)


class Names(Protocol):
    """Which of a span's attributes a rule reads, where that is more than a list of names."""

    def has(self, name: str) -> bool:
        """Whether it reads an attribute of this name."""
        ...

    def readings(self, names: Sequence[str]) -> Iterable[Reading]:
        """How it reads a span with these, trusted most first."""
        ...


_NO_SETTINGS: Final = frozenset(
    (
        *("model", "id", "address", "url", "uri", "host", "port", "base", "header", "user", "key"),
        *("instruction", "message", "prompt", "input", "content", "query", "tool", "text"),
    )
)


class Under:
    """All settings under some prefixes, as one object, by what follows the prefix; the model, ids,
    addresses, instructions and other content are none."""

    def __init__(self, *prefixes: str) -> None:
        self.prefixes = prefixes

    def has(self, name: str) -> bool:
        """Whether it reads an attribute of this name."""
        return name.startswith(self.prefixes) and words_of(name)[-1] not in _NO_SETTINGS

    def readings(self, names: Sequence[str]) -> Iterator[Reading]:
        """One of all of them."""
        found = tuple(name for name in names if self.has(name))
        if found:
            fields = [_after(name, self.prefixes) for name in found]
            values = values_of(found)
            yield Reading(found, lambda a: dict(zip(fields, values(a))))  # noqa: B905 - as below


def _after(name: str, prefixes: Sequence[str]) -> str:
    prefix = next(prefix for prefix in prefixes if name.startswith(prefix))
    return name[len(prefix) :]


class Together:
    """Several attributes that make one value, as an object of those that are there."""

    def __init__(self, *names: str) -> None:
        self.names = names

    def has(self, name: str) -> bool:
        """Whether it reads an attribute of this name."""
        return name in self.names

    def readings(self, names: Sequence[str]) -> Iterator[Reading]:
        """One of all of them."""
        found = tuple(name for name in self.names if name in names)
        if found:
            yield Reading(found, lambda a: {name: a[name] for name in found})


class Ending:
    """Attributes whose last words are these, under whatever prefix and however it is written, but
    none of a flattened list."""

    def __init__(self, *ends: str, but: tuple[str, ...] = ()) -> None:
        self.ends = tuple(f" {end}" for end in ends)
        self.but = but

    def has(self, name: str) -> bool:
        """Whether it reads an attribute of this name."""
        return spoken(name).endswith(self.ends) and not name.startswith(self.but)

    def readings(self, names: Sequence[str]) -> Iterator[Reading]:
        """One of each, in the order of the ends."""
        found = [name for name in names if self.has(name)]
        for end in self.ends if found else ():
            yield from (alone(name) for name in found if spoken(name).endswith(end))


@lru_cache(maxsize=4096)
def spoken(name: str) -> str:
    """The words of a name, each after a space; none of one in a flattened list."""
    return "" if _IN_LIST.search(name) else "".join(f" {word}" for word in words_of(name))


_IN_LIST: Final = re.compile(r"\.\d+\.")


Values = Callable[[Attributes], Sequence[object]]


def values_of(names: Sequence[str]) -> Values:
    """Gets the values of these names; of a lone one twice, because then, too, they are several."""
    if not names:
        return lambda attributes: ()
    return itemgetter(*names) if len(names) > 1 else itemgetter(*names, *names)


def itself(value: object) -> object:
    """The value as it is."""
    return value


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of a vocabulary: which slot, from which attributes (the first that has something to
    say), read how."""

    slot: Slot
    names: tuple[str, ...] | Names
    read: Reader = itself
    side: Side = NO_CONTENT
    """Whose content these attributes hold."""
    of: frozenset[SpanType] | None = None
    """The types that show the slot so; None: all."""
    partly: bool = False
    """The attribute stays in the metadata: only something of it is shown."""
    when: tuple[str, str] | None = None
    """Only where another attribute has this value."""
    beside: tuple[str, ...] = ()
    """Attributes that say something about these, and nothing without them."""

    def has(self, name: str) -> bool:
        """Whether it reads an attribute of this name."""
        if isinstance(self.names, tuple):
            return name in self.names
        return self.names.has(name)

    def readings(self, names: Sequence[str]) -> Iterable[Reading]:
        """How it reads a span with attributes of these names, trusted most first."""
        if isinstance(self.names, tuple):
            return [alone(name) for name in self.names if name in names]
        return self.names.readings(names)


EVENTS: Final = "(events)"
"""Stands for a span's events among the names of its attributes."""


def types(*of: SpanType) -> frozenset[SpanType]:
    """These types of spans."""
    return frozenset(of)
