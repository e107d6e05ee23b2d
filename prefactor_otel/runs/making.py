"""What each run of a process is made of: an identity, and a tree for its spans."""

import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import Final

from prefactor_otel.delivery.budget import Budget
from prefactor_otel.delivery.continuing import continuing_key
from prefactor_otel.delivery.operation import SpanRef, key_like, name_of, new_key
from prefactor_otel.runs.agenda import Agenda
from prefactor_otel.runs.inheritance import Inheritance
from prefactor_otel.runs.keeping import NOTHING, Held, is_sampled
from prefactor_otel.runs.router import NOTHING_GONE, OpenRun
from prefactor_otel.runs.run import NOTHING_SAID, About, Run, shared_key, shared_name
from prefactor_otel.runs.tenant import Tenant
from prefactor_otel.runs.tenants import Tenants
from prefactor_otel.runs.tree import SpanTree
from prefactor_otel.spans.source import Telling
from prefactor_otel.spans.view import SpanKey

REQUEST_OVERHEAD: Final = 4096
"""Bytes that a request takes besides one item's body."""

MAX_ENDED: Final = 10_000
"""Runs that are over for good, and of which late spans begin another, at most."""

MAX_GONE: Final = 8_192
"""Spans of runs that are closed, under which late ones may come, at most."""


class RunMaker:
    """Makes the runs of a process, each of one of its tenants. Their trees share one budget."""

    def __init__(
        self,
        tenants: Tenants,
        run: Run,
        budget: Budget,
        agenda: Agenda,
        inheritance: Inheritance,
    ) -> None:
        self.run = run
        """The run of the process, where there is one."""
        self._tenants = tenants
        self._budget = budget
        self._agenda = agenda
        self._inheritance = inheritance
        self._make_tree = self._new_tree  # one method for all runs
        self._ended: OrderedDict[str, int] = OrderedDict()
        """How many runs of the same origin are over for good, by that."""
        self._gone: OrderedDict[str, tuple[str, Mapping[SpanKey, SpanRef]]] = OrderedDict()
        """The key of the latest run of a trace or session, where it was closed, and the spans that
        went with it."""
        self._gone_spans = 0

    @property
    def may_be_called(self) -> bool:
        """Whether runs of other processes may go on in this one."""
        return self._tenants.own.config.run_propagation

    def may_send(self, name: str) -> bool:
        """Whether a run of this name that is not known yet may be sent. From any thread."""
        config = self._tenants.own.config
        return config.keep != "all" or is_sampled(config, name)

    def of_process(self, tenant: Tenant) -> OpenRun:
        """The run of the process, where all spans of a tenant go there."""
        run = self._open(tenant, self.run if tenant is self._tenants.own else Run())
        run.lasts = True
        _decide(run, run.run.key)
        return run

    def of_handle(self, about: About, handle: str) -> OpenRun:
        """An explicit run."""
        run = self._open(self._tenants.of(about.agent), Run(self.key_of_handle(handle)), about)
        _decide(run, run.run.key)
        return run

    def key_of_handle(self, handle: str) -> str:
        """The key of an explicit run. From any thread."""
        # of this process: a forked child has a run of its own for it
        return key_like(handle, self.run.key)

    def of_caller(self, tenant: Tenant, instance_id: str) -> OpenRun:
        """The part that this process has in a run of another."""
        run = self._open(tenant, Run(self.key_of_caller(instance_id)))
        run.continues = run.origin = instance_id
        return run

    def key_of_caller(self, instance_id: str) -> str:
        """The key of that part. Each is another one: what comes after the end of one begins the
        next. From any thread."""
        return continuing_key(instance_id, self.run.key, str(self._ended.get(instance_id, 0)))

    def of_spans(self, tenant: Tenant, first: Telling, what: str, key: str | None) -> OpenRun:
        """The run of a trace or session, by what it is of, which also decides whether it is kept.
        With a key of its own, unless others may have a part in it: then it is of the name that it
        has for them."""
        run = self._of_spans(tenant, first, what, key)
        key_before, run.gone = self._gone.get(what, ("", NOTHING_GONE))
        run.what, run.reopens = what, name_of(key_before) == name_of(run.run.key)
        _decide(run, what)
        return run

    def _of_spans(self, tenant: Tenant, first: Telling, what: str, key: str | None) -> OpenRun:
        if not tenant.serves_others:
            return self._open(tenant, Run(key or new_key()))
        origin = shared_name(*tenant.identity, what)
        before = self._ended.get(origin, 0)
        name = shared_name(origin, str(before)) if before else origin
        run = self._open(tenant, Run(shared_key(name), min(first.start_ns, time.time_ns())))
        run.origin, run.resource = origin, first.resource
        return run

    def note_closed(self, run: OpenRun) -> None:
        """Nothing more comes of a run."""
        run.tenant.open_runs -= 1
        if run.continues is not None:
            self.note_ended(run)
        if run.what is not None and run.has_spans and not run.tree.parking.knows_starts:
            self._note_gone(run.what, run.run.key, {**run.gone, **run.tree.sent()})

    def _note_gone(self, what: str, key: str, spans: Mapping[SpanKey, SpanRef]) -> None:
        """These went with the run of a trace or session: what comes late under one of them need
        not wait for it."""
        _, before = self._gone.pop(what, ("", NOTHING_GONE))
        self._gone_spans += len(spans) - len(before)
        self._gone[what] = key, spans
        while self._gone_spans > MAX_GONE:
            _, (_, oldest) = self._gone.popitem(last=False)
            self._gone_spans -= len(oldest)

    def note_ended(self, run: OpenRun) -> None:
        """A run is over for good: what comes late of it begins another, unless somebody has stopped
        it. Of one that has a name this is not said at its end: what comes after that may have come
        before as well, so it is sent where it would have been sent, and only what the platform does
        not have of it goes on in the run that follows."""
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
        tree = SpanTree(
            run=run.run.key,
            capture=tenant.capture,
            max_item_bytes=max(
                config.max_request_bytes - REQUEST_OVERHEAD, config.max_request_bytes // 2
            ),
            parent_timeout=config.parent_timeout,
            notes_parked=tenant.spools and run.held is None,
            span_filter=NOTHING if run.is_left_out else tenant.span_filter,
            types=tenant.types,
            continues=run.continues,
            gone=run.gone,
            reopens=run.reopens,
            serves_others=tenant.serves_others,
            budget=self._budget,
        )
        if tree.notes_parked and not run.is_left_out:  # else it would not be on disk here
            tree.inherit(self._inheritance.take(run.run.key), time.monotonic())
        return tree


def _decide(run: OpenRun, name: str) -> None:
    """Whether a run that has begun is kept, or only its end will tell."""
    config = run.tenant.config
    if is_sampled(config, name):
        return
    if config.keep == "errors":
        run.held = Held(config.keep_slower_than)
    else:
        run.is_left_out = True
