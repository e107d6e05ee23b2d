"""What the rules compile to for spans of one shape, and what that makes of a span.

An instrumentation writes the same names again and again. What follows from the names, from the
values that decide about the type, and from what may leave the process is worked out once; a span
costs two look-ups and the reading of its values.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Final, NamedTuple

from prefactor_otel.mapping import usage as counting
from prefactor_otel.mapping.dialects import DIALECTS
from prefactor_otel.mapping.layout import LABELS, SINGLE, Place, places_of, shown_by
from prefactor_otel.mapping.names import agent_in
from prefactor_otel.mapping.rules import (
    EVENTS,
    Ending,
    Part,
    Reader,
    Reading,
    Rule,
    Seen,
    Slot,
    Told,
    spoken,
)
from prefactor_otel.mapping.shapes.texts import parsed
from prefactor_otel.mapping.types import (
    AGENT,
    CHAIN,
    EVIDENCE,
    LLM,
    OPERATION,
    SPAN,
    STEP,
    TYPE_KEY,
    Below,
    ByEnding,
    ByNames,
    BySpanName,
    ByValue,
    SpanType,
    TypeRule,
)
from prefactor_otel.privacy.content import Side, side_of
from prefactor_otel.spans.view import Attributes

MAX_SHAPES: Final = 512
MAX_VARIANTS: Final = 64
"""Of a shape: the values that decide, and the names that are left when something else is shown."""


class Candidate(NamedTuple):
    """An attribute, or several, that may fill a field."""

    key: str | None
    read: Reader
    field: str
    used: int
    """The names that are used up, as bits of the plan's."""
    beside: int
    """Those of them that only say something of it."""
    later: "tuple[Later, ...]"
    """Attributes trusted less that may say the same, and so are used up with it."""
    rule: Rule
    dialect: str


class Found(NamedTuple):
    """A rule that reads spans of this shape, and how."""

    rule: Rule
    dialect: str
    field: str
    names: tuple[str, ...]
    key: str | None
    read: Reader


class Later(NamedTuple):
    """Attributes that may say the same as others which are trusted more."""

    key: str | None
    read: Reader | None
    used: int


_WHOLE: Final = ("values", "words")
"""Vocabularies of whole inputs and outputs: these are not read only to see what they repeat."""


class Filled(NamedTuple):
    """What a span tells: the fields of its inputs and outputs, single values, labels, the names
    that are used up (as bits), what is left of attributes that are shown in part, and the numbers
    of the events that are shown."""

    inputs: dict[str, object]
    outputs: dict[str, object]
    single: dict[str, object]
    labels: dict[str, object]
    mask: int
    left: dict[str, Mapping[str, object]]
    seen: set[int]


Fields = dict[str, object]
Parts = tuple[Fields, Fields, Fields, Fields]
Values = Callable[[Attributes], Iterable[object]]
Step = tuple[str | None, Reader, str, int, Candidate]
_SPECIAL: Final = frozenset({Told, Part, Seen})
_NO_LEFT: Final[dict[str, Mapping[str, object]]] = {}
_NO_EVENTS: Final[set[int]] = set()


class Note(NamedTuple):
    """That an attribute filled a field of a part, which names are used up by that, as bits, and
    with what."""

    part: int
    candidate: Candidate
    used: int
    value: object


class Special:
    """What is told in more than one field, or shown in part; few spans need it."""

    def __init__(self, plan: "Plan", parts: "Parts") -> None:
        self.left: dict[str, Mapping[str, object]] = {}
        self.seen: set[int] = set()
        self.kept = 0
        """Names that are not used up after all, as bits."""
        self._plan = plan
        self._parts = parts
        self._spare: dict[Slot, tuple[object, Candidate, Told]] = {}

    def take(self, candidate: Candidate, part: int, value: object) -> int | None:
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
        self._parts[part][candidate.field] = value
        if rest and used and candidate.key is not None:
            self.left[candidate.key] = rest
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
            place = self._plan.fields.get(slot)
            if place is None or place[1] in self._parts[place[0]]:
                continue
            self._parts[place[0]][place[1]] = value
            if told.of == slot and told.rest and candidate.key is not None:
                self.left[candidate.key] = told.rest
                self.kept |= self._plan.bits[candidate.key]
            elif told.of == slot and told.whole:
                used |= candidate.used
        return used


