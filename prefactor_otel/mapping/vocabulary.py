"""What the rules of all vocabularies together say of the name of an attribute."""

from functools import lru_cache
from typing import Final

from prefactor_otel.mapping.dialects import DIALECTS
from prefactor_otel.mapping.rules import Ending, Rule, Slot
from prefactor_otel.privacy.content import Side, side_of


def _rules_by_slot() -> dict[Slot, list[tuple[str, Rule]]]:
    found: dict[Slot, list[tuple[str, Rule]]] = {}
    for dialect in DIALECTS:
        name = dialect.__name__.rpartition(".")[2]
        for rule in dialect.RULES:
            found.setdefault(rule.slot, []).append((name, rule))
    return found


RULES_OF: Final = _rules_by_slot()
"""The rules that fill a slot, with the names of their vocabularies, trusted most first."""
TYPES: Final = tuple(rule for dialect in DIALECTS for rule in dialect.TYPES)
"""The rules that say the type of a span."""
_RULES: Final = tuple(rule for rules in RULES_OF.values() for _, rule in rules)
CONDITIONS: Final = tuple(dict.fromkeys(rule.when[0] for rule in _RULES if rule.when is not None))
"""Attributes whose values decide how others are read."""
_CONTENT: Final = tuple(rule for rule in _RULES if rule.side)
_KNOWING: Final = tuple(rule for rule in _RULES if not isinstance(rule.names, Ending))
_MODELS: Final = tuple(
    rule for slot in ("requested", "answering") for _, rule in RULES_OF[slot] if not rule.partly
)


@lru_cache(maxsize=4096)
def side_in_rules(name: str) -> Side:
    """Whose content an attribute of this name holds: by the rules that know it, else by its
    words."""
    known = [rule for rule in _KNOWING if rule.has(name)]
    side = Side.NONE
    for rule in known:
        side |= rule.side
    is_named = any(isinstance(rule.names, tuple) for rule in known)
    return side if side or is_named else side_of(name)


@lru_cache(maxsize=4096)
def names_a_model(name: str) -> bool:
    """Whether an attribute of this name holds a model's and nothing else."""
    return any(rule.has(name) for rule in _MODELS)


@lru_cache(maxsize=4096)
def holds_content(name: str) -> bool:
    """Whether a rule reads an attribute of this name as what was said."""
    return any(rule.has(name) for rule in _CONTENT)
