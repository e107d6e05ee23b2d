"""Metrics of the exporter itself, under the names of OpenTelemetry's conventions for SDKs.

They read ``stats()`` when a reader collects; nothing is counted twice. The instruments belong to
the meter provider, once, and hold their subjects weakly.
"""

import itertools
import threading
from collections.abc import Callable, Iterator
from typing import Final, Protocol
from weakref import WeakKeyDictionary

from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation

from prefactor_otel.stats.counters import Stats

# The conventions' Python module for these is marked as incubating, and moves with each release.
EXPORTED: Final = "otel.sdk.exporter.span.exported"
INFLIGHT: Final = "otel.sdk.exporter.span.inflight"
QUEUE_SIZE: Final = "otel.sdk.processor.span.queue.size"
QUEUE_CAPACITY: Final = "otel.sdk.processor.span.queue.capacity"
COMPONENT_NAME: Final = "otel.component.name"
COMPONENT_TYPE: Final = "otel.component.type"
ERROR_TYPE: Final = "error.type"
COMPONENT: Final = "prefactor_span_exporter"

Attributes = dict[str, str]


class Subject(Protocol):
    """What the metrics are about."""

    @property
    def capacity(self) -> int:
        """Items that may wait for the API."""
        ...

    def peek(self) -> Stats | None:
        """The counters; None in a process that has none of its own."""
        ...


class Meters:
    """The instruments of one meter provider, and the subjects that they observe."""

    def __init__(self, provider: MeterProvider) -> None:
        self._subjects: WeakKeyDictionary[Subject, str] = WeakKeyDictionary()
        self._numbers = itertools.count()
        meter = provider.get_meter("prefactor_otel")
        meter.create_observable_counter(
            EXPORTED,
            [self._observe(_exported)],
            "{span}",
            "Spans that were acknowledged, and with error.type those that were dropped.",
        )
        meter.create_observable_up_down_counter(
            INFLIGHT,
            [self._observe(lambda stats, _: [(stats.waiting, {})])],
            "{span}",
            "Spans handed over and neither acknowledged nor dropped.",
        )
        meter.create_observable_up_down_counter(
            QUEUE_SIZE,
            [self._observe(lambda stats, _: [(stats.waiting_items, {})])],
            "{span}",
            "Operations that wait for the API; a span is one or two.",
        )
        meter.create_observable_up_down_counter(
            QUEUE_CAPACITY,
            [self._observe(lambda _, capacity: [(capacity, {})])],
            "{span}",
            "The most operations that may wait for the API.",
        )

    def add(self, subject: Subject) -> None:
        """Observe this one, too."""
        self._subjects[subject] = f"{COMPONENT}/{next(self._numbers)}"

    def _named(self) -> Iterator[tuple[Subject, str]]:
        """All of them, though others come meanwhile."""
        for known in self._subjects.keyrefs():
            subject = known()
            if subject is not None:
                yield subject, self._subjects[subject]

    def _observe(
        self, measure: Callable[[Stats, int], list[tuple[int, Attributes]]]
    ) -> Callable[[CallbackOptions], Iterator[Observation]]:
        def observations(_: CallbackOptions) -> Iterator[Observation]:
            for subject, name in self._named():
                stats = subject.peek()
                if stats is not None:
                    of_subject = {COMPONENT_TYPE: COMPONENT, COMPONENT_NAME: name}
                    for value, more in measure(stats, subject.capacity):
                        yield Observation(value, of_subject | more)

        return observations


def _exported(stats: Stats, _: int) -> list[tuple[int, Attributes]]:
    dropped = [(count, {ERROR_TYPE: reason}) for reason, count in stats.dropped.items()]
    return [(stats.acknowledged, {}), *dropped]


_meters: WeakKeyDictionary[MeterProvider, Meters] = WeakKeyDictionary()
_lock = threading.Lock()


def observe(provider: MeterProvider, subject: Subject) -> None:
    """Let the metrics of a provider tell of this subject for as long as it lives."""
    with _lock:
        meters = _meters.get(provider)
        if meters is None:
            meters = _meters[provider] = Meters(provider)
    meters.add(subject)