class Plan:
    """How spans of one shape, one type and one setting of capture are told."""

    def __init__(
        self, span_type: SpanType, names: tuple[str, ...], words: Mapping[str, object], hidden: int
    ) -> None:
        self.type = span_type
        self.names = names
        self.shown = tuple(name for name in names if name != EVENTS)
        self.alone = [name for name in names if spoken(name)]
        """Those that are in no flattened list."""
        self.bits = {name: 1 << number for number, name in enumerate(names)}
        self.hidden = frozenset(
            name for name in names if hidden and side_in_rules(name) & Side(hidden)
        )
        self.candidates = [self._candidates(place, words) for place in places_of(span_type)]
        self.fields: dict[Slot, tuple[int, str]] = {
            slot: (place.part, field)
            for place in places_of(span_type)
            for slot, field in place.fields.items()
        }
        self.steps: list[tuple[int, list[Step]]] = [
            (place.part, [(c.key, c.read, c.field, c.used, c) for c in found])
            for place, found in zip(places_of(span_type), self.candidates, strict=True)
            if found
        ]
        keys = counting.keys_in(names)
        self.counts = [(count, name, self.bits[name]) for count, name in keys.plain]
        self.objects = keys.objects
        self.responses = self._responses(("usage",))
        self.responses_at_last = self._responses(("usage", "usage_at_last"))
        self.counts_tokens = bool(self.counts or self.objects or self.responses_at_last)
        self.models = self._models()
        self._left: dict[int, tuple[tuple[str, ...], Values]] = {}

    def _responses(
        self, slots: Sequence[Slot]
    ) -> list[tuple[str, Callable[[object], counting.Usage | None]]]:
        """Whole responses that tell their usage."""
        rules = [rule for slot in slots for _, rule in RULES_OF[slot]]
        return [(name, rule.read) for rule in rules for name in self.alone if rule.has(name)]  # type: ignore[misc]

    def _models(self) -> list[tuple[str, int]]:
        """The attributes that name a model, if some of them may say the same."""
        found = [name for name in self.shown if _names_a_model(name)]
        first = {of[0].key for of in self.candidates if of and of[0].field in _MODEL_FIELDS}
        return [(name, self.bits[name]) for name in found] if set(found) - first else []

    def models_of_total(self, attributes: Attributes) -> tuple[tuple[str | None, str | None], int]:
        """The models that a total over calls names, and the attributes that do, as bits."""
        found: list[str | None] = []
        for slot in _MODEL_FIELDS:
            told = [
                read(attributes[reading.key])
                for _, rule in RULES_OF[slot]
                for read, reading in ((rule.read, each) for each in rule.readings(self.alone))
                if reading.key is not None
            ]
            found.append(next((model for model in told if isinstance(model, str)), None))
        models = found[0], found[1]
        named = [n for n in self.shown if _names_a_model(n) and attributes[n] in models]
        return models, self._bits_of(named)

    def _candidates(self, place: Place, words: Mapping[str, object]) -> list[Candidate]:
        found: list[Found] = []
        known = set[tuple[Slot, str | None]]()
        for slot, field in place.fields.items():
            for dialect, rule in RULES_OF.get(slot, ()):
                if rule.of is not None and self.type not in rule.of:
                    continue
                if rule.when is not None and words.get(rule.when[0]) != rule.when[1]:
                    continue
                read = shown_by(self.type, slot, rule.read)
                by_words = isinstance(rule.names, Ending)
                for reading in rule.readings(self.alone if by_words else self.names):
                    if by_words and ((slot, reading.key) in known or self._is_unfit(rule, reading)):
                        continue  # who knows the name has refused its value
                    known.add((slot, reading.key))
                    get = reading.get
                    reader = read if get is None else _composed(read, get)
                    found.append(Found(rule, dialect, field, reading.names, reading.key, reader))
        return [
            self._candidate(place, one, found[number + 1 :]) for number, one in enumerate(found)
        ]

    def _is_unfit(self, rule: Rule, reading: Reading) -> bool:
        """Whether a name that only its words tell is a count or an id, or is not to leave."""
        return bool(rule.side) and (
            not any(map(side_of, reading.names)) or self.hidden.issuperset(reading.names)
        )

    def _candidate(self, place: Place, one: Found, less_trusted: Sequence[Found]) -> Candidate:
        rule, dialect, field, names, key, read = one
        beside = self._bits_of(rule.beside)
        stays = rule.partly or place.part == LABELS
        used = 0 if stays else self._bits_of(names) | beside
        later = [
            Later(
                other.key,
                None if other.dialect in _WHOLE else other.read,
                self._bits_of((*other.names, *other.rule.beside)),
            )
            for other in less_trusted
            if place.part != LABELS and not other.rule.partly and other.names != names
            if other.dialect not in _WHOLE or (key is not None and other.key is not None)
        ]
        return Candidate(key, read, field, used, beside, tuple(later), rule, dialect)

    def names_of(self, bits: int) -> tuple[str, ...]:
        """The names that these bits stand for."""
        return tuple(name for name in self.shown if self.bits[name] & bits)

    def _bits_of(self, names: Iterable[str]) -> int:
        bits = 0
        for name in names:
            bits |= self.bits.get(name, 0)
        return bits

    def tell(self, attributes: Attributes, notes: list[Note] | None = None) -> Filled:
        """What a span of this shape tells. ``notes`` gets what was taken from where."""
        parts: Parts = ({}, {}, {}, {})
        mask, special = 0, None
        for part, steps in self.steps:
            for key, read, field, used, candidate in steps:
                value = read(attributes if key is None else attributes[key])
                if value is None:
                    continue
                if type(value) in _SPECIAL:
                    special = special or Special(self, parts)
                    taken = special.take(candidate, part, value)
                    if taken is None:
                        continue
                    used = taken
                else:
                    parts[part][field] = value
                mask |= used
                if notes is not None:
                    notes.append(Note(part, candidate, used, value))
                if candidate.later:
                    mask |= _same(candidate, attributes, parts[part].get(field))
                break
        if self.models:
            mask |= self._twins(attributes, parts[SINGLE])
        if special is None:
            return Filled(*parts, mask, _NO_LEFT, _NO_EVENTS)
        mask = (mask | special.fill_up()) & ~special.kept
        return Filled(*parts, mask, special.left, special.seen)

    def usage(self, attributes: Attributes) -> tuple[counting.Usage, int]:
        """The counts that attributes tell, and the names that are used up with them."""
        usage: counting.Usage = {}
        mask, agree = 0, True
        for count, key, bit in self.counts:
            tokens = attributes[key]
            if type(tokens) is not int or tokens < 0:
                whole = counting.whole_number(tokens)
                if whole is None:
                    continue
                tokens = whole
            if usage.setdefault(count, tokens) == tokens:
                mask |= bit
            else:
                agree = False
        if not agree:
            usage, mask = self._agreed(attributes)
        for key in self.objects:
            mask |= self._add_object(usage, key, attributes[key])
        for key, read in self.responses if usage else self.responses_at_last:
            for count, tokens in (read(attributes[key]) or {}).items():
                usage.setdefault(count, tokens)
        return usage, mask

    def _agreed(self, attributes: Attributes) -> tuple[counting.Usage, int]:
        told = [
            (count, tokens, bit)
            for count, key, bit in self.counts
            if (tokens := counting.whole_number(attributes[key])) is not None
        ]
        usage = counting.agreeing([(count, tokens) for count, tokens, _ in told])
        mask = 0
        for count, tokens, bit in told:
            mask |= bit if usage[count] == tokens else 0
        return usage, mask

    def _add_object(self, usage: counting.Usage, key: str, value: object) -> int:
        """Add what an object of counts holds and the plain attributes did not tell."""
        counts = parsed(value)
        if not isinstance(counts, dict):
            return 0
        for count, tokens in counting.counts_in(counts).items():
            usage.setdefault(count, tokens)
        return self.bits[key] if counting.holds_only_counts(counts) else 0

    def _twins(self, attributes: Attributes, single: Fields) -> int:
        """The attributes that name one of the models once more, as bits."""
        models = single.get("requested"), single.get("answering")
        mask = 0
        for name, bit in self.models:
            if attributes[name] in models:
                mask |= bit
        return mask

    def rest(self, mask: int, attributes: Attributes) -> dict[str, object]:
        """The attributes that are not used up and may leave."""
        known = self._left.get(mask)
        if known is None:
            known = self._rest_of(mask)
        names, values = known
        return dict(zip(names, values(attributes), strict=True))

    def _rest_of(self, mask: int) -> tuple[tuple[str, ...], Values]:
        names = tuple(
            name for name in self.shown if not self.bits[name] & mask and name not in self.hidden
        )
        if len(self._left) >= MAX_VARIANTS:
            self._left.clear()
        found = self._left[mask] = (names, _values_of(names))
        return found


