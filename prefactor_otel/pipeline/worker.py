"""A handle on the one background thread of a process, for all the others.

They append to its inbox and wake it, and nothing else of what the thread works with is theirs. It
is started at construction, because newer Pythons refuse new threads at interpreter shutdown, and it
is a daemon, because the atexit hooks that drain it run after non-daemon threads have been waited
for.
"""

import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from prefactor_otel.config.options import Config
from prefactor_otel.delivery.continuing import is_to_continue
from prefactor_otel.delivery.operation import FinishStatus, Registered
from prefactor_otel.delivery.receipt import Receipt
from prefactor_otel.host.exits import is_ending
from prefactor_otel.host.termination import TerminatedRun
from prefactor_otel.pipeline.begun import Begun
from prefactor_otel.pipeline.closing import PULSE, Closing
from prefactor_otel.pipeline.inbox import MAX_SPANS, Inbox, lose
from prefactor_otel.pipeline.loop import Loop
from prefactor_otel.pipeline.parts import Parts
from prefactor_otel.pipeline.snapshot import Snapshot
from prefactor_otel.pipeline.wakeup import Wakeup
from prefactor_otel.runs.caller import Caller
from prefactor_otel.runs.encoding import span_ref
from prefactor_otel.runs.events import AboutRun, Awaited, Calls, Dropped, Flush, Foretold, Place
from prefactor_otel.spans.source import Reader, Source, Telling
from prefactor_otel.spans.view import Attributes, SpanKey
from prefactor_otel.stats.counters import DropReason, Stats
from prefactor_otel_transport.pfid import is_pfid, partition_of

_GRACE: Final = 0.3
"""Seconds after the deadline in which the thread ends."""

_NO_THREAD_FOR: Final = 1.0
"""Seconds between two tries to start a thread."""


