"""What the rules compile to for spans of one shape and type: which attributes may fill which field,
in the order in which they are trusted."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from prefactor_otel.mapping import usage as counting
from prefactor_otel.mapping.folding import bits_of
from prefactor_otel.mapping.layout import (
    PROVIDER,
    Place,
    places_of,
    shown_by,
    shown_of,
)
from prefactor_otel.mapping.names import Models
from prefactor_otel.mapping.rules import (
    Ending,
    Reader,
    Reading,
    Rule,
    Slot,
    spoken,
    values_of,
)
from prefactor_otel.mapping.shapes.flattened import Indexed, key_of
from prefactor_otel.mapping.types import CALLS, TOTALS, SpanType
from prefactor_otel.mapping.vocabulary import RULES_OF, names_a_model, side_in_rules
from prefactor_otel.privacy.content import Side, is_allowed, is_counted
from prefactor_otel.spans.view import Attributes


class Candidate(NamedTuple):
    """Attributes that may fill a field of a part."""

    reading: Reading
    read: Reader
    part: int
    field: str
    used: int
    """The names that are used up, as bits of the plan's."""
    beside: int
    """Those of them that only say something of it."""
    later: "tuple[Later, ...]"
    """Attributes trusted less that may say the same, and so are used up with it."""
    rule: Rule
    dialect: str
    is_shared: bool
    """Whether its values are the same in many spans."""


class Later(NamedTuple):
    """Attributes that may say the same as others which are trusted more."""

    reading: Reading
    read: Reader | None
    used: int


class _Found(NamedTuple):
    """A rule that reads spans of this shape, and how."""

    rule: Rule
    dialect: str
    field: str
    reading: Reading
    read: Reader


_WHOLE: Final = ("values", "words")
"""Vocabularies of whole inputs and outputs: these are not read only to see what they repeat."""
_SHARED: Final[frozenset[Slot]] = frozenset(
    (
        *("requested", "answering", "parameters", "stop_reason", "dimensions", "provider"),
        *("name", "tags", "prompt_name", "prompt_version", "prompt_id", "from_agent", "to_agent"),
    )
)
"""Slots that many spans fill alike, where no content does."""


