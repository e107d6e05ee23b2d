"""The shape of a span, which is the names of its attributes, and the type that it has by these and
by the few values that decide. An instrumentation writes the same names again and again: what
follows from them is worked out once."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache, lru_cache
from typing import Final

from prefactor_otel.mapping import usage as counting
from prefactor_otel.mapping.folding import Folded
from prefactor_otel.mapping.names import agent_in
from prefactor_otel.mapping.plan import Plan
from prefactor_otel.mapping.rules import Reader, Rule, spoken, values_of
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
from prefactor_otel.mapping.vocabulary import (
    CONDITIONS,
    RULES_OF,
    TYPES,
    holds_content,
    names_a_model,
    side_in_rules,
)
from prefactor_otel.privacy.content import Side
from prefactor_otel.spans.view import Attributes

_CARRIES: Final = ByNames(EVIDENCE, (), LLM)
"""It names a model and counts tokens."""
_RULES: Final = tuple(rule for rule in (*TYPES, _CARRIES) if not isinstance(rule, ByEnding))
_ENDINGS: Final = tuple(rule for rule in TYPES if isinstance(rule, ByEnding))
_NAMES: Final = tuple(rule for _, rule in RULES_OF["name"] if AGENT in (rule.of or ()))
_SESSIONS: Final = tuple(rule for _, rule in RULES_OF["session_id"])
_CALLED: Final = "invoke_agent "
"""Before the agent's name in that of its span, by the GenAI conventions."""
MAX_SHAPES: Final = 512
MAX_VARIANTS: Final = 64
"""Of a shape: the values that decide."""


class Shape:
    """The names of a span's attributes, and what follows from them alone."""

    def __init__(self, names: tuple[str, ...], alone: tuple[str, ...]) -> None:
        self.names = names
        self.alone = alone
        """Those that are in no list which a rule reads."""
        self.spoken = [name for name in alone if spoken(name)]
        """Those that are in no list at all."""
        self.rules = self._rules()
        self.conditions = tuple(name for name in CONDITIONS if name in names)
        self.deciding = tuple(r for r in self.rules if not isinstance(r, ByNames))
        self.checks = tuple(r for r in self.deciding if not isinstance(r, ByValue))
        named = (rule.name for rule in self.deciding if isinstance(rule, ByValue))
        self.decisive = (*named, *self.conditions)
        """The attributes of which the values decide; beside them the ``checks`` do."""
        self.values = values_of(self.decisive)
        self._known = lru_cache(MAX_VARIANTS)(self._known_by)
        self.agent_names = self._readers(_NAMES)
        self.sessions = self._readers(_SESSIONS)
        contents = [name for name in names if holds_content(name)]
        self.says_nothing = not self.agent_names and not contents
        """Whether an agent tells neither its name nor what it was asked and answered: with agents
        under it, it is the frame around them."""
        sides = {side_in_rules(name) for name in contents}
        self.calls_a_model = self._names_a_model() and {Side.INPUT, Side.OUTPUT} <= sides
        # Of no attributes at all, rules that look at the span's name remain: it may be any.
        self.has_opinion = bool(self.names) and any(rule.trust < EVIDENCE for rule in self.rules)

    def know(self, attributes: Attributes, span_name: str) -> "Known":
        """What is known of such spans that decide like this one."""
        decisive = self.values(attributes)
        if self.checks:
            decisive = (*decisive, *(rule.decides(attributes, span_name) for rule in self.checks))
        try:
            return self._known(decisive)
        except TypeError:  # a list where a word is expected
            return self._known_by(decisive)

    def _known_by(self, decisive: Sequence[object]) -> "Known":
        words = dict(zip(self.decisive, decisive))  # noqa: B905 - a lone value stands there twice
        checked = iter(decisive[len(decisive) - len(self.checks) :])
        values = [
            words[rule.name] if isinstance(rule, ByValue) else next(checked)
            for rule in self.deciding
        ]
        return Known(self, values, {name: words[name] for name in self.conditions})

    def _readers(self, rules: Iterable[Rule]) -> tuple[tuple[str, Reader], ...]:
        """The attributes that these rules read, and how, trusted most first."""
        return tuple(
            (reading.key, rule.read)
            for rule in rules
            for reading in rule.readings(self.spoken)
            if reading.key is not None
        )

    def _rules(self) -> tuple[TypeRule, ...]:
        """Those that may say the type of such spans, trusted most first."""
        found = [rule for rule in _RULES if self._has(rule)]
        named = {rule.name for rule in found if isinstance(rule, ByValue)}
        found += [
            rule.rule_for(name)
            for rule in _ENDINGS
            for name in self.spoken
            if name not in named and name != TYPE_KEY and rule.names.has(name)
        ]
        return tuple(sorted(found, key=lambda rule: rule.trust))

    def _has(self, rule: TypeRule) -> bool:
        if rule is _CARRIES:
            return self._names_a_model() and bool(counting.keys_in(self.alone).plain)
        if isinstance(rule, BySpanName):
            # the vendor's own name of a span says it, too, where nothing else is there
            names = self.names or tuple(rule.types)
            return any(name.startswith(rule.begin) for name in names)
        names = (rule.name,) if isinstance(rule, ByValue) else rule.names
        return all(name in self.names for name in names)

    def _names_a_model(self) -> bool:
        return any(map(names_a_model, self.alone))


_shape_of: Final = lru_cache(maxsize=MAX_SHAPES)(Shape)


@lru_cache(maxsize=MAX_SHAPES)
def shape_of(names: tuple[str, ...]) -> tuple[Shape, Folded]:
    """The shape of a span with attributes of these names, and how they are folded into it."""
    folded = Folded(names)
    return _shape_of(folded.shape, folded.alone), folded


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
        self.plan = cache(self._plan)
        """How such a span is told, by its type and what is hidden of it."""

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

    def _plan(self, span_type: SpanType, hidden: int) -> Plan:
        return Plan(span_type, self.shape.names, self.shape.alone, self.conditions, hidden)


def _said(rule: TypeRule, decisive: object) -> SpanType | None:
    return rule.type if isinstance(rule, ByNames) else rule.type_of(decisive)


def known_of(attributes: Attributes, name: str = "") -> Known:
    """What is known of a span of this name with these attributes."""
    return shape_of(tuple(attributes))[0].know(attributes, name)


def agent_name(attributes: Attributes, span_name: str) -> str:
    """What the agent is called: where the span says so, else what its name says."""
    for key, read in shape_of(tuple(attributes))[0].agent_names:
        name = read(attributes[key])
        if isinstance(name, str):
            return name
    return agent_in(span_name)


def session_of(attributes: Attributes) -> str | None:
    """The session that a span names, in whichever vocabulary."""
    for key, read in shape_of(tuple(attributes))[0].sessions:
        session = read(attributes[key])
        if isinstance(session, str):
            return session
    return None
