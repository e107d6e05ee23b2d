"""Whose spans a file of the spool holds, and whether a process may send them."""

import hashlib
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from prefactor_otel.config.token import TokenSource
from prefactor_otel.delivery.rows import Owner

_ROUNDS: Final = 10_000
"""Of the hash of a token: a few milliseconds for one, too long to try many."""
_TOKENS: Final = 8
"""Tokens of this process that are remembered, where they change."""


def digest(address: str, token: str, salt: bytes) -> bytes:
    """What a file keeps of a token."""
    return hashlib.pbkdf2_hmac("sha256", token.encode(), salt + address.encode(), _ROUNDS)


class Identity:
    """Who this process is to the API: the address, the tokens it has used, and its agents, as
    the settings name them or the API does. ``repr`` shows none of it."""

    def __init__(self, address: str, token: str | TokenSource, agent_id: str | None) -> None:
        self.address = address
        self.agents: set[str] = {agent_id} if agent_id is not None else set()
        self._tokens: deque[str] = deque(maxlen=_TOKENS)
        self.changes = 0
        """How often something was learnt."""
        self.token = self._remembering(token) if callable(token) else token
        """The same token, or a function that remembers what the given one says."""
        if isinstance(token, str):
            self._remember(token)

    def _remembering(self, source: TokenSource) -> Callable[[], str]:
        def told() -> str:
            token = source()
            if isinstance(token, str):
                self._remember(token.strip())
            return token

        return told

    def _remember(self, token: str) -> None:
        if token not in self._tokens:
            self._tokens.append(token)
            self.changes += 1

    def serves(self, agent: str) -> None:
        """The API says that the process's runs belong to this agent."""
        if agent not in self.agents:
            self.agents.add(agent)
            self.changes += 1

    @property
    def is_known(self) -> bool:
        """Whether the API knows this process: what it does not own then belongs to another."""
        return bool(self.agents and self._tokens)

    def hashes(self, salt: bytes) -> Iterable[bytes]:
        """What a file with this salt keeps of the tokens."""
        return [digest(self.address, token, salt) for token in tuple(self._tokens)]

    def owns(self, owner: Owner | None) -> bool:
        """Whether spans of this owner may be sent by this process: those for the same API, of the
        same token or, where that was renewed, of the same agent."""
        if owner is None or owner.address != self.address:
            return False
        if not self.agents.isdisjoint(owner.agents):
            return True
        return not owner.tokens.isdisjoint(self.hashes(owner.salt))
