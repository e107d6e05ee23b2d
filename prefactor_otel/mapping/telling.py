"""What a plan makes of a span."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final, NamedTuple, cast

from prefactor_otel.mapping.layout import SINGLE, Fields
from prefactor_otel.mapping.names import Models
from prefactor_otel.mapping.outline import (
    APART,
    HOW,
    Outline,
    Parts,
    models_in,
    same,
    twins,
)
from prefactor_otel.mapping.plan import Candidate, Plan
from prefactor_otel.mapping.rules import Part, Seen, Slot, Told
from prefactor_otel.spans.view import Attributes


class Rest(NamedTuple):
    """What is left of attributes that are shown in part, by their names, and the numbers of the
    events that are shown."""

    left: Mapping[str, Mapping[str, object]] = {}
    seen: Collection[int] = ()


NO_REST: Final = Rest()
Filled = tuple[Parts, Models, int, Rest]
"""What a span tells: the parts, the models, the names that are used up or not to leave (as bits),
and the rest of what is shown."""


class Note(NamedTuple):
    """That a candidate filled its field, with what, and which names are used up by that."""

    candidate: Candidate
    value: object
    used: int


class Settled:
    """What is told where a candidate that is trusted most refuses, or tells more than its field
    shows: which one is taken instead, and what of its value is shown where."""

    def __init__(self, plan: Plan) -> None:
        self.left: dict[str, Mapping[str, object]] = {}
        self.seen: set[int] = set()
        self.used = 0
        """The names that are used up, as bits."""
        self._plan = plan
        self._spare: dict[Slot, tuple[object, Candidate, Told]] = {}

    def take(
        self,
        place: Sequence[Candidate],
        value: object,
        attributes: Attributes,
        notes: list[Note] | None,
    ) -> tuple[int, object]:
        """By which of its candidates a place is filled, of which the first tells this value, and
        with what."""
        for nth, candidate in enumerate(place):
            if nth:
                value = candidate.read(candidate.reading.get(attributes))
            if value is None:
                continue
            shown, used = value, candidate.used
            if type(value) in HOW:
                shown, used = self._shown(candidate, value)
                if shown is None:
                    continue
            self.used |= used
            if notes is not None:
                notes.append(Note(candidate, value, used))
            return nth, shown
        return len(place), None

    def _shown(self, candidate: Candidate, value: object) -> tuple[object, int]:
        """What of a value its field shows, and the names that are used up by that."""
        rest: Mapping[str, object] = {}
        used = candidate.used
        if isinstance(value, Told):
            value, used, rest = self._told(candidate, value)
        elif isinstance(value, Part):
            value, rest = value
        elif isinstance(value, Seen):
            self.seen.update(value.numbers)
            value, used = value.value, 0
        if value is not None and rest and used and candidate.reading.key is not None:
            self.left[candidate.reading.key] = rest
            used = candidate.beside
        return value, used

    def _told(self, candidate: Candidate, told: Told) -> tuple[object, int, Mapping[str, object]]:
        own = candidate.rule.slot
        for slot, value in told.slots.items():
            if slot != own and value is not None:
                self._spare.setdefault(slot, (value, candidate, told))
        is_about_this = told.of is None or told.of == own
        used = candidate.used if told.whole else 0
        return told.slots.get(own), used, told.rest if is_about_this else {}

    def fill_up(self, parts: Parts, mask: int) -> int:
        """Fill what nothing better has filled; the names that are used up then, where these were
        before."""
        kept = 0
        for slot, (value, candidate, told) in self._spare.items():
            place, key = self._plan.fields.get(slot), candidate.reading.key
            if place is None or place[1] in parts[place[0]]:
                continue
            cast("Fields", parts[place[0]])[place[1]] = value
            if told.of == slot and told.rest and key is not None:
                self.left[key] = told.rest
                kept |= self._plan.bits[key]
            elif told.of == slot and told.whole:
                mask |= candidate.used
        return (mask & ~kept) | self._plan.hidden_bits


def tell(outline: Outline, attributes: Attributes, notes: list[Note] | None = None) -> Filled:
    """What a span of this outline tells. ``notes`` gets what was taken from where, if the outline
    is one without shared values."""
    values = []
    for get, read in outline.readers:
        values.append(read(get(attributes)))
    taken = (*map(type, values),) if notes is None else (APART,) * len(values)
    layout, settled = outline.layout_of(taken), None
    mask = layout.used
    if layout.unsettled:
        settled, now = Settled(outline.plan), [*taken]
        for number in layout.unsettled:
            place, value = outline.open[number], values[number]
            now[number], values[number] = settled.take(place, value, attributes, notes)
        layout = outline.layout_of((*now,))
        mask |= settled.used
    inputs, outputs, single, labels = layout.parts
    parts: Parts = inputs.copy(), outputs.copy(), single.copy(), labels.copy()
    for number, part, field in layout.filled:
        parts[part][field] = values[number]  # type: ignore[literal-required]
    for candidate, later in layout.checks:  # they are not asked, but may say the same
        shown = parts[candidate.part][candidate.field]  # type: ignore[literal-required]
        mask |= same(candidate, later, attributes, shown)
    models = outline.models or models_in(parts[SINGLE])
    if outline.twins:
        mask |= twins(outline.twins, attributes, models)
    if settled is None:
        return parts, models, mask, NO_REST
    mask = settled.fill_up(parts, mask)
    return parts, models, mask, Rest(settled.left, settled.seen)
