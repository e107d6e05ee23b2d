"""Spans of a plan that share the values which are the same in many of them (models, settings,
names): in their outline these are read already, and a span costs the reading of the rest."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache, reduce
from operator import or_
from typing import Final, NamedTuple, TypedDict, cast

from prefactor_otel.mapping.layout import SINGLE, Fields
from prefactor_otel.mapping.names import Models
from prefactor_otel.mapping.plan import MODEL_FIELDS, Candidate, Later, Plan, are_alone
from prefactor_otel.mapping.rules import Part, Seen, Told
from prefactor_otel.spans.view import Attributes

MAX_OUTLINES: Final = 512
MAX_LAYOUTS: Final = 64
"""Of an outline: the fields that there are when others are taken."""
LONGEST_SHARED: Final = 16_384
"""Characters of a shared value beyond which it is read for each span: it would be kept."""


class Single(TypedDict, total=False):
    """Values that are no field of the inputs or outputs; their rules read nothing but texts."""

    requested: str
    answering: str
    name: str
    response_id: str
    failed: object


Parts = tuple[Fields, Fields, Single, Fields]
"""Inputs, outputs, single values and labels, by the names of their fields."""
Taken = tuple[int | type, ...]
"""For each place that is left the number of the candidate that fills it (that of all: nobody), or
the type of what the first tells, or one of these:"""
REFUSED, APART = -1, -2
"""The first tells nothing, and others are to be asked; it tells more than its field shows."""
HOW: Final[Mapping[type, int]] = {type(None): REFUSED, Told: APART, Part: APART, Seen: APART}
"""How a value is told, by its type, where that is not just as it is."""


class Layout(NamedTuple):
    """Which fields there are once it is known which candidates fill them."""

    unsettled: Sequence[int]
    """Places of which it is not known yet."""

    parts: Parts
    """All of them in their order, and the values of those that are known."""
    filled: Sequence[tuple[int, int, str]]
    """The places that fill the rest, and what they fill: the part, and the name of the field."""
    used: int
    """The names that are used up, as bits of the plan's."""
    checks: "Sequence[Check]"


class Check(NamedTuple):
    """Attributes that may say once more what is told already."""

    candidate: Candidate
    later: Sequence[Later]


class _Shared(NamedTuple):
    """A field that is the same in all these spans."""

    candidate: Candidate
    is_after: bool
    """Whether it comes after such as are left to be read."""
    later: Sequence[Later]
    """What may say the same in a span of its own."""


