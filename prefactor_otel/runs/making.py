"""What each run of a process is made of: an identity, and a tree for its spans."""

import hashlib
import secrets
import time
from typing import Final

from prefactor_otel.delivery.budget import Budget
from prefactor_otel.runs.agenda import Agenda
from prefactor_otel.runs.router import OpenRun
from prefactor_otel.runs.run import About, Run
from prefactor_otel.runs.tenant import Tenant
from prefactor_otel.runs.tree import SpanTree

REQUEST_OVERHEAD: Final = 4096
"""Bytes that a request takes besides one item's body."""


class RunMaker:
    """Makes the runs of one tenant. Their trees share its settings, and one budget."""

    def __init__(
        self,
        tenant: Tenant,
        run: Run,
        budget: Budget,
        agenda: Agenda,
    ) -> None:
        self.run = run
        """The run of the process, where there is one."""
        self._tenant = tenant
        self._budget = budget
        self._agenda = agenda
        self._make_tree = self._new_tree  # one method for all runs

    def new_run(self, about: About, handle: str | None) -> OpenRun:
        """The run of the process, where all spans go there; else one with a key of its own."""
        key = self.run.key
        if handle is not None:  # of this process: a forked child has a run of its own for it
            key = hashlib.blake2b(f"{key}{handle}".encode(), digest_size=16).hexdigest()
        elif self._tenant.config.run_scope != "provider":
            key = secrets.token_hex(16)
        run = self.run if key == self.run.key else Run(key)
        now = time.monotonic()
        opened = OpenRun(run, self._tenant, self._make_tree, about, opened=now, touched=now)
        self._agenda.changed[opened] = None
        return opened

    def _new_tree(self, run: str) -> SpanTree:
        tenant, config = self._tenant, self._tenant.config
        return SpanTree(
            run=run,
            capture=tenant.capture,
            max_item_bytes=max(
                config.max_request_bytes - REQUEST_OVERHEAD, config.max_request_bytes // 2
            ),
            parent_timeout=config.parent_timeout,
            notes_parked=tenant.spools,
            span_filter=tenant.span_filter,
            types=tenant.types,
            budget=self._budget,
        )