def _same(candidate: Candidate, attributes: Attributes, shown: object) -> int:
    """The attributes that say the same as what is shown, as bits."""
    mask = 0
    for key, read, used in candidate.later:
        other = attributes if key is None else attributes[key]
        is_same = candidate.key is not None and other == attributes[candidate.key]
        if is_same or (read is not None and read(other) == shown):
            mask |= used
    return mask


def _composed(read: Reader, get: Callable[[Attributes], object]) -> Reader:
    return lambda attributes: read(get(attributes))


def _values_of(names: tuple[str, ...]) -> Values:
    if len(names) > 1:
        return itemgetter(*names)
    return (lambda attributes: (attributes[names[0]],)) if names else (lambda attributes: ())


def _rules_by_slot() -> dict[Slot, list[tuple[str, Rule]]]:
    found: dict[Slot, list[tuple[str, Rule]]] = {}
    for dialect in DIALECTS:
        name = dialect.__name__.rpartition(".")[2]
        for rule in dialect.RULES:
            found.setdefault(rule.slot, []).append((name, rule))
    return found


RULES_OF: Final = _rules_by_slot()
TYPES: Final = tuple(rule for dialect in DIALECTS for rule in dialect.TYPES)


@lru_cache(maxsize=4096)
def side_in_rules(name: str) -> Side:
    """Whose content an attribute of this name holds: by the rules that know it, else by its
    words."""
    known = [
        rule
        for rules in RULES_OF.values()
        for _, rule in rules
        if not isinstance(rule.names, Ending) and rule.has(name)
    ]
    side = Side.NONE
    for rule in known:
        side |= rule.side
    is_named = any(isinstance(rule.names, tuple) for rule in known)
    return side if side or is_named else side_of(name)


