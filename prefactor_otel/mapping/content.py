"""What the readers of a span collect: slots that the first reader with something fills."""

import json
import math
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeVar, overload

import orjson

from prefactor_otel.hygiene import NotFinite
from prefactor_otel.span import Attributes, SpanView

A = TypeVar("A")
T = TypeVar("T")

Slot = Literal[
    "system",
    "asked",
    "answered",
    "tools",
    "parameters",
    "arguments",
    "result",
    "query",
    "candidates",
    "documents",
    "texts",
    "dimensions",
    "input",
    "output",
    "answer",
    "stop_reason",
]


class Part(NamedTuple):
    """What a slot shows of an attribute, and the rest of it, which stays in the metadata under the
    attribute's name."""

    shown: object
    rest: Mapping[str, object]


EVENTS: Final = "events"
"""Stands for the names of all events: those are too many to remember anything by them."""


Work = Callable[..., object]


class Names(dict[object, object]):
    """The names of a span's attributes. An instrumentation writes the same ones again and again,
    so what follows from the names alone is worked out once: ``names[work]`` is what ``work`` makes
    of them, ``names[work, about]`` what it makes of them and one value more. It is a function of
    the module, and pure.

    A dictionary, because a span asks it many times: what is known is found without a call.
    """

    __slots__ = ("all",)

    def __init__(self, keys: tuple[str, ...]) -> None:
        super().__init__()
        self.all = keys

    if TYPE_CHECKING:

        @overload  # type: ignore[override]
        def __getitem__(self, asked: Callable[[tuple[str, ...]], T]) -> T: ...
        @overload
        def __getitem__(self, asked: tuple[Callable[[tuple[str, ...], A], T], A]) -> T: ...
        def __getitem__(self, asked: object) -> object: ...

    def __missing__(self, asked: Work | tuple[Work, object]) -> object:
        work, *about = asked if isinstance(asked, tuple) else (asked,)
        found = self[asked] = work(self.all, *about)
        return found


names_of = lru_cache(maxsize=512)(Names)


