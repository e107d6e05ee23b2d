"""What a plan makes of a span."""

from collections.abc import Collection, Mapping
from typing import Final, NamedTuple

from prefactor_otel.mapping.names import Models
from prefactor_otel.mapping.plan import (
    Candidate,
    Fields,
    Outline,
    Parts,
    Plan,
    models_in,
    outline_of,
    same,
    twins,
)
from prefactor_otel.mapping.rules import Part, Seen, Slot, Told
from prefactor_otel.spans.view import Attributes


class Filled(NamedTuple):
    """What a span tells: the fields of its inputs and outputs, single values, labels, the models,
    the names that are used up (as bits), what is left of attributes that are shown in part, and the
    numbers of the events that are shown."""

    inputs: Fields
    outputs: Fields
    single: Fields
    labels: Fields
    models: Models
    mask: int
    left: Mapping[str, Mapping[str, object]] = {}
    seen: Collection[int] = ()


class Special:
    """What is told in more than one field, or shown in part; few spans need it."""

    def __init__(self, plan: Plan, parts: Parts) -> None:
        self.left: dict[str, Mapping[str, object]] = {}
        self.seen: set[int] = set()
        self.kept = 0
        """Names that are not used up after all, as bits."""
        self._plan = plan
        self._parts = parts
        self._spare: dict[Slot, tuple[object, Candidate, Told]] = {}

    def take(self, candidate: Candidate, value: object) -> int | None:
        """Fill the field; the names that are used up, as bits. None if it has nothing for it."""
        rest: Mapping[str, object] = {}
        used = candidate.used
        if isinstance(value, Told):
            value, used, rest = self._told(candidate, value)
        elif isinstance(value, Part):
            value, rest = value
        elif isinstance(value, Seen):
            self.seen.update(value.numbers)
            value, used = value.value, 0
        if value is None:
            return None
        self._parts[candidate.part][candidate.field] = value
        if rest and used and candidate.reading.key is not None:
            self.left[candidate.reading.key] = rest
            return candidate.beside
        return used

    def _told(self, candidate: Candidate, told: Told) -> tuple[object, int, Mapping[str, object]]:
        own = candidate.rule.slot
        for slot, value in told.slots.items():
            if slot != own and value is not None:
                self._spare.setdefault(slot, (value, candidate, told))
        is_about_this = told.of is None or told.of == own
        used = candidate.used if told.whole else 0
        return told.slots.get(own), used, told.rest if is_about_this else {}

    def fill_up(self) -> int:
        """Fill what nothing better has filled; the names that are used up."""
        used = 0
        for slot, (value, candidate, told) in self._spare.items():
            place, key = self._plan.fields.get(slot), candidate.reading.key
            if place is None or place[1] in self._parts[place[0]]:
                continue
            self._parts[place[0]][place[1]] = value
            if told.of == slot and told.rest and key is not None:
                self.left[key] = told.rest
                self.kept |= self._plan.bits[key]
            elif told.of == slot and told.whole:
                used |= candidate.used
        return used


_SPECIAL: Final = frozenset({Told, Part, Seen})
"""Types of values that are more than what a field shows."""


class Note(NamedTuple):
    """That a candidate filled its field, with what, and which names are used up by that."""

    candidate: Candidate
    value: object
    used: int


def tell(plan: Plan, attributes: Attributes, notes: list[Note] | None = None) -> Filled:
    """What a span of this plan's shape tells. ``notes`` gets what was taken from where; then
    nothing is shared with other spans."""
    outline = outline_of(plan, attributes) if notes is None else Outline(plan, ())
    parts: Parts = tuple(map(dict.copy, outline.parts))  # type: ignore[assignment]
    inputs, outputs, single, labels = parts
    mask, special = outline.mask, None
    for candidates in outline.steps:
        for get, read, part, field, used, later, candidate in candidates:
            value = read(get(attributes))
            if value is None:
                continue
            if type(value) in _SPECIAL:
                special = special or Special(plan, parts)
                taken = special.take(candidate, value)
                if taken is None:
                    continue
                used = taken
            else:
                parts[part][field] = value
            mask |= used
            if notes is not None:
                notes.append(Note(candidate, value, used))
            if later:  # they are not asked, but may say the same
                mask |= same(candidate, later, attributes, parts[part].get(field))
            break
    for part, field, value in outline.after:
        parts[part][field] = value
    for candidate, later, value in outline.checks:
        mask |= same(candidate, later, attributes, value)
    models = outline.models or models_in(single)
    if outline.twins:
        mask |= twins(outline.twins, attributes, models)
    if special is None:
        return Filled(inputs, outputs, single, labels, models, mask)
    mask = (mask | special.fill_up()) & ~special.kept
    return Filled(inputs, outputs, single, labels, models, mask, special.left, special.seen)
