"""From events to items: the one funnel between the doors and the outbox. No I/O, no waiting."""

import time
from typing import Final

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan

from prefactor_http.models.types import FinishStatus
from prefactor_otel.config import Config
from prefactor_otel.inbox import Dropped, Ended, Event, Started
from prefactor_otel.items import Item
from prefactor_otel.ledger import DropReason, Ledger, QuietLog, logger
from prefactor_otel.mapping import Capture
from prefactor_otel.outbox import Outbox
from prefactor_otel.receipt import Receipt
from prefactor_otel.run import Run
from prefactor_otel.span import Attributes, ended, view_of
from prefactor_otel.spool.rows import ParkedRow
from prefactor_otel.tree import SpanTree

RESOURCE_WAIT: Final = 0.5
"""Seconds that the registration waits to learn the resource, and with it the agent's name."""

REQUEST_OVERHEAD: Final = 4096
"""Bytes that a request takes besides one item's body."""


def capture_of(config: Config) -> Capture:
    """What these settings let out of the process."""
    return Capture(
        config.capture_inputs,
        config.capture_outputs,
        config.max_input_length,
        config.max_output_length,
    )


class Intake:
    """The spans of one run on their way into the outbox. One thread owns it."""

    def __init__(self, config: Config, run: Run, outbox: Outbox, ledger: Ledger, log: QuietLog):
        self.resource: Attributes | None = None
        self.is_open = False
        self._config = config
        self._run = run
        self._outbox = outbox
        self._ledger = ledger
        self._log = log
        self._born = time.monotonic()
        self._to_store: list[Receipt] = []
        self._tree = SpanTree(
            run=run.key,
            capture=capture_of(config),
            max_item_bytes=max(
                config.max_request_bytes - REQUEST_OVERHEAD, config.max_request_bytes // 2
            ),
            parent_timeout=config.parent_timeout,
            notes_parked=config.spool_dir is not None,
        )

    @property
    def tree(self) -> SpanTree:
        """The order of the spans; to be read only."""
        return self._tree

    def take(self, event: Event) -> None:
        """Handle one event."""
        if isinstance(event, Started):
            self.resource = self.resource or event.span.resource.attributes
            self._tree.start(event.span, event.at)
        elif isinstance(event, Ended):
            self._take_ended(event)
        elif isinstance(event, Dropped):
            for key in event.keys:
                self._outbox.put(self._tree.drop(key, time.monotonic()))
        else:
            self._take_flush(event.receipt)

    def store(self) -> None:
        """Let everything taken so far outlive the process, where there is a spool, and tell
        those who wait for that."""
        parked = self._tree.newly_parked()
        self._outbox.park([ParkedRow(str(p.key), str(p.parent), p.item) for p in parked])
        self._outbox.commit()
        on_disk = self._outbox.is_durable
        for receipt in self._to_store:
            receipt.keep(on_disk=on_disk)
        if self._to_store and on_disk:
            time.sleep(0)  # hand the interpreter to whoever was waiting for this
        self._to_store.clear()

    def take_due(self) -> None:
        """Handle what the time has made due: the run's registration, early creations, children
        that have waited long enough."""
        self.open_run()
        self._outbox.put(self._tree.due(time.monotonic()))

    def open_run(self, *, at_once: bool = False) -> None:
        """Register the run as soon as the agent's name is known, or will not be."""
        config = self._config
        named = config.agent_name is not None and config.agent_version is not None
        late = at_once or time.monotonic() - self._born > RESOURCE_WAIT
        if self.is_open or not (named or late or self.resource is not None):
            return
        resource = self.resource if self.resource is not None else Resource.create().attributes
        self._outbox.put(self._run.opening(config, resource))
        self.is_open = True  # not before: an opening twice is one to the API, none would be fatal

    def close_run(self, status: FinishStatus | None) -> None:
        """Close what is open, then the run itself; without a status, by its root spans."""
        self.open_run(at_once=True)
        moment = time.time_ns()
        items = self._tree.close(moment)
        self._ledger.accept(self._tree.counts.cancelled + self._tree.counts.rescued)
        self._outbox.put([*items, self._run.closing(status or self._status_of_roots(), moment)])

    def _take_ended(self, event: Ended) -> None:
        now = time.monotonic()
        for span in event.spans:
            self._outbox.put(self._items_of(span, now, event.receipt), event.receipt)
        if event.receipt is not None:
            event.receipt.seal()
            self._to_store.append(event.receipt)

    def _items_of(self, span: ReadableSpan, now: float, receipt: Receipt | None) -> list[Item]:
        duplicates = self._tree.counts.duplicates
        try:
            self.resource = self.resource or span.resource.attributes
            self.open_run()
            items = self._tree.end(ended(view_of(span)), now)
        except Exception as error:
            logger.debug("A span could not be read", exc_info=True)
            self._ledger.drop(DropReason.UNREADABLE, 1)
            self._ledger.trouble(f"a span could not be read: {type(error).__name__}")
            self._log.warn("unreadable", f"A span could not be read ({type(error).__name__})")
            if receipt is not None:
                receipt.lose()
            return []
        self._ledger.drop(DropReason.DUPLICATE, self._tree.counts.duplicates - duplicates)
        return items

    def _take_flush(self, receipt: Receipt) -> None:
        self._outbox.put(self._tree.flush())
        self._outbox.watch(receipt)
        if self._tree.parked and not self._outbox.is_durable:
            receipt.lose()  # these wait for their parents, which nobody can hurry
        receipt.seal()
        self._to_store.append(receipt)

    def _status_of_roots(self) -> FinishStatus:
        counts = self._tree.counts
        return "failed" if counts.roots and counts.roots == counts.roots_failed else "complete"
