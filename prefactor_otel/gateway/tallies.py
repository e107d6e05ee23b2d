"""What has become of the spans of each tenant of an account, for metrics and log lines: of so many
tenants as these can tell apart, and of all others together."""

from collections import Counter
from collections.abc import Mapping
from typing import Final, Literal, get_args

Fate = Literal["accepted", "rejected", "refused"]
"""Spans are handed over, cannot be taken, or find no room."""

MOST_TOLD: Final = 100
"""Tenants of an account that are told apart."""
OTHERS: Final = "(others)"
"""What the rest of them is called."""
_LONGEST: Final = 64
"""Characters of a name that are told."""


class Tallies:
    """The spans of one account, by what its tenants are told as."""

    def __init__(self) -> None:
        self.of: dict[Fate, Counter[str]] = {fate: Counter() for fate in get_args(Fate)}
        self._told: set[str] = set()

    def name_of(self, tenant: str) -> str:
        """What a tenant is told as."""
        name = "".join(each if each.isprintable() else "?" for each in tenant[:_LONGEST])
        if name in self._told or len(self._told) == MOST_TOLD:
            return name if name in self._told else OTHERS
        self._told.add(name)
        return name

    def note(self, fate: Fate, counts: Mapping[str, int]) -> None:
        """This has become of so many spans of each."""
        for tenant, count in counts.items():
            self.of[fate][self.name_of(tenant)] += count
