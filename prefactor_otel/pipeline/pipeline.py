"""What every door leads to: settings in, one worker per process, and the rules of waiting."""

import asyncio
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import urlsplit
from weakref import ref

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.metrics import MeterProvider
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider

from prefactor_otel.config.options import Config, load_config, variable_of
from prefactor_otel.config.token import TokenSource
from prefactor_otel.delivery.operation import FinishStatus
from prefactor_otel.delivery.receipt import Receipt
from prefactor_otel.errors import PrefactorConfigError
from prefactor_otel.host import exits, gevent_loop, program, sigterm, suppress
from prefactor_otel.host.termination import Task, TerminatedRun, current_task, stop_here
from prefactor_otel.mapping import session_of
from prefactor_otel.pipeline.inbox import End
from prefactor_otel.pipeline.worker import Worker
from prefactor_otel.runs import explicit
from prefactor_otel.runs.events import Judged, RunClosed, RunOpened, SessionEnded
from prefactor_otel.spans.sdk import key_of
from prefactor_otel.spans.view import Attributes
from prefactor_otel.stats import metrics
from prefactor_otel.stats.counters import Counters, DropReason, Stats
from prefactor_otel.stats.log import logger
from prefactor_otel.stats.own_logs import is_own_thread
from prefactor_otel_transport.addresses import is_exposed

_RECENT: Final = 0.25
"""Seconds within which a wait in ``export`` belongs to the export or shutdown that follows it."""

_PART_IN_ROW: Final = 0.5
"""Of ``shutdown_timeout``: what exports that follow each other wait together. A processor that
drains before its shutdown makes such a row, and does not say so."""

_DISK_WAIT: Final = 1.0
"""Seconds that ``export`` waits for the disk on an event loop, at most."""

_TRUE: Final = ("1", "true", "t", "yes", "y", "on")
"""What pydantic takes for true."""

_exposed: Final[set[str]] = set()
"""Hosts beyond this machine that are reached by http://, and have been named in the log."""