class Plan:
    """How spans of one shape, one type and one setting of capture are told."""

    def __init__(
        self,
        span_type: SpanType,
        names: Sequence[str],
        alone: Sequence[str],
        words: Mapping[str, object],
        hidden: int,
    ) -> None:
        self.type = span_type
        self.names = names
        self.alone = alone
        """Those that are in no list which a rule reads."""
        self.spoken = [name for name in alone if spoken(name)]
        """Those that are in no list at all."""
        self.bits = bits_of(names)
        self.hidden = frozenset(
            name for name in names if hidden and side_in_rules(name) & Side(hidden)
        )
        self.hidden_bits = self._bits_of(self.hidden)
        places = places_of(span_type)
        found = [self._candidates(place, words) for place in places]
        self.places = [candidates for candidates in found if candidates]
        """For each field of which something may be told the candidates, trusted most first."""
        self.lists = frozenset(
            key_of(candidate.rule.names.prefix)
            for place in self.places
            for candidate in place
            if isinstance(candidate.rule.names, Indexed)
        )
        """The flattened lists that are read."""
        self.fields: dict[Slot, tuple[int, str]] = {
            slot: (place.part, field) for place in places for slot, field in place.fields.items()
        }
        keys = counting.keys_in(alone)
        self.counts = [(count, name, self.bits[name]) for count, name in keys.plain]
        self.counted_bits = self._bits_of(name for _, name in keys.plain)
        self.counts_once = len({count for count, _ in keys.plain}) == len(keys.plain)
        """Whether no two of them tell the same count."""
        self.objects = keys.objects
        self.responses = self._responses(("usage",))
        self.responses_at_last = self._responses(("usage", "usage_at_last"))
        self.holds_counts = bool(self.objects or self.responses_at_last)
        """Whether there are such among the values of attributes."""
        self.counts_tokens = span_type in CALLS | TOTALS and (
            bool(self.counts) or self.holds_counts
        )
        self.models = self._models()
        self.shared = self._shared()
        self.shown = shown_of(span_type, {of.field for place in self.places for of in place})
        self.shared_values = values_of(self.shared)

    def _candidates(self, place: Place, words: Mapping[str, object]) -> list[Candidate]:
        found: list[_Found] = []
        known = set[tuple[Slot, str | None]]()
        for slot, field in place.fields.items():
            for dialect, rule in RULES_OF.get(slot, ()):
                if rule.of is not None and self.type not in rule.of:
                    continue
                if rule.when is not None and words.get(rule.when[0]) != rule.when[1]:
                    continue
                read = shown_by(self.type, slot, rule.read)
                by_words = isinstance(rule.names, Ending)
                for reading in rule.readings(self._read_by(rule)):
                    if by_words and ((slot, reading.key) in known or self._is_unfit(rule, reading)):
                        continue  # who knows the name has refused its value
                    known.add((slot, reading.key))
                    found.append(_Found(rule, dialect, field, reading, read))
        return [
            self._candidate(place, one, found[number + 1 :]) for number, one in enumerate(found)
        ]

    def _read_by(self, rule: Rule) -> Sequence[str]:
        """The names that a rule may read: of those in lists none but one of that list."""
        if isinstance(rule.names, Indexed):
            return self.names
        return self.spoken if isinstance(rule.names, Ending) else self.alone

    def _is_unfit(self, rule: Rule, reading: Reading) -> bool:
        """Whether a name that only its words tell is a count or an id, or is not to leave."""
        return bool(rule.side) and (
            any(is_counted(name) or is_allowed(name) for name in reading.names)
            or self.hidden.issuperset(reading.names)
        )

    def _candidate(self, place: Place, one: _Found, less_trusted: Sequence[_Found]) -> Candidate:
        rule, dialect, field, reading, read = one
        beside = self._bits_of(rule.beside)
        stays = rule.partly or field == PROVIDER
        later = [
            Later(
                other.reading,
                None if other.dialect in _WHOLE else other.read,
                self._bits_of((*other.reading.names, *other.rule.beside)),
            )
            for other in less_trusted
            if field != PROVIDER
            and not other.rule.partly
            and other.reading.names != reading.names
            and (other.dialect not in _WHOLE or are_alone(reading, other.reading))
        ]
        return Candidate(
            reading=reading,
            read=read,
            part=place.part,
            field=field,
            used=0 if stays else self._bits_of(reading.names) | beside,
            beside=beside,
            later=tuple(later),
            rule=rule,
            dialect=dialect,
            is_shared=rule.slot in _SHARED and (rule.slot == "parameters" or not rule.side),
        )

    def _responses(
        self, slots: Sequence[Slot]
    ) -> list[tuple[str, Callable[[object], counting.Usage | None]]]:
        """Whole responses that tell their usage."""
        rules = [rule for slot in slots for _, rule in RULES_OF[slot]]
        return [(name, rule.read) for rule in rules for name in self.spoken if rule.has(name)]  # type: ignore[misc]

    def _models(self) -> list[tuple[str, int]]:
        """The attributes that name a model, if some of them may say the same."""
        found = [name for name in self.alone if names_a_model(name)]
        first = {of[0].reading.key for of in self.places if of[0].field in MODEL_FIELDS}
        return [(name, self.bits[name]) for name in found] if set(found) - first else []

    def models_of_total(self, attributes: Attributes) -> tuple[Models, int]:
        """The models that a total over calls names, and the attributes that do, as bits."""
        found: list[str | None] = []
        for slot in MODEL_FIELDS:
            told = [
                read(attributes[reading.key])
                for _, rule in RULES_OF[slot]
                for read, reading in ((rule.read, each) for each in rule.readings(self.spoken))
                if reading.key is not None
            ]
            found.append(next((model for model in told if isinstance(model, str)), None))
        models = found[0], found[1]
        named = [n for n in self.alone if names_a_model(n) and attributes[n] in models]
        return models, self._bits_of(named)

    def _shared(self) -> tuple[str, ...]:
        """The attributes of which the values are the same in many spans."""
        read = [
            name
            for place in self.places
            for candidate in _shared_first(place)
            for name in candidate.reading.names
        ]
        return tuple(dict.fromkeys((*read, *(name for name, _ in self.models))))

    def _bits_of(self, names: Iterable[str]) -> int:
        bits = 0
        for name in names:
            bits |= self.bits.get(name, 0)
        return bits


MODEL_FIELDS: Final[tuple[Slot, ...]] = ("requested", "answering")


def are_alone(one: Reading, other: Reading) -> bool:
    return one.key is not None and other.key is not None


def _shared_first(place: Sequence[Candidate]) -> Sequence[Candidate]:
    """Those before the first whose values each span has for itself."""
    number = next((n for n, candidate in enumerate(place) if not candidate.is_shared), len(place))
    return place[:number]
