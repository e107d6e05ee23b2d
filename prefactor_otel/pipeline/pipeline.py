"""What every door leads to: a worker of its own in each process, also after a fork."""

import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final

from opentelemetry.context import Context
from opentelemetry.metrics import MeterProvider

from prefactor_otel.config.options import Config
from prefactor_otel.config.settings import differing, settings, settings_in_file
from prefactor_otel.config.token import TokenSource
from prefactor_otel.delivery.operation import FinishStatus, Registered
from prefactor_otel.delivery.receipt import Receipt
from prefactor_otel.host import exits, gevent_loop, program, sigterm
from prefactor_otel.host.termination import TerminatedRun
from prefactor_otel.living import Living
from prefactor_otel.pipeline import graphs
from prefactor_otel.pipeline.inbox import End
from prefactor_otel.pipeline.off import Off
from prefactor_otel.pipeline.place import caller_at, place_of, terminated_in
from prefactor_otel.pipeline.waiting import Waiting, flush
from prefactor_otel.pipeline.worker import Worker
from prefactor_otel.runs import explicit
from prefactor_otel.runs.caller import Caller
from prefactor_otel.runs.events import NOWHERE, AboutRun, Awaited, Foretold, Logged
from prefactor_otel.spans.source import Reader, Record, Source
from prefactor_otel.spans.view import Attributes
from prefactor_otel.stats import metrics
from prefactor_otel.stats.counters import Stats

_WHOSE: Final = ("api_url", "api_token", "agent_id", "environment_id", "agent_name")
"""The options that say where spans go, and as whose."""