class Pipeline:
    """Settings and the worker of the current process; a forked child gets its own on first use.

    Raises ``PrefactorConfigError`` for arguments that cannot be used, and with ``strict=True``
    for missing or unusable settings of any source; otherwise those are logged in one line, and
    everything handed over is counted as dropped.
    """

    def __init__(
        self,
        api_url: str | None = None,
        api_token: str | TokenSource | None = None,
        *,
        meter_provider: MeterProvider | None = None,
        **options: object,
    ) -> None:
        self._config = _settings(api_url, api_token, options)
        self._off = Counters()
        self._off_as: Literal["off", "closed"] = "off"
        self._never = threading.Event()
        self._locks: dict[int, threading.RLock] = {}
        self._resource: Attributes | None = None
        self._status: FinishStatus | None = None
        self._generation = program.generation
        self._not_waiting: Counter[int] = Counter()
        self._waited = _Waited()
        self._owner: ref[TracerProvider] | None = None
        self._worker = Worker(self._config) if self._config is not None else None
        self._meter_provider = meter_provider
        self._asks_where = self._config is not None and (
            self._config.run_scope == "session" or self._config.on_terminate == "cancel"
        )
        """Whether it matters in which context and task spans start."""
        explicit.listeners.add(self)
        if meter_provider is not None:
            metrics.observe(meter_provider, self)
        if self._config is not None:
            gevent_loop.warn_once()
            _warn_if_exposed(self._config.api_url)
            exits.watch(self)
            if self._config.handle_sigterm:
                sigterm.exit_on_sigterm()

    @property
    def run_id(self) -> str | None:
        """The agent instance's id; None until it is registered."""
        worker = self._current()
        return worker.run_id if worker is not None else None

    @property
    def is_over(self) -> bool:
        """Whether nothing is sent any more of what is handed over: it is off, or was shut down."""
        worker = self._current()
        return worker is None or worker.is_closing

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
        asked = load_config(api_url, api_token, **options)
        given = {"api_url": api_url, "api_token": api_token, **options}
        names = [
            name
            for name, value in given.items()
            if value is not None and getattr(asked, name) != getattr(self._config, name)
        ]
        if meter_provider not in (None, self._meter_provider):
            names.append("meter_provider")
        return names

    def bind(self, resource: Attributes) -> None:
        """Tell the pipeline the provider's resource, from which the agent's version is named."""
        self._resource = resource
        worker = self._current()
        if worker is not None:
            worker.bind(resource)

    def owned_by(self, provider: TracerProvider) -> None:
        """Tell the pipeline which provider hands it spans."""
        self._owner = ref(provider)

    @property
    def owner(self) -> TracerProvider | None:
        """The provider that hands spans to this, if that is known and alive."""
        return self._owner() if self._owner is not None else None

    @property
    def shutdown_timeout(self) -> float:
        """The option, in seconds."""
        return self._config.shutdown_timeout if self._config is not None else 0.0

    @property
    def is_closing(self) -> bool:
        """Whether shutdown has begun; what comes now is too late."""
        return self._worker is not None and self._worker.is_closing

    def started(self, span: ReadableSpan, where: Context | None) -> None:
        """A span has started in this context. Returns at once. Raises ``PrefactorTerminatedError``
        where the span's run was terminated and the agent is to be stopped by that."""
        worker = self._worker if self._generation == program.generation else self._current()
        if worker is None:
            return
        handle = session = task = None
        if self._asks_where or explicit.is_used or worker.has_terminated:
            handle, session, task = self._place_of(span, where, worker)
        inbox = worker.inbox
        waiting = len(inbox.entries)
        if waiting < inbox.limit:
            inbox.entries.append((span, time.monotonic(), handle, session, task))
            if waiting >= inbox.wake_at:
                worker.wake()

    def _place_of(
        self, span: ReadableSpan, where: Context | None, worker: Worker
    ) -> tuple[str | None, str | None, Task | None]:
        """The explicit run and the session that a span starts in, and the task that is cancelled
        with it."""
        assert self._config is not None
        opened = explicit.run_in(where)
        handle = opened.key if opened is not None else None
        session = (
            explicit.session_in_context(where) if self._config.run_scope == "session" else None
        )
        is_root = span.parent is None or span.parent.is_remote
        if worker.has_terminated:
            above = key_of(span.parent) if span.parent is not None and not is_root else None
            known = session or session_of(span.attributes or {})
            terminated = worker.terminated_at(above, known, handle)
            if terminated is not None:
                stop_here(terminated, self._config.on_terminate)
        cancels = is_root and self._config.on_terminate == "cancel"
        return handle, session, current_task() if cancels else None

    def terminated_in(self, where: Context | None) -> TerminatedRun | None:
        """The run that a span would belong to that started in this context, if it was
        terminated."""
        worker = self._current()
        if worker is None or self._config is None or worker.is_closing:
            return None
        opened = explicit.run_in(where)
        span = trace.get_current_span(where).get_span_context()
        return worker.terminated_at(
            key_of(span) if span.is_valid and not span.is_remote else None,
            explicit.session_in_context(where) if self._config.run_scope == "session" else None,
            opened.key if opened is not None else None,
        )

    @property
    def terminated(self) -> threading.Event:
        """Set when the run of the process was terminated; never, where the pipeline is off."""
        worker = self._current()
        return worker.terminated if worker is not None else self._never

    def tell(self, event: RunOpened | RunClosed | SessionEnded | Judged) -> None:
        """Something has become of a run. Returns at once."""
        worker = self._current()
        if worker is not None:
            worker.tell(event)

    def id_of(self, handle: str) -> str | None:
        """The agent instance's id of an explicit run."""
        worker = self._current()
        return worker.id_of(handle) if worker is not None else None

    def ended(self, spans: Sequence[ReadableSpan], receipt: Receipt | None = None) -> bool:
        """Spans have ended. Returns at once. With a receipt they are taken at once, and it is
        settled when the API has answered for all of them; without, they wait for company. False
        when they are lost already."""
        worker = self._worker if self._generation == program.generation else self._current()
        if worker is None:
            return self._lose(len(spans))
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

    def deliver(self, spans: Sequence[ReadableSpan]) -> bool:
        """Hand over ended spans and wait until the API has acknowledged them, as long as that is
        sensible: not on a thread that runs an event loop, not while the API fails, not at exit,
        and at most ``export_timeout``. With a spool, wait until they are on disk in any case.
        False when any of them was refused or dropped, or is not known to be on disk."""
        worker = self._current()
        if worker is None or self._config is None:
            return self._lose(len(spans))
        deadline = time.monotonic() + self._config.export_timeout
        spans = suppress.without_own(spans)
        if worker.inbox.is_full and self._may_wait(worker):
            worker.await_room(deadline, lambda: self._is_passed_by)
        if self._config.spool_dir is not None:
            return self._deliver_by_disk(worker, spans, deadline)
        if not self._may_wait(worker):
            return self.ended(spans)
        receipt = Receipt()
        self.ended(spans, receipt)
        return self._acknowledged(worker, receipt, deadline)

    def _deliver_by_disk(
        self, worker: Worker, spans: Sequence[ReadableSpan], deadline: float
    ) -> bool:
        receipt = Receipt()
        self.ended(spans, receipt)
        # A millisecond, unless the disk hangs; then an event loop must not hang as well.
        most = deadline - time.monotonic()
        most = min(most, _DISK_WAIT) if _runs_event_loop() else most
        most = 0.0 if is_own_thread() else most  # it would wait for itself
        if worker.outcome(receipt.stored, most) is None:
            return False
        if not self._may_wait(worker):
            return not receipt.future.done() or receipt.future.result() is not False
        return self._acknowledged(worker, receipt, deadline)

    def _acknowledged(self, worker: Worker, receipt: Receipt, deadline: float) -> bool:
        assert self._config is not None
        before, begun = self._waited.lately(), time.monotonic()
        most = deadline - begun
        if before:
            most = min(most, self._config.shutdown_timeout * _PART_IN_ROW - before)
        outcome = worker.outcome(receipt.future, most, lambda: self._is_passed_by)
        if not self._is_passed_by:  # else who waits for the whole counts it
            now = time.monotonic()
            self._waited = _Waited(before + now - begun, now)
        return outcome is not False

    def flush(self, timeout_millis: float) -> bool:
        """True when everything that ended before is acknowledged within the timeout, or on disk
        while the API does not answer. To be flushed is no use: a forked child begins no run."""
        worker = self._current(revive=False)
        if worker is None:
            return self._off.lost == 0
        return worker.flush(max(0.0, timeout_millis) / 1000)

    @contextmanager
    def nobody_waits(self) -> Iterator[None]:
        """While inside, ``deliver`` only hands over, and who waits in it soon goes on: somebody
        else waits for the whole."""
        with self._lock():
            self._not_waiting[program.generation] += 1
        try:
            yield
        finally:
            with self._lock():
                self._not_waiting[program.generation] -= 1

    @property
    def _is_passed_by(self) -> bool:
        """Whether somebody waits for the whole."""
        return self._not_waiting[program.generation] > 0

    def shutdown(self, timeout_millis: float | None = None) -> bool:
        """Deliver what waits, finish the run, end the thread; at most ``timeout_millis``, by
        default the option ``shutdown_timeout``. Whether everything was delivered."""
        worker = self._current(revive=False)
        if worker is None or self._config is None:
            return True
        seconds = self._config.shutdown_timeout if timeout_millis is None else timeout_millis / 1000
        worker.run_status = self._status
        # The processor's last exports have used some of the time.
        return worker.close(time.monotonic() + seconds - self._waited.lately())

    def set_run_status(self, status: FinishStatus) -> None:
        """How the run will be finished, whatever its spans say."""
        if status not in ("complete", "failed", "cancelled"):
            raise ValueError("a run is finished as complete, failed or cancelled")
        self._status = status

    def stats(self) -> Stats:
        """A snapshot of all counters."""
        worker = self._current()
        if worker is not None:
            return worker.stats()
        return self._off.snapshot(state=self._off_as)

    @property
    def capacity(self) -> int:
        """Items that may wait for the API."""
        return self._config.max_queue_size if self._config is not None else 0

    def peek(self) -> Stats | None:
        """The counters; None in a forked child that has not used the pipeline: to be looked at
        is no use of it, and begins no run."""
        begun = self._generation == program.generation or self._config is None
        return self.stats() if begun else None

    def _current(self, *, revive: bool = True) -> Worker | None:
        """This process's worker. In a forked child the inherited one is forgotten, with what
        waits in it: that is the parent's to send."""
        if self._generation == program.generation or self._config is None:
            return self._worker
        if not revive:
            return None
        with self._lock():
            if self._generation != program.generation:
                self._begin_anew(self._config)
        return self._worker

    def _begin_anew(self, config: Config) -> None:
        self._waited = _Waited()
        if self._worker is not None and self._worker.is_closing:
            self._worker, self._off, self._off_as = None, Counters(), "closed"
        else:
            self._worker = Worker(config)
            if self._resource is not None:
                self._worker.bind(self._resource)
            exits.watch(self)
        self._generation = program.generation

    def _lock(self) -> "threading.RLock":
        """This process's lock. One that was inherited by a fork may be held for ever by a thread
        that does not exist here; ``setdefault`` is atomic."""
        lock = threading.RLock()  # a handler may come amid
        return self._locks.setdefault(program.generation, lock)

    def _may_wait(self, worker: Worker) -> bool:
        return (
            worker.is_answering
            and not self._is_passed_by
            and not exits.is_ending()
            and not _runs_event_loop()
            and not is_own_thread()
        )

    def _lose(self, spans: int) -> bool:
        is_off = self._off_as == "off"
        self._off.refuse(DropReason.NOT_CONFIGURED if is_off else DropReason.AFTER_SHUTDOWN, spans)
        return False


