"""What every door has in common: its settings, its run, and what became of its spans."""

import threading
from typing import Unpack

from opentelemetry.metrics import MeterProvider

from prefactor_otel.config.options import Options
from prefactor_otel.config.token import TokenSource
from prefactor_otel.delivery.operation import FinishStatus
from prefactor_otel.errors import PrefactorConfigError
from prefactor_otel.host.nesting import inside, processors_of
from prefactor_otel.pipeline.pipeline import Pipeline
from prefactor_otel.runs.explicit import listeners
from prefactor_otel.spans.sdk import READER
from prefactor_otel.spans.source import Record
from prefactor_otel.stats.counters import Stats


class Handle:
    """What an application can ask of the run of its process, and say of it."""

    _pipeline: Pipeline

    @property
    def run_id(self) -> str | None:
        """The agent instance's id; None until it is registered."""
        return self._pipeline.run_id

    @property
    def run_url(self) -> str | None:
        """The address of the run's page; None until it is registered, and where the platform tells
        none. The local API does."""
        known = self._pipeline.registered()
        return known.url if known is not None else None

    @property
    def terminated(self) -> threading.Event:
        """Set when somebody has terminated the run of this process on the platform."""
        return self._pipeline.terminated

    def set_run_status(self, status: FinishStatus) -> None:
        """How the run will be finished: complete, failed or cancelled. Raises ``ValueError`` for
        anything else."""
        self._pipeline.set_run_status(status)

    def stats(self) -> Stats:
        """What became of the spans, in one consistent snapshot."""
        return self._pipeline.stats()

    @property
    def pipeline(self) -> Pipeline:
        """For the provider of this package."""
        return self._pipeline

    def lead_to(self, pipeline: Pipeline) -> None:
        """For the provider of this package: from now on everything goes there."""
        self._pipeline = pipeline


def hand_over(record: Record, sender: Handle | None) -> None:
    """Have a record joined to its span: by this sender of spans, or by every one of the process."""
    if sender is not None:
        sender.pipeline.logged(record)
        return
    for listener in listeners:
        listener.logged(record)


def usable_sender(sender: Handle | None) -> Handle | None:
    """The sender of spans with which records are to go. Raises ``PrefactorConfigError`` for what
    is none."""
    if sender is not None and not isinstance(sender, Handle):
        raise PrefactorConfigError(
            f"sender cannot be a {type(sender).__name__}: give the exporter or the processor, or "
            "what configure() has returned; leave it out for all of this process",
            from_arguments=True,
        )
    return sender


class Door(Handle):
    """Base of the exporter and the processor.

    The run is registered and started in the background, with the first span or soon after the
    program has been imported, and finished at shutdown.
    Arguments win over environment variables, which win over defaults; docs/configuration.md lists
    them all.
    Construction does no network I/O and raises only ``PrefactorConfigError``: for an argument
    that cannot be used, and with ``strict=True`` for missing or unusable settings. With a
    ``meter_provider`` the counters of ``stats`` are metrics of that, too.
    """

    _is_told_of_starts = False
    """Whether the SDK tells this door of every span's start."""

    def __init__(
        self,
        api_url: str | None = None,
        api_token: str | TokenSource | None = None,
        *,
        meter_provider: MeterProvider | None = None,
        **options: Unpack[Options],
    ) -> None:
        self._pipeline = Pipeline(
            READER, api_url, api_token, meter_provider=meter_provider, **options
        )
        if self._is_told_of_starts:
            self._pipeline.see_starts()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} run_id={self.run_id}>"


def doors_of(provider: object) -> list[Door]:
    """The doors that stand behind the processors of one of the SDK's providers."""
    held = (each for processor in processors_of(provider) for each in inside(processor))
    return [each for each in held if isinstance(each, Door)]