class Outline:
    """What is told of all spans of a plan that share these values, and what is left to be read;
    without any values all is."""

    def __init__(self, plan: Plan, values: Sequence[object]) -> None:
        self.plan = plan
        self.open: list[Sequence[Candidate]] = []
        """For each place that is left to be filled its candidates, trusted most first."""
        self.known: list[object] = []
        """What is told already."""
        self.used = plan.hidden_bits
        """The names that are used up by that, or not to leave."""
        self._shared: list[_Shared] = []
        attributes = dict(zip(plan.shared, values))  # noqa: B905 - a lone value stands there twice
        for place in plan.places:
            left = self._settle(place, attributes)
            if left:
                self.open.append(left)
        is_open = any(candidates[0].field in MODEL_FIELDS for candidates in self.open)
        single = {of.candidate.field: value for of, value in self._told_in(SINGLE)}
        self.models = models_in(cast(Single, single)) if not is_open else None
        """The models, where they are not left to be read."""
        self.twins = plan.models if is_open or not attributes else []
        """Attributes that may name once more a model that is left to be read."""
        if not self.twins and self.models is not None:
            self.used |= twins(plan.models, attributes, self.models)
        self.readers = [(place[0].reading.get, place[0].read) for place in self.open]
        """What gets and reads the values of the first candidates."""
        self.layout_of = lru_cache(MAX_LAYOUTS)(self._layout)
        """The fields that there are where these are taken."""

    def _layout(self, taken: Taken) -> Layout:
        """The fields where these candidates fill the places that are left."""
        places = [
            (number, place, how if isinstance(how, int) else HOW.get(how, 0))
            for number, (place, how) in enumerate(zip(self.open, taken, strict=True))
        ]
        filled = [(number, place[nth]) for number, place, nth in places if 0 <= nth < len(place)]
        known = [*zip(self._shared, self.known, strict=True)]
        fields = [
            *((of.candidate, value) for of, value in known if not of.is_after),
            *((candidate, None) for _, candidate in filled),
            *((of.candidate, value) for of, value in known if of.is_after),
        ]
        parts: tuple[Fields, ...] = {}, {}, {}, {}
        for candidate, value in fields:
            parts[candidate.part][candidate.field] = value
        return Layout(
            [
                number
                for number, place, nth in places
                if nth == APART or (nth == REFUSED and len(place) > 1)
            ],
            cast(Parts, parts),
            [(number, candidate.part, candidate.field) for number, candidate in filled],
            reduce(or_, (candidate.used for _, candidate in filled), self.used),
            [
                *(Check(one, one.later) for _, one in filled if one.later),
                *(Check(of.candidate, of.later) for of in self._shared if of.later),
            ],
        )

    def _told_in(self, part: int) -> Iterable[tuple[_Shared, object]]:
        told = zip(self._shared, self.known, strict=True)
        return (each for each in told if each[0].candidate.part == part)

    def _settle(self, place: Sequence[Candidate], attributes: Attributes) -> Sequence[Candidate]:
        """Fill the field of a place with what the spans share; the candidates that are left."""
        for number, candidate in enumerate(place):
            if not candidate.is_shared or not attributes.keys() >= set(candidate.reading.names):
                return place[number:]
            value, used = candidate.read(candidate.reading.get(attributes)), candidate.used
            if isinstance(value, Told) and value.is_of(candidate.rule.slot):
                used = used if value.whole else 0
                value = value.slots[candidate.rule.slot]
            elif isinstance(value, (Told, Part, Seen)):
                return place[number:]  # it tells of more than this field
            if value is not None:
                self._fill(candidate, value, used, attributes)
                return ()
        return ()

    def _fill(self, candidate: Candidate, value: object, used: int, attributes: Attributes) -> None:
        known = [of for of in candidate.later if attributes.keys() >= set(of.reading.names)]
        others = [of for of in candidate.later if of not in known]
        is_after = any(candidates[0].part == candidate.part for candidates in self.open)
        self.known.append(value)
        self._shared.append(_Shared(candidate, is_after, others))
        self.used |= used | same(candidate, known, attributes, value)


@lru_cache(maxsize=MAX_OUTLINES, typed=True)  # what is 1 and what is 1.0 or True are not the same
def _kept(plan: Plan, *values: object) -> Outline:
    if not all(map(_can_be_kept, values)):
        raise TypeError("values like these are not kept")
    return Outline(plan, values)


def _can_be_kept(value: object) -> bool:
    if isinstance(value, tuple):
        texts = all(isinstance(each, str) for each in value)
        return texts and sum(map(len, value)) <= LONGEST_SHARED
    return not isinstance(value, str) or len(value) <= LONGEST_SHARED


def outline_of(plan: Plan, attributes: Attributes) -> Outline:
    """What is told of all spans that share what this one does."""
    try:
        return _kept(plan, *plan.shared_values(attributes))
    except TypeError:  # a list or an object where a word or a number is expected
        return _kept(plan)


def same(
    candidate: Candidate, later: Iterable[Later], attributes: Attributes, shown: object
) -> int:
    """The attributes that say the same as what is shown, as bits."""
    mask = 0
    for reading, read, used in later:
        other = reading.get(attributes)
        is_same = are_alone(candidate.reading, reading) and other == candidate.reading.get(
            attributes
        )
        if is_same or (_says(shown, other) if read is None else read(other) == shown):
            mask |= used
    return mask


def _says(shown: object, text: object) -> bool:
    """Whether a text is what is shown, or all that its only message says."""
    if isinstance(shown, list) and len(shown) == 1 and isinstance(shown[0], dict):
        shown = shown[0].get("content")
    return isinstance(text, str) and text == shown


def models_in(single: Single) -> Models:
    """The models among single values."""
    return single.get("requested"), single.get("answering")


def twins(named: Iterable[tuple[str, int]], attributes: Attributes, models: Models) -> int:
    """The attributes that name one of the models once more, as bits."""
    mask = 0
    for name, bit in named:
        if attributes[name] in models:
            mask |= bit
    return mask
