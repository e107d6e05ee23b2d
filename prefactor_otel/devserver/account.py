"""The one account that the server holds, with the agent and environment that a token stands for."""

import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from prefactor_otel import clock
from prefactor_otel.devserver.declared import SpanType
from prefactor_otel.devserver.form import timestamp
from prefactor_otel.devserver.store import Row, Store
from prefactor_otel_transport import pfid

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


UNNAMED: Final = "Local agent"
"""The default agent's name until a run reports one."""

OnRun = Callable[[str, str, str], None]
"""Called for each run that is registered, with its id, what it calls its agent, and its purpose."""


class Ids:
    """Makes PFIDs that sort in the order of their making, also within one millisecond."""

    def __init__(self, partition: int) -> None:
        self.partition = partition
        self._last = (0, 0)

    def new(self) -> str:
        now = clock.now_ns() // 1_000_000
        last_ms, last_random = self._last
        if now > last_ms:
            # The upper half stays free, so that counting up never runs out of bits.
            self._last = (now, secrets.randbits(79))
        else:
            self._last = (last_ms, last_random + 1)
        return pfid.encode(self._last[0], self.partition, self._last[1])


def now() -> str:
    """This moment, as it is stored and shown."""
    return timestamp(_EPOCH + timedelta(microseconds=clock.now_ns() // 1000))


class Account:
    """The store, and what its first start put there. ``client_ids`` says whether spans may
    bring their own ids, ``lenient_cancel`` whether what has begun may be cancelled."""

    def __init__(
        self, store: Store, *, client_ids: bool = True, lenient_cancel: bool = False
    ) -> None:
        self.store = store
        self.client_ids = client_ids
        self.lenient_cancel = lenient_cancel
        self.page: Callable[[], str | None] = lambda: None
        """Where the page is served, if it is."""
        self.on_run: OnRun = lambda run, agent, purpose: None
        self.on_change: Callable[[], None] = lambda: None
        """Called after each operation that may have changed something, on the thread that did."""
        self.span_types: dict[str, Mapping[str, SpanType]] = {}
        """The declared types by schema version, which never changes once made."""
        with store.transaction():
            row = store.find("account") or self._create()
        self.id: str = row["id"]
        self.agent_id: str = row["agent_id"]
        self.environment_id: str = row["environment_id"]
        self.ids = Ids(pfid.partition_of(self.id))

    def token(self) -> str:
        """The token that was made for this file; it stays the same, and nobody else's to read."""
        with self.store.transaction():
            self.store.close_to_others()
            kept: str | None = self.store.value("account", self.id, "token")
            token = kept or f"pf_dev_{secrets.token_urlsafe(24)}"
            if kept is None:
                self.store.update("account", self.id, {"token": token})
        return token

    @property
    def partition(self) -> int:
        return self.ids.partition

    def _create(self) -> Row:
        ids = Ids(secrets.randbelow(pfid.MAX_PARTITION) + 1)
        moment = now()
        row: Row = {"id": ids.new(), "name": "Local", "agent_id": ids.new()}
        row |= {"environment_id": ids.new(), "inserted_at": moment, "updated_at": moment}
        self.store.insert("account", row)
        agent = {"id": row["agent_id"], "name": UNNAMED}
        self.store.insert("agent", agent | {"inserted_at": moment, "updated_at": moment})
        self.store.insert("environment", {"id": row["environment_id"], "name": "development"})
        return row