class Pipeline:
    """Settings and the worker of the current process; a forked child gets its own on first use.
    What spans are, only the door's ``reader`` knows.

    Raises ``PrefactorConfigError`` for arguments that cannot be used, and with ``strict=True``
    for missing or unusable settings of any source; otherwise those are logged in one line, and
    everything handed over is counted as dropped. ``in_file`` has the options that stand in a file
    instead, of which none is an argument.
    """

    def __init__(
        self,
        reader: Reader[Any],
        api_url: str | None = None,
        api_token: str | TokenSource | None = None,
        *,
        meter_provider: MeterProvider | None = None,
        in_file: Mapping[str, object] | None = None,
        **options: object,
    ) -> None:
        self._reader = reader
        if in_file is None:
            self._config = config = settings(api_url, api_token, options)
        else:
            self._config = config = settings_in_file(in_file)
        self._meter_provider = meter_provider
        self._resource: Attributes | None = None
        self._sees_starts = False
        self._status: FinishStatus | None = None
        self.owners: Living[object] = Living()
        """The providers that are known to hand spans to this, as long as they live."""
        self._waiting = Waiting()
        self._locks: dict[int, threading.RLock] = {}
        self._generation = program.generation
        self._worker: Worker | Off = Off(reader) if config is None else Worker(config, reader)
        self._asks_where = config is not None and (
            config.run_scope == "session"
            or config.on_terminate == "cancel"
            or config.tenants is not None
            or config.run_propagation
        )
        """Whether it matters in which context and task spans start."""
        explicit.listeners.add(self)
        if config is not None and config.on_terminate == "raise":
            graphs.watch(self)
        if meter_provider is not None:
            metrics.observe(meter_provider, self)
        exits.watch(self)
        if config is not None:
            gevent_loop.warn_once()
            if config.handle_sigterm:
                sigterm.exit_on_sigterm()

    # -- what doors hand over -------------------------------------------------------------

    def started(self, span: object, where: Context | None) -> None:
        """A span has started in this context. Returns at once. Raises ``PrefactorTerminatedError``
        where the span's run was terminated and the agent is to be stopped by that."""
        worker = self._worker if self._generation == program.generation else self._current()
        place = NOWHERE
        if self._asks_where or explicit.is_used or worker.has_terminated:
            place = place_of(span, where, worker)
        inbox = worker.inbox
        waiting = len(inbox.entries)
        if waiting < inbox.limit:
            inbox.entries.append((span, time.monotonic(), place))
            if waiting >= inbox.wake_at:
                worker.wake()

    def ended(self, spans: Sequence[object], receipt: Receipt | None = None) -> bool:
        """Spans have ended. Returns at once. With a receipt they are taken at once, and it is
        settled when the API has answered for all of them; without, they wait for company. False
        when they are lost already."""
        worker = self._worker if self._generation == program.generation else self._current()
        inbox = worker.inbox
        waiting = len(inbox.entries)
        if waiting >= inbox.limit:
            return worker.refuse(spans, receipt)
        if receipt is not None:
            inbox.entries.extend((receipt, *spans, End.OF_RECEIPT))
            worker.wake(urgent=True)
            return True
        inbox.entries.extend(spans)
        if waiting + len(spans) > inbox.wake_at:
            worker.wake()
        return True

    def logged(self, record: Record) -> None:
        """A log record tells of a span what that does not carry. Returns at once."""
        worker = self._worker if self._generation == program.generation else self._current()
        inbox = worker.inbox
        waiting = len(inbox.entries)
        if waiting >= inbox.limit:
            worker.refuse_record()
            return
        inbox.entries.append(Logged(record))
        if waiting >= inbox.wake_at:
            worker.wake()

    def deliver(self, spans: Sequence[object]) -> bool:
        """Hand over ended spans and wait until the API has acknowledged them, as long as this
        thread may wait (see ``Waiting``) and at most ``export_timeout``; with a spool, until they
        are on disk in any case. False when any of them was refused or dropped, or is not known to
        be on disk."""
        worker = self._current()
        if isinstance(worker, Off):
            return worker.refuse(spans)
        return self._waiting.deliver(worker, spans, self.ended)

    def tell(self, event: AboutRun | Awaited | Foretold) -> None:
        """Something has become of a run. Returns at once."""
        self._current().tell(event)

    def bind(self, resource: Attributes) -> None:
        """Tell the pipeline the provider's resource, from which the agent's version is named."""
        self._resource = resource
        self._current().bind(resource)

    def see_starts(self) -> None:
        """For a door that is told of every span's start."""
        self._sees_starts = self._worker.inbox.sees_starts = True

    def set_run_status(self, status: FinishStatus) -> None:
        """How the run will be finished, whatever its spans say."""
        if status not in ("complete", "failed", "cancelled"):
            raise ValueError("a run is finished as complete, failed or cancelled")
        self._status = status

    # -- what is waited for ---------------------------------------------------------------

    def flush(self, timeout_millis: float) -> bool:
        """True when everything that ended before is acknowledged within the timeout, or on disk
        while the API does not answer. To be flushed is no use: a forked child begins no run."""
        worker = self._begun()
        if isinstance(worker, Off):
            return worker.has_lost_nothing
        return flush(worker, max(0.0, timeout_millis) / 1000)

    def begin_shutdown(self, timeout_millis: float | None = None) -> None:
        """Take nothing more, and deliver what waits; ``shutdown`` waits for that. Returns at once,
        where a thread does the work."""
        self._begun().begin_close(self._end_by(timeout_millis), self._status)

    def shutdown(self, timeout_millis: float | None = None) -> bool:
        """Deliver what waits, finish the run, end the thread; at most ``timeout_millis``, by
        default the option ``shutdown_timeout``. Whether everything was delivered."""
        return self._begun().close(self._end_by(timeout_millis), self._status)

    def _end_by(self, timeout_millis: float | None) -> float:
        seconds = self.shutdown_timeout if timeout_millis is None else timeout_millis / 1000
        # The processor's last exports have used some of the time.
        return time.monotonic() + seconds - self._waiting.lately

    def nobody_waits(self) -> AbstractContextManager[None]:
        """While inside, ``deliver`` only hands over, and who waits in it soon goes on: somebody
        else waits for the whole."""
        return self._waiting.for_all()

    # -- what is asked --------------------------------------------------------------------

    @property
    def run_id(self) -> str | None:
        """The agent instance's id; None until it is registered."""
        return self._current().run_id

    def registered(self, handle: str | None = None) -> Registered | None:
        """What the API calls an explicit run, or else that of the process; None until it has
        registered it."""
        return self._current().registered(handle)

    @property
    def terminated(self) -> threading.Event:
        """Set when the run of the process was terminated; never, where the pipeline is off."""
        return self._current().terminated

    def caller_at(self, where: Context | None) -> Caller | None:
        """What to tell another process that is called in this context, so that it goes on with the
        run; None without ``run_propagation``, and where the run cannot be named yet."""
        return caller_at(where, self._worker) if self._has_begun else None

    def terminated_in(self, where: Context | None) -> TerminatedRun | None:
        """The run that a span would belong to that started in this context, if it was
        terminated."""
        return terminated_in(where, self._current())

    def watch_graphs(self) -> None:
        """LangChain is in use: it matters from now on in which graph spans start."""
        self._asks_where = True

    def stopped_in(self, graph: Source | None) -> TerminatedRun | None:
        """The terminated run, if any, in which a graph of LangChain's is about to take a step: one
        with this span at its top."""
        if not self._has_begun or not self._worker.has_terminated:
            return None
        return terminated_in(None, self._worker, graph)

    @property
    def has_room(self) -> bool:
        """Whether spans can be handed over without any being given up for them."""
        worker = self._current()
        return not worker.is_closing and worker.has_room

    @property
    def filled(self) -> float:
        """How much of the room for what waits is taken, from 0 to 1, or more."""
        return self._current().filled

    @property
    def refused_agents(self) -> Mapping[str, str]:
        """Ids of agents of which Prefactor has lately refused to register a run, and why: spans of
        these are not to be handed over."""
        return self._current().refused_agents

    def revive(self) -> None:
        """See to it that somebody works, for those who wait for that. Returns at once."""
        self._current().wake(urgent=True)

    @property
    def is_closing(self) -> bool:
        """Whether nothing is sent any more of what is handed over: it is off, or its shutdown has
        begun."""
        return self._worker.is_closing

    def stats(self) -> Stats:
        """A snapshot of all counters."""
        return self._current().stats()

    def peek(self) -> Stats | None:
        """The counters; None in a forked child that has not used the pipeline: to be looked at
        is no use of it, and begins no run."""
        return self._worker.stats() if self._has_begun else None

    def sends_as(self, other: "Pipeline") -> bool:
        """Whether both send, to one address, with one token, as one agent."""
        if self._config is None or other._config is None or self.is_closing or other.is_closing:
            return False
        return all(getattr(self._config, n) == getattr(other._config, n) for n in _WHOSE)

    @property
    def config(self) -> Config | None:
        """The settings; None where there are none that can be used."""
        return self._config

    @property
    def propagates_runs(self) -> bool:
        """The option ``run_propagation``."""
        return self._config is not None and self._config.run_propagation

    @property
    def capacity(self) -> int:
        """Items that may wait for the API."""
        return self._config.max_queue_size if self._config is not None else 0

    @property
    def shutdown_timeout(self) -> float:
        """The option, in seconds."""
        return self._config.shutdown_timeout if self._config is not None else 0.0

    def differing(
        self,
        api_url: str | None = None,
        api_token: str | TokenSource | None = None,
        *,
        meter_provider: MeterProvider | None = None,
        **options: object,
    ) -> list[str]:
        """The names of those of these settings that are not in force. Raises
        ``PrefactorConfigError`` for what could not be, either."""
        names = differing(self._config, api_url, api_token, options)
        if meter_provider not in (None, self._meter_provider):
            names.append("meter_provider")
        return names

    # -- the current process --------------------------------------------------------------

    @property
    def _has_begun(self) -> bool:
        """Whether this process has a worker, or knows that it is to have none."""
        return self._generation == program.generation

    def _begun(self) -> Worker | Off:
        """This process's worker, which is not begun for this."""
        return self._worker if self._has_begun else Off(self._reader)

    def _current(self) -> Worker | Off:
        """This process's worker. In a forked child the inherited one is forgotten, with what
        waits in it: that is the parent's to send, and its counts are the parent's."""
        if not self._has_begun:
            # Not one for all: what a fork has inherited may be held for ever by a thread that does
            # not exist here. ``setdefault`` is atomic, and a handler may come amid the rest.
            with self._locks.setdefault(program.generation, threading.RLock()):
                if not self._has_begun:
                    self._begin_anew()
        return self._worker

    def _begin_anew(self) -> None:
        if self._config is None:
            self._worker = Off(self._reader)
        elif self._worker.is_closing:
            self._worker = Off(self._reader, "closed")
        else:
            self._worker = Worker(self._config, self._reader)
            self._worker.inbox.sees_starts = self._sees_starts
            if self._resource is not None:
                self._worker.bind(self._resource)
            exits.watch(self)
        self._generation = program.generation