_MODEL_FIELDS: Final[tuple[Slot, ...]] = ("requested", "answering")
_CARRIES: Final = ByNames(EVIDENCE, (), LLM)
"""It names a model and counts tokens."""
_RULES: Final = tuple(rule for rule in (*TYPES, _CARRIES) if not isinstance(rule, ByEnding))
_ENDINGS: Final = tuple(rule for rule in TYPES if isinstance(rule, ByEnding))
_MODELS: Final = tuple(
    rule for slot in ("requested", "answering") for _, rule in RULES_OF[slot] if not rule.partly
)
_NAMES: Final = tuple(rule for _, rule in RULES_OF["name"] if AGENT in (rule.of or ()))
_SESSIONS: Final = tuple(rule for _, rule in RULES_OF["session_id"])
_CONDITIONS: Final = {
    rule.when[0]: None for rules in RULES_OF.values() for _, rule in rules if rule.when is not None
}
"""Attributes whose values decide how others are read."""
_CALLED: Final = "invoke_agent "
"""Before the agent's name in that of its span, by the GenAI conventions."""


class Shape:
    """The names of a span's attributes, and what follows from them alone."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        self.alone = [name for name in names if spoken(name)]
        self.rules = self._rules()
        self.conditions = tuple(name for name in _CONDITIONS if name in names)
        self.deciding = tuple(r for r in self.rules if not isinstance(r, ByNames))
        self.decisive = self._decider()
        self.known: dict[object, Known] = {}
        self.agent_names = self._readers(_NAMES)
        self.sessions = self._readers(_SESSIONS)
        contents = [name for name in names if _holds_content(name)]
        self.says_nothing = not self.agent_names and not contents
        """Whether an agent tells neither its name nor what it was asked and answered: with agents
        under it, it is the frame around them."""
        sides = {side_in_rules(name) for name in contents}
        self.calls_a_model = self._names_a_model() and {Side.INPUT, Side.OUTPUT} <= sides
        self.has_opinion = any(rule.trust < EVIDENCE for rule in self.rules)

    def know(self, attributes: Attributes, span_name: str) -> "Known":
        """What is known of such spans that decide like this one."""
        try:
            decisive = self.decisive(attributes, span_name)
            known = self.known.get(decisive)
        except TypeError:  # a list where a word is expected
            decisive, known = None, None
        if known is None:
            if len(self.known) >= MAX_VARIANTS:
                self.known.clear()
            values = [rule.decides(attributes, span_name) for rule in self.deciding]
            known = Known(self, values, {n: attributes[n] for n in self.conditions})
            if decisive is not None:
                self.known[decisive] = known
        return known

    def _readers(self, rules: Iterable[Rule]) -> tuple[tuple[str, Reader], ...]:
        """The attributes that these rules read, and how, trusted most first."""
        return tuple(
            (reading.key, rule.read)
            for rule in rules
            for reading in rule.readings(self.alone)
            if reading.key is not None
        )

    def _rules(self) -> tuple[TypeRule, ...]:
        """Those that may say the type of such spans, trusted most first."""
        found = [rule for rule in _RULES if self._has(rule)]
        named = {rule.name for rule in found if isinstance(rule, ByValue)}
        found += [
            rule.rule_for(name)
            for rule in _ENDINGS
            for name in self.alone
            if name not in named and name != TYPE_KEY and rule.names.has(name)
        ]
        return tuple(sorted(found, key=lambda rule: rule.trust))

    def _has(self, rule: TypeRule) -> bool:
        if rule is _CARRIES:
            return self._names_a_model() and bool(counting.keys_in(self.names).plain)
        if isinstance(rule, BySpanName):
            # the vendor's own name of a span says it, too, where nothing else is there
            names = self.names or tuple(rule.types)
            return any(name.startswith(rule.begin) for name in names)
        names = (rule.name,) if isinstance(rule, ByValue) else rule.names
        return all(name in self.names for name in names)

    def _names_a_model(self) -> bool:
        return any(map(_names_a_model, self.names))

    def _decider(self) -> Callable[[Attributes, str], object]:
        """Makes of a span the values that decide; of most it takes them as they are."""
        names = (*(r.name for r in self.deciding if isinstance(r, ByValue)), *self.conditions)
        if all(isinstance(rule, ByValue) for rule in self.deciding):
            values = itemgetter(*names) if names else (lambda attributes: ())
            return lambda attributes, span_name: values(attributes)
        rules, conditions = self.deciding, self.conditions
        return lambda attributes, span_name: (
            *(rule.decides(attributes, span_name) for rule in rules),
            *(attributes[name] for name in conditions),
        )


@lru_cache(maxsize=4096)
def _names_a_model(name: str) -> bool:
    return any(rule.has(name) for rule in _MODELS)


@lru_cache(maxsize=4096)
def _holds_content(name: str) -> bool:
    return any(rule.has(name) for rule in _CONTENT)


_CONTENT: Final = tuple(rule for rules in RULES_OF.values() for _, rule in rules if rule.side)
shape_of: Final = lru_cache(maxsize=MAX_SHAPES)(Shape)


class Known:
    """What is known of spans of one shape that decide alike."""

    def __init__(
        self, shape: Shape, decisive: Sequence[object], conditions: Mapping[str, object]
    ) -> None:
        self.shape = shape
        self.conditions = conditions
        values = dict(zip(map(id, shape.deciding), decisive, strict=True))
        said = [
            (rule, found)
            for rule in shape.rules
            if (found := _said(rule, values.get(id(rule)))) is not None
        ]
        rule, self.type = said[0] if said else (None, SPAN)
        opinions = {found for rule, found in said if rule.trust < EVIDENCE}
        self.is_invoked = rule is not None and rule.trust == OPERATION and self.type is AGENT
        if self.is_invoked and any(r.trust == STEP and found is CHAIN for r, found in said):
            self.type = CHAIN  # what it wraps is the agent; one agent span an agent
        self.is_guess = rule is _CARRIES and any(r.trust == OPERATION for r in shape.rules)
        self.is_disputed = opinions >= {AGENT, LLM}
        self.is_certain = self.type is not AGENT and not self.is_guess and not self.is_disputed
        self._plans: dict[tuple[SpanType, int], Plan] = {}

    def type_of(self, attributes: Attributes, name: str, serves: bool, below: Below) -> SpanType:
        """The type of such a span of this name, above what lies below it."""
        if self.is_certain:
            return self.type
        found = self.type
        if self.is_guess and below.calls:
            return SPAN  # a step that repeats what the calls in it tell
        if self.is_disputed:
            calls = self.shape.calls_a_model and not below.calls
            found = LLM if calls else AGENT if below.calls else found
        is_wrapper = found is AGENT and self._is_wrapper(attributes, name, serves, below)
        return CHAIN if is_wrapper else found

    def _is_wrapper(self, attributes: Attributes, name: str, serves: bool, below: Below) -> bool:
        """A run has one agent span an agent, not one more for each layer around it."""
        if serves and self.is_invoked:
            return not self.shape.agent_names
        if below.agents and self.shape.says_nothing and not name.startswith(_CALLED):
            return True
        return below.agent is not None and below.agent == agent_name(attributes, name)

    def plan(self, span_type: SpanType, hidden: int) -> Plan:
        """How such a span is told."""
        found = self._plans.get((span_type, hidden))
        if found is None:
            found = Plan(span_type, self.shape.names, self.conditions, hidden)
            self._plans[span_type, hidden] = found
        return found


def _said(rule: TypeRule, decisive: object) -> SpanType | None:
    return rule.type if isinstance(rule, ByNames) else rule.type_of(decisive)


def known_of(attributes: Attributes, name: str = "") -> Known:
    """What is known of a span of this name with these attributes."""
    return shape_of(tuple(attributes)).know(attributes, name)


def agent_name(attributes: Attributes, span_name: str) -> str:
    """What the agent is called: where the span says so, else what its name says."""
    for key, read in shape_of(tuple(attributes)).agent_names:
        name = read(attributes[key])
        if isinstance(name, str):
            return name
    return agent_in(span_name)


def session_of(attributes: Attributes) -> str | None:
    """The session that a span names, in whichever vocabulary."""
    for key, read in shape_of(tuple(attributes)).sessions:
        session = read(attributes[key])
        if isinstance(session, str):
            return session
    return None