@dataclass(frozen=True, slots=True)
class _Waited:
    """How long a row of exports has waited, until when."""

    seconds: float = 0.0
    until: float = 0.0

    def lately(self) -> float:
        """Seconds, of a row that may go on."""
        return self.seconds if time.monotonic() - self.until < _RECENT else 0.0


def _settings(
    api_url: str | None, api_token: str | TokenSource | None, options: dict[str, object]
) -> Config | None:
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        logger.debug("OTEL_SDK_DISABLED is set: the Prefactor exporter stays off")
        return None
    try:
        config = load_config(api_url, api_token, **options)
        if config.api_token is None:
            raise PrefactorConfigError(
                f"no API token: set {variable_of('api_token')} or pass api_token="
            )
    except PrefactorConfigError as error:
        if options.get("strict") or error.from_arguments or _strict_by_environment():
            raise
        logger.warning("The Prefactor exporter stays off: %s", error)
        return None
    return config


def _warn_if_exposed(url: str) -> None:
    host = urlsplit(url).hostname or ""
    if is_exposed(url) and host not in _exposed:
        _exposed.add(host)
        logger.warning(
            "The API token and all spans go to %s unencrypted, for everybody on the way to read: "
            "let %s begin with https://",
            host,
            variable_of("api_url"),
        )


def _strict_by_environment() -> bool:
    return os.environ.get(variable_of("strict"), "").lower() in _TRUE


def _runs_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
