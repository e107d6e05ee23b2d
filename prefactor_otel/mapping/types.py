"""The types of agent spans, and the rules by which a vocabulary says of which one a span is.

The scope's name is no evidence: different instrumentations share one.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple, Protocol

from prefactor_otel.spans.view import Attributes
from prefactor_otel.words import words_of

SCHEMA_PREFIX: Final = "otel"
TYPE_KEY: Final = "prefactor.span_type"
"""The attribute by which a span says of which type it is: one of these, or one of the application's
own."""


class SpanType(StrEnum):
    """The span types declared at registration, without their prefix."""

    AGENT = "agent"
    LLM = "llm"
    TOOL = "tool"
    CHAIN = "chain"
    RETRIEVER = "retriever"
    EMBEDDING = "embedding"
    RERANKER = "reranker"
    GUARDRAIL = "guardrail"
    EVALUATOR = "evaluator"
    HANDOFF = "handoff"
    APPROVAL = "approval"
    SPAN = "span"

    schema_name: str
    """The name under which the API knows the type."""

    def __init__(self, value: str) -> None:
        self.schema_name = f"{SCHEMA_PREFIX}:{value}"


AGENT, LLM, TOOL, CHAIN = SpanType.AGENT, SpanType.LLM, SpanType.TOOL, SpanType.CHAIN
RETRIEVER, EMBEDDING, RERANKER = SpanType.RETRIEVER, SpanType.EMBEDDING, SpanType.RERANKER
GUARDRAIL, EVALUATOR, HANDOFF = SpanType.GUARDRAIL, SpanType.EVALUATOR, SpanType.HANDOFF
APPROVAL = SpanType.APPROVAL
SPAN = SpanType.SPAN
CALLS: Final = frozenset({LLM, EMBEDDING})
"""Single calls, of which the tokens count."""
TOTALS: Final = frozenset({AGENT, CHAIN})
"""What these tell is the sum of what the calls under them took; others repeat it."""


@dataclass(frozen=True, slots=True)
class Below:
    """What lies under a span, as far as it tells what the span is."""

    calls: bool = False
    """Whether a model call lies somewhere under it."""
    agent: str | None = None
    """The name of its only child, if that is an agent."""
    agents: bool = False
    """Whether an agent lies somewhere under it."""
    counted: bool = False
    """Whether anything under it has counted its tokens."""


NOTHING: Final = Below()


Words = tuple[tuple[frozenset[str], SpanType], ...]


def _words(*table: tuple[str, SpanType]) -> Words:
    return tuple((frozenset(words.split()), span_type) for words, span_type in table)


KIND_WORDS: Final = _words(
    ("handoff", HANDOFF),
    ("guardrail guard", GUARDRAIL),
    ("step workflow turn cycle loop graph pipeline task plan chain session swarm crew flow", CHAIN),
    ("tool function", TOOL),
    ("approval", APPROVAL),
    ("embedding embedder", EMBEDDING),
    ("rerank reranker reranking ranker", RERANKER),
    ("retriever retrieval retrieve search", RETRIEVER),
    ("evaluator evaluation evaluate eval", EVALUATOR),
    ("agent", AGENT),
    ("llm generation generator inference model chat completion", LLM),
    ("memory", CHAIN),
)
"""What kinds of steps are called, whichever vocabulary does; the first that is among the words of
a value is it: an agent's step is a step."""


OPERATION_WORDS: Final = _words(
    ("guardrail", GUARDRAIL),
    ("handoff", HANDOFF),
    ("step workflow graph swarm cycle turn plan planning", CHAIN),
    ("memory", CHAIN),
    ("evaluate evaluation eval", EVALUATOR),
    ("realtime inference", LLM),
)
"""The same of an operation, of which most are known by their whole name."""


class ByValue(NamedTuple):
    """The value of one attribute says the type: by a table, else by its words."""

    trust: float
    name: str
    types: Mapping[str, SpanType] = {}
    words: Words = KIND_WORDS
    other: SpanType | None = None
    """The type where neither knows the value."""
    is_class: bool = False
    """Of a class's name, the last word says what it is."""

    def decides(self, attributes: Attributes, span_name: str) -> object:
        """What of the span the type follows from."""
        return attributes[self.name]

    def type_of(self, decisive: object) -> SpanType | None:
        """The type that this value names."""
        if not isinstance(decisive, str) or not decisive:
            return None
        word = plain_word(decisive)
        spellings = (word, word.rpartition(".")[2], word.removeprefix("a"))  # acompletion: async
        found = next((self.types[each] for each in spellings if each in self.types), None)
        if self.is_class and found is None:
            found = _by_words(" ".join(words_of(decisive)[-1:]), self.words)
        return found or _by_words(decisive, self.words) or self.other


class ByCheck(NamedTuple):
    """Something that is true of the values of these attributes says the type."""

    trust: float
    names: tuple[str, ...]
    check: Callable[..., bool]
    type: SpanType

    def decides(self, attributes: Attributes, span_name: str) -> object:
        """What of the span the type follows from."""
        return self.check(*[attributes[name] for name in self.names])

    def type_of(self, decisive: object) -> SpanType | None:
        """The type, if it is true."""
        return self.type if decisive else None


class BySpanName(NamedTuple):
    """The span's own name says the type, where an attribute's name begins so."""

    trust: float
    begin: str
    types: Mapping[str, SpanType]

    def decides(self, attributes: Attributes, span_name: str) -> object:
        """What of the span the type follows from."""
        return span_name if span_name in self.types else None

    def type_of(self, decisive: object) -> SpanType | None:
        """The type of a span of this name."""
        return self.types.get(decisive) if isinstance(decisive, str) else None


class ByNames(NamedTuple):
    """The names of the attributes say the type: all of these are there."""

    trust: float
    names: tuple[str, ...]
    type: SpanType


class ByEnding(NamedTuple):
    """The value of whichever attribute has such a name says the type by its words; where one is
    given, that it is there at all."""

    trust: float
    names: "Names"
    type: SpanType | None = None

    def rule_for(self, name: str) -> "ByValue | ByNames":
        """The rule for an attribute of such a name."""
        if self.type is not None:
            return ByNames(self.trust, (name,), self.type)
        return ByValue(self.trust, name)


class Names(Protocol):
    """Some names of attributes."""

    def has(self, name: str) -> bool:
        """Whether this is one of them."""
        ...


TypeRule = ByValue | ByCheck | BySpanName | ByNames
"""``trust`` orders those of all vocabularies: the lowest that knows a span decides."""

ROLE, KIND, OPERATION, STEP, FIELDS, EVIDENCE = range(6)
"""How far a rule is to be trusted: OpenInference's kind of span and its like; what an SDK says
where operations are too coarse; the operation of the GenAI conventions; the kind of a step by
whichever other vocabulary; the fields that it has; what it carries, without any word for a role."""


def plain_word(value: str) -> str:
    """A value as the tables have it: without regard to case, quotes and what parts its words."""
    return value.strip('" ').lower().replace("-", "_").replace(" ", "_")


def _by_words(value: str, table: Words) -> SpanType | None:
    words = set(words_of(value))
    return next((found for known, found in table if not words.isdisjoint(known)), None)