class Worker:
    """One run's worth of background work. Its methods may be called from any thread, and by a
    signal handler amid any of them."""

    def __init__(self, config: Config, reader: Reader[Any]) -> None:
        self.config = config
        self.inbox = Inbox(min(MAX_SPANS, config.max_queue_size), reader)
        self._parts = Parts(config, self.inbox)
        self._intake = self._parts.intake
        self._lives = self._parts.intake.lives
        self._wakeup = Wakeup(self.inbox)
        self._closing = Closing(self._parts)
        self._loop = Loop(self._parts, self._wakeup, self._closing)
        self.begun = Begun()
        self._reviving = threading.Lock()
        self._works_here = False
        self._no_thread_before = 0.0
        self._thread: threading.Thread | None = None
        self.revive()

    # -- its life -------------------------------------------------------------------------

    def wake(self, *, urgent: bool = False) -> None:
        """See to it that somebody looks at the inbox: whoever hands something over calls this when
        the inbox has asked for it, and at once where it is urgent."""
        if self.inbox.is_shut:  # its end has met that of everything here
            late = self.inbox.forget_late()
            self._parts.counters.drop(DropReason.AFTER_SHUTDOWN, late)
            return
        self.revive()
        self._wakeup.ring(urgent=urgent)

    def revive(self) -> bool:
        """Start the thread, also again if something has killed it; what waits is still there.
        False where no thread can be had."""
        if self._is_alive():
            return True
        # Whoever finds it taken need not wait: a signal handler would, for the thread it is on.
        if not self._reviving.acquire(blocking=False):
            return True
        try:
            if self._is_alive() or self._closing.is_over.is_set():
                return True
            has_begun = self._begin()
            # Others who find no thread must not do the same work beside this one.
            works_here = self._works_here = not has_begun and self.is_closing
        finally:
            self._reviving.release()
        if works_here:
            try:
                self._loop.run()
            finally:
                self._works_here = False
        return has_begun

    def _is_alive(self) -> bool:
        """Whether somebody does the work: the thread or, at the end, who could not have one."""
        if self._works_here:
            return True
        return self._thread is not None and self._thread.is_alive() and not self._loop.has_left

    def _begin(self) -> bool:
        """Start a thread. That is refused when the interpreter ends, to a subinterpreter, and
        where the machine has none left; the last may change."""
        if time.monotonic() < self._no_thread_before and not self.is_closing:
            return False
        if is_ending():
            return False
        self._loop.prepare()
        thread = threading.Thread(target=self._loop.run, name="prefactor-otel", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            self._no_thread_before = time.monotonic() + _NO_THREAD_FOR
            if not self.is_closing:
                problem = f"No thread can be had ({error}); spans wait in memory"
                self._parts.log.warn("thread", problem)
            return False
        if self._thread is not None:
            self._parts.counters.restart()
        self._thread, self._no_thread_before = thread, 0.0
        return True

    def begin_close(self, deadline: float, run_status: FinishStatus | None = None) -> None:
        """Take nothing more, and deliver what waits until ``deadline`` (monotonic seconds)."""
        if not self.is_closing:
            self._closing.begin(deadline, run_status)
        self.wake(urgent=True)  # a handler may ask for it amid the lines before

    def close(self, deadline: float, run_status: FinishStatus | None = None) -> bool:
        """End the run and deliver what waits until ``deadline`` (monotonic seconds). Returns
        whether everything was delivered."""
        self.begin_close(deadline, run_status)
        if not self.await_close(max(0.0, deadline - time.monotonic()) + _GRACE):
            self._closing.give_up()
            return False
        return self._closing.has_left_nothing

    def await_close(self, timeout: float) -> bool:
        """Whether the work is done within so many seconds."""
        deadline = time.monotonic() + timeout
        while not self._closing.is_over.wait(max(0.0, min(deadline - time.monotonic(), PULSE))):
            if time.monotonic() >= deadline:
                return False
            self.revive()
        return True

    # -- what is told to it ---------------------------------------------------------------

    def bind(self, resource: Attributes) -> None:
        """Tell the worker the provider's resource, as soon as it is known."""
        tenant = self._parts.tenants.own
        if tenant.resource is None:
            tenant.resource = resource
            self.wake(urgent=True)

    def tell(self, event: AboutRun | Awaited | Calls | Foretold) -> None:
        """Something has become of a run."""
        if not self.is_closing:
            self.inbox.tell(event)
            self.wake(urgent=True)

    def flush(self) -> Receipt:
        """The receipt of all that was handed over before. It is called off while the API does not
        answer, if everything is on disk then."""
        receipt = Receipt(patient=not self._parts.outbox.is_durable)
        self.inbox.tell(Flush(receipt))
        self.wake(urgent=True)
        return receipt

    def refuse(self, spans: Sequence[object], receipt: Receipt | None = None) -> bool:
        """Account for spans that the inbox does not take. True when none of them is lost."""
        keys = [self.inbox.reader.key(span) for span in spans]
        known = [key for key in keys if key is not None]
        if self.is_closing:
            # What shutdown has closed as cancelled is on the platform; its late end loses nothing.
            late = len(spans) - sum(map(self._intake.has_ended, known))
            return self._lose(late, receipt, DropReason.AFTER_SHUTDOWN)
        self.inbox.note_dropped(Dropped(known))
        return self._lose(len(spans), receipt, DropReason.QUEUE_FULL)

    def refuse_record(self) -> None:
        """Account for a log record that the inbox does not take."""
        self._parts.counters.unmatch(1)

    def _lose(self, spans: int, receipt: Receipt | None, reason: DropReason) -> bool:
        """Account for spans that are lost as they come. True when there are none."""
        self._parts.counters.refuse(reason, spans)
        if spans:
            self._parts.warn_of(reason, spans)
        if receipt is not None:
            lose(receipt)
        return not spans

    # -- what is asked of it --------------------------------------------------------------

    @property
    def is_closing(self) -> bool:
        """Whether shutdown has begun; what comes now is too late."""
        return self._closing.is_asked_for

    @property
    def has_left_nothing(self) -> bool:
        """Whether everything that waited when shutdown began was delivered."""
        return self._closing.has_left_nothing

    @property
    def has_nothing_to_send(self) -> bool:
        """Whether all that has ended is settled, runs included."""
        return self._parts.has_nothing_to_send

    @property
    def is_answering(self) -> bool:
        """Whether waiting for an acknowledgement makes sense now."""
        return self._no_thread_before == 0.0 and self.snapshot().is_answering

    @property
    def has_room(self) -> bool:
        """Whether nothing has to be given up for spans that are handed over now."""
        return not self.inbox.is_full and self._parts.has_room

    @property
    def filled(self) -> float:
        """How much of the room for what waits is taken, from 0 to 1, or more."""
        return self._parts.filled

    @property
    def has_terminated(self) -> bool:
        """Whether any run was ever terminated."""
        return self._lives.has_terminated

    @property
    def terminated(self) -> threading.Event:
        """Set when the run of the process was terminated."""
        return self._parts.stops.terminated

    def terminated_at(
        self, parent: SpanKey | None, place: Place, first: Telling | None
    ) -> TerminatedRun | None:
        """The run that a span would start in here, if that was terminated. ``first`` is the span,
        or what it hangs on."""
        return self._lives.terminated_at(parent, place, first)

    def called_from(self, source: Source, place: Place) -> Caller | None:
        """The run of an open span and the span's own id, for another process that goes on with it.
        Its record is created at once, to be there before what hangs on it."""
        key = self._lives.key_at(source, place)
        if key is None:
            return None
        instance_id = self._parts.sender.id_of(key)
        if instance_id is None and place.caller is not None and is_to_continue(key):
            instance_id = place.caller.run
        if instance_id is None or not is_pfid(instance_id):
            return None
        self.tell(Calls(source.key))
        ref = span_ref(key, source.key, source.start_ns)
        return Caller(instance_id, ref.pfid(partition_of(instance_id)))

    def registered(self, handle: str | None) -> Registered | None:
        """What the API calls an explicit run, or else that of the process."""
        lives = self._lives
        key = lives.key_of_handle(handle) if handle is not None else lives.process_key
        return self._parts.registered(key)

    @property
    def run_id(self) -> str | None:
        """The agent instance's id; None until the run of the process is registered."""
        return self.snapshot().run_id

    def snapshot(self) -> Snapshot:
        """How the delivery and the run of the process are now."""
        return self._parts.snapshot()

    @property
    def refused_agents(self) -> Mapping[str, str]:
        """Ids of agents of which Prefactor has lately refused to register a run, and why."""
        return self._parts.refused_agents

    def stats(self) -> Stats:
        """All counters, at one instant."""
        return self._parts.stats()
