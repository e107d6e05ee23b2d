"""What stands below the inbox, put together: from the spans of a process to the API."""

import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from prefactor_otel.config.options import Config
from prefactor_otel.delivery.budget import Budget
from prefactor_otel.delivery.operation import Registered
from prefactor_otel.delivery.outbox import Outbox
from prefactor_otel.delivery.sender import Sender
from prefactor_otel.pipeline.inbox import Inbox
from prefactor_otel.pipeline.snapshot import Snapshot
from prefactor_otel.pipeline.stops import Stops
from prefactor_otel.runs.intake import Intake
from prefactor_otel.runs.run import Run
from prefactor_otel.runs.tenants import Tenants
from prefactor_otel.spool.identity import Identity
from prefactor_otel.stats.counters import Counters, DropReason, Stats
from prefactor_otel.stats.log import QuietLog

if TYPE_CHECKING:
    from prefactor_otel.spool.spool import Spool

_FULL_DISK: Final = 0.9
"""Of ``spool_max_bytes``: with more on disk, who can wait with his spans is to do so."""


class Parts:
    """What one thread works with. Others may call the methods, and read of ``outbox`` and
    ``intake`` what says so."""

    def __init__(self, config: Config, inbox: Inbox) -> None:
        assert config.api_token is not None
        self.config = config
        self.inbox = inbox
        self.is_over = threading.Event()
        """Set when all the work is done, or given up."""
        self.counters = Counters(lambda: inbox.handed_over)
        self.log = QuietLog(whose=inbox.reader.whose.name)
        self.budget = Budget(config.max_queue_size, config.max_queue_bytes)
        self.outbox = Outbox(
            self.budget,
            self.counters,
            self.log,
            config.max_batch_size,
            config.max_request_bytes,
        )
        reader = inbox.reader
        self.tenants = Tenants(
            config,
            self.log,
            reader.resource,
            described_later=reader.described_later,
            serves_others=reader.serves_others,
        )
        self.intake = Intake(self.tenants, Run(), self.outbox, self.budget, self.counters, self.log)
        self.stops = Stops(config, inbox, self.intake.lives, self.log, self.instance_of)
        identity = Identity(config.api_url, config.api_token, config.agent_id)
        self.sender = Sender(
            self.outbox,
            self.counters,
            self.log,
            max_batch_size=config.max_batch_size,
            max_request_bytes=config.max_request_bytes,
            token=identity.token,
            probe_interval=config.probe_interval,
            terminated=self.stops.on_terminated,
            ended=self.stops.on_shut,
            names_runs=config.run_propagation,
            token_from=reader.whose.token,
        )
        self.spool = self._new_spool(identity)

    def _new_spool(self, identity: Identity) -> "Spool | None":
        config = self.config
        if config.spool_dir is None:
            return None
        from prefactor_otel.spool.heir import NOBODY, Heir
        from prefactor_otel.spool.spool import Spool  # with its database, which few need

        goes_on = self.inbox.reader.serves_others
        return Spool(
            config.spool_dir,
            identity,
            self.outbox,
            self.sender.runs,
            self.counters,
            self.log,
            max_bytes=config.spool_max_bytes,
            max_age=config.spool_max_age,
            heir=Heir(self.intake.lives, config.run_linger / 2, self.intake.inheritance)
            if goes_on
            else NOBODY,
        )

    def registered(self, run: str) -> Registered | None:
        """What the API calls the run of this key; None until it has registered it."""
        record = self.sender.runs.get(run)
        return Registered(record.instance_id, record.url) if record is not None else None

    def instance_of(self, run: str) -> str | None:
        """The agent instance's id of the run of this key; None until the API has registered it."""
        found = self.registered(run)
        return found.id if found is not None else None

    def warn_of(self, reason: DropReason, spans: int) -> None:
        """Say in the log that so many spans are lost."""
        self.log.warn(reason.value, f"Spans dropped ({reason.value}): {spans}")

    @property
    def has_nothing_to_send(self) -> bool:
        """Whether all that has ended is settled, runs included."""
        held = self.intake.held_spans
        settled = self.counters.waiting == held and not len(self.outbox)
        return settled and not self.intake.lives.has_any_to_close

    @property
    def has_room(self) -> bool:
        """Whether more may come before anything has to be given up, on disk where there is one."""
        return self.filled < 1

    @property
    def filled(self) -> float:
        """How much of the room for what waits is taken, from 0 to 1, or more; of that in memory
        only whether any is left."""
        if not self.outbox.is_durable:
            return 0.0 if self.outbox.has_room else 1.0
        waiting = self.outbox.size + self.budget.parked.bytes
        return waiting / (_FULL_DISK * self.config.spool_max_bytes)

    def snapshot(self) -> Snapshot:
        """What other threads may read, as it is now."""
        sender, lives = self.sender, self.intake.lives
        run = lives.process_key
        return Snapshot(
            at=time.monotonic(),
            failing=sender.failing,
            paused=sender.paused,
            sending_since=sender.sending_since,
            run_id=self.instance_of(run),
            is_refused=sender.has_refused(run),
            is_terminated=self.stops.terminated.is_set(),
            waits_for_spans=(
                self.config.run_scope != "provider" or lives.has_left or not lives.is_process_sent
            ),
            is_closed=self.is_over.is_set(),
        )

    @property
    def refused_agents(self) -> Mapping[str, str]:
        """Ids of agents of which Prefactor has lately refused to register a run, and why."""
        return self.sender.refused_agents

    def stats(self) -> Stats:
        """All counters, at one instant."""
        outbox, parked, lives = self.outbox, self.budget.parked, self.intake.lives
        now = self.snapshot()
        return self.counters.snapshot(
            items=len(outbox) + parked.items,
            size=outbox.size + parked.bytes,
            held=self.budget.bytes,
            spooling=outbox.is_durable,
            orphaned=lives.orphaned + outbox.orphaned,
            runs=lives.open,
            idle_runs=lives.idle_runs,
            run_id=now.run_id,
            state=now.state,
        )
