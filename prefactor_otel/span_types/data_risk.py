"""What each span type may do and which data it holds, as its declaration tells the platform.

The words are the API's. What is not said is ``unknown`` there.
"""

from collections.abc import Mapping
from typing import Final

Risk = Mapping[str, Mapping[str, str]]
"""``action_profile``, ``params_data_categories`` and ``result_data_categories``: word to word."""

EVERY: Final = "*"
"""Stands for every span type."""

ACTIONS: Final = (
    *("create_data", "read_data", "update_data", "destroy_data"),
    *("financial_transactions", "external_communication"),
)
CATEGORIES: Final = (
    *("personal_identifiers", "contact_information", "financial_information"),
    *("health_and_medical", "criminal_justice", "authentication_and_secrets"),
    *("organisational_confidential", "minors_data", "location_and_tracking"),
    *("behavioural_and_inferred", "gdpr_racial_or_ethnic_origin", "gdpr_political_opinions"),
    *("gdpr_religious_or_philosophical_beliefs", "gdpr_trade_union_membership"),
    *("gdpr_genetic_data", "gdpr_biometric_for_identification"),
    "gdpr_sex_life_or_sexual_orientation",
)
GRANTS: Final = ("unknown", "allowed", "disallowed")
PRESENCE: Final = ("unknown", "included", "excluded")
CLASSES: Final = ("unknown", "public", "internal", "confidential", "restricted", "secret")

_PARAMS: Final = "params_data_categories"
_RESULT: Final = "result_data_categories"
_BOTH: Final = "data_categories"
"""Ours: the same for what goes in and what comes out."""

_CATEGORY_WORDS: Final = {**dict.fromkeys(CATEGORIES, PRESENCE), "classification": CLASSES}
_WORDS: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "action_profile": dict.fromkeys(ACTIONS, GRANTS),
    **dict.fromkeys((_PARAMS, _RESULT, _BOTH), _CATEGORY_WORDS),
}

_CHANGES_NOTHING: Final = {
    "create_data": "disallowed",
    "update_data": "disallowed",
    "destroy_data": "disallowed",
    "financial_transactions": "disallowed",
}
_ASKS_A_MODEL: Final = {"action_profile": {**_CHANGES_NOTHING, "external_communication": "allowed"}}

DEFAULTS: Final[dict[str, Risk]] = {
    "agent": {},
    "llm": _ASKS_A_MODEL,
    # What a tool does, only who wrote it can say.
    "tool": {},
    "chain": {},
    "retriever": {"action_profile": {**_CHANGES_NOTHING, "read_data": "allowed"}},
    "embedding": _ASKS_A_MODEL,
    "reranker": _ASKS_A_MODEL,
    "guardrail": {},
    "evaluator": {},
    "handoff": {},
    "approval": {},
    "span": {},
}
"""By span type. A call of a model sends what it is given to whoever runs the model, and changes
nothing itself: what it asks for is done by tools. A retriever reads."""


def risk_of(span_type: str, declared: Mapping[str, Risk], *own: Risk) -> dict[str, dict[str, str]]:
    """The ``data_risk`` of a span type: the defaults, then what is declared for every type, then
    what is for this one, then its own; the later word wins. One of the application's is ``""``."""
    made: dict[str, dict[str, str]] = {"action_profile": {}, _PARAMS: {}, _RESULT: {}}
    defaults = DEFAULTS.get(span_type, {})
    for said in (defaults, declared.get(EVERY, {}), declared.get(span_type, {}), *own):
        for part in (_PARAMS, _RESULT):
            made[part] |= {**said.get(_BOTH, {}), **said.get(part, {})}
        made["action_profile"] |= said.get("action_profile", {})
    return made


def checked(given: object) -> dict[str, Risk]:
    """The declaration by span type. Raises ``ValueError`` naming the first word that is none."""
    if not isinstance(given, Mapping):
        raise ValueError("must be an object with a member for each span type")
    for name in given:
        _check(name, (EVERY, *DEFAULTS), "a span type")
    return {str(name): checked_risk(str(name), said) for name, said in given.items()}


def checked_risk(name: str, said: object) -> Risk:
    """What is declared for one type, which errors call ``name``. Raises ``ValueError``."""
    if not isinstance(said, Mapping):
        raise ValueError(f"must hold an object for {name}")
    for part, words in said.items():
        _check(part, tuple(_WORDS), f"a part of {name}")
        if not isinstance(words, Mapping):
            raise ValueError(f"must hold an object for {name}.{part}")
        for word, value in words.items():
            _check(word, tuple(_WORDS[part]), f"a name in {name}.{part}")
            _check(value, _WORDS[part][word], f"a value of {name}.{part}.{word}")
    return {part: dict(words) for part, words in said.items()}


def _check(word: object, known: tuple[str, ...], what: str) -> None:
    if word not in known:
        raise ValueError(f"{word!r} is not {what}; there are {', '.join(known)}")
