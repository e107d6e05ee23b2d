"""What each run of a process is made of: an identity, and a tree for its spans."""

import hashlib
import secrets
import time
from collections import OrderedDict
from typing import Final

from prefactor_otel.delivery.budget import Budget
from prefactor_otel.runs.agenda import Agenda
from prefactor_otel.runs.router import OpenRun
from prefactor_otel.runs.run import NOTHING_SAID, About, Run, shared_key, shared_name
from prefactor_otel.runs.tenant import Tenant
from prefactor_otel.runs.tenants import Tenants
from prefactor_otel.runs.tree import SpanTree
from prefactor_otel.spans.source import Telling

REQUEST_OVERHEAD: Final = 4096
"""Bytes that a request takes besides one item's body."""

MAX_ENDED: Final = 10_000
"""Runs that have a name and are over, and of which late spans begin the next, at most."""


class RunMaker:
    """Makes the runs of a process, each of one of its tenants. Their trees share one budget."""

    def __init__(
        self,
        tenants: Tenants,
        run: Run,
        budget: Budget,
        agenda: Agenda,
    ) -> None:
        self.run = run
        """The run of the process, where there is one."""
        self._tenants = tenants
        self._budget = budget
        self._agenda = agenda
        self._make_tree = self._new_tree  # one method for all runs
        self._ended: OrderedDict[str, int] = OrderedDict()
        """How many runs of the same origin have ended, by that."""

    def of_process(self, tenant: Tenant) -> OpenRun:
        """The run of the process, where all spans of a tenant go there."""
        run = self._open(tenant, self.run if tenant is self._tenants.own else Run())
        run.lasts = True
        return run

    def of_handle(self, about: About, handle: str) -> OpenRun:
        """An explicit run."""
        # of this process: a forked child has a run of its own for it
        named = f"{self.run.key}{handle}".encode()
        key = hashlib.blake2b(named, digest_size=16).hexdigest()
        return self._open(self._tenants.of(about.agent), Run(key), about)

    def of_spans(self, tenant: Tenant, first: Telling, what: str) -> OpenRun:
        """The run of a trace or session, by what it is of. With a key of its own, unless others may
        have a part in it: then it is of the name that it has for them."""
        if not tenant.serves_others:
            return self._open(tenant, Run(secrets.token_hex(16)))
        origin = shared_name(*tenant.identity, what)
        before = self._ended.get(origin, 0)
        name = shared_name(origin, str(before)) if before else origin
        run = self._open(tenant, Run(shared_key(name), min(first.start_ns, time.time_ns())))
        run.origin, run.resource = origin, first.resource
        return run

    def note_closed(self, run: OpenRun) -> None:
        """Nothing more comes of a run."""
        run.tenant.open_runs -= 1
        self.note_ended(run)

    def note_ended(self, run: OpenRun) -> None:
        """A run is over: what comes late of it begins another, unless somebody has stopped it."""
        if run.origin is None or run.terminated is not None:
            return
        self._ended[run.origin] = self._ended.pop(run.origin, 0) + 1
        if len(self._ended) > MAX_ENDED:
            self._ended.popitem(last=False)

    def _open(self, tenant: Tenant, run: Run, about: About = NOTHING_SAID) -> OpenRun:
        now = time.monotonic()
        opened = OpenRun(run, tenant, self._make_tree, about, opened=now, touched=now)
        tenant.open_runs += 1
        self._agenda.changed[opened] = None
        return opened

    def _new_tree(self, run: OpenRun) -> SpanTree:
        tenant, config = run.tenant, run.tenant.config
        return SpanTree(
            run=run.run.key,
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