class Content:
    """The slots of one span, and which attributes and events each was made of. What is shown
    counts as used; everything else ends up in the payload's metadata, so that nothing is lost."""

    __slots__ = (
        *("_companions", "_parsed", "_repeated", "_rests", "_sources", "attributes", "events"),
        *("left", "names", "slots", "taken", "used_events"),
    )

    def __init__(self, view: SpanView) -> None:
        self.attributes: Attributes = view.attributes
        self.names = names_of(tuple(view.attributes))
        self.events = view.events
        self.slots: dict[Slot, object] = {}
        self.left: dict[str, Mapping[str, object]] = {}
        """Of attributes that are shown in part, what is left of them."""
        self.taken: set[str] = set()
        self.used_events: set[int] = set()
        self._parsed: dict[str, object] = {}
        self._rests: dict[Slot, tuple[str, Mapping[str, object]]] = {}
        self._sources: dict[Slot, tuple[Iterable[str], Iterable[int]]] = {}
        self._companions: tuple[tuple[str, str], ...] = ()
        self._repeated: tuple[str, ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """The attributes' names."""
        return self.names.all

    def has(self, *slots: Slot) -> bool:
        """Whether any of these is filled."""
        return not self.slots.keys().isdisjoint(slots)

    def parsed(self, key: str) -> object:
        """The ``parsed`` value of an attribute, None without it. Several readers look into a
        whole request or response: its JSON is read once, and nobody changes what it holds."""
        found = self._parsed.get(key)
        if found is None:
            found = parsed(self.attributes.get(key))
            if found is not None:
                self._parsed[key] = found
        return found

    def decoded(self, key: str) -> object:
        """The same, ``decoded``."""
        value = self.parsed(key)
        return decoded(value) if isinstance(value, str) else value

    def show(self, slot: Slot) -> object:
        """What a slot holds, or None; its sources now count as used."""
        sources = self._sources.get(slot)
        if sources is None:
            return None
        keys, events = sources
        if keys:
            self.taken.update(keys)
        if events:
            self.used_events.update(events)
        if self._rests or self.left:
            self._keep_rest(slot)
        return self.slots[slot]

    def _keep_rest(self, slot: Slot) -> None:
        if slot in self._rests:
            key, rest = self._rests[slot]
            self.left[key] = {**self.left.get(key, {}), **rest}
        self.taken.difference_update(self.left)

    def show_all(self, fields: dict[str, object], names: Mapping[Slot, str]) -> None:
        """Show every filled one of these slots as a field of this name, unless that is there."""
        slots = self.slots
        for slot, name in names.items():
            if slot in slots and name not in fields:
                fields[name] = self.show(slot)

    def offer(
        self,
        slot: Slot,
        keys: Iterable[str],
        convert: Callable[[object], object] | None = None,
        *,
        partly: bool = False,
        get: Callable[[str], object] | None = None,
    ) -> None:
        """Fill an empty slot from the first of these attributes that has a value. A conversion
        that gives None refuses the value, which then stays where it is; so does a value of
        which the slot shows only a part. ``get`` is ``parsed`` or ``decoded``, for a conversion
        of what the attribute's JSON holds."""
        if slot in self.slots:
            return
        if get is None:
            get = self.attributes.get
        for key in keys:
            value = get(key)
            if value is None:
                continue
            converted = convert(value) if convert is not None else value
            if type(converted) is Part:
                converted, rest = converted
                if rest and not partly:
                    self._rests[slot] = (key, rest)
            if converted is not None:
                self.slots[slot] = converted
                self._sources[slot] = _NOWHERE if partly else ((key,), ())
                return

    def fill(
        self, slot: Slot, value: object, keys: Iterable[str] = (), events: Iterable[int] = ()
    ) -> None:
        """Fill an empty slot with a value made of these attributes and events (by their number);
        None fills nothing."""
        if value is not None and slot not in self.slots:
            self.slots[slot] = value.shown if type(value) is Part else value
            self._sources[slot] = (keys, events)

    def leave(self, slot: Slot, key: str, rest: Mapping[str, object]) -> None:
        """Of an attribute that a slot shows in part, keep this rest under its name."""
        self._rests[slot] = (key, rest)

    def belongs(self, key: str, to: str) -> None:
        """An attribute says the same as another, or something about it: used where that is."""
        if key in self.attributes and to in self.attributes:
            self._companions += ((key, to),)

    def repeats(self, key: str) -> None:
        """An attribute says what another says, and is told under that one's name alone."""
        self._repeated += (key,)

    @property
    def used(self) -> set[str]:
        """The attributes that are shown somewhere."""
        for key, to in self._companions:
            if to in self.taken or to in self.left:
                self.taken.add(key)
        if self._repeated:
            self.taken.update(self._repeated)
        return self.taken


_NOWHERE: Final = ((), ())


def parsed(value: object) -> object:
    """The value of a JSON text that holds an object or array; anything else unchanged."""
    if isinstance(value, str) and value.startswith(("{", "[")):
        try:  # not in a function of its own: of nearly every value, this is what a reader asks
            return orjson.loads(value)
        except orjson.JSONDecodeError:
            return _loads_leniently(value)
    return value


def decoded(value: object) -> object:
    """The value of a JSON text, also of one that holds a text; for attributes that always hold
    JSON."""
    if isinstance(value, str) and len(value) > 1 and value[0] == value[-1] == '"':
        try:
            return orjson.loads(value)
        except orjson.JSONDecodeError:
            return _loads_leniently(value)
    return parsed(value)


def plain_text(value: object) -> str | None:
    """A text that is no JSON; None for anything else."""
    return value if isinstance(value, str) and value and parsed(value) is value else None


def settings(value: object) -> dict[str, object] | None:
    """The settings that were given: what is null was not asked for. None without any."""
    value = parsed(value)
    if not isinstance(value, dict):
        return None
    return {name: setting for name, setting in value.items() if setting is not None} or None


def _loads_leniently(text: str) -> object:
    """What other encoders call JSON: NaN, infinities and lone surrogates."""
    try:
        return json.loads(text, parse_float=_number, parse_constant=_number)
    except (ValueError, RecursionError):
        return text


def _number(text: str) -> object:
    number = float(text)
    return number if math.isfinite(number) else NotFinite()
