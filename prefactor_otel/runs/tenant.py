"""Whose runs these are: one agent's settings, and what follows from them for all of its runs."""

from collections.abc import Callable

from prefactor_otel.config.options import Config, types_of
from prefactor_otel.mapping import Capture
from prefactor_otel.privacy.masking import Masking
from prefactor_otel.runs.run import About, Registrations
from prefactor_otel.span_types.span_filter import compiled
from prefactor_otel.spans.view import Attributes
from prefactor_otel.stats.log import QuietLog


def capture_of(config: Config, log: QuietLog | None = None) -> Capture:
    """What these settings let out of the process; a mask that raises is told to the log."""

    def warn(error: type[BaseException]) -> None:
        if log is not None:
            log.warn("mask", f"A mask raised {error.__name__}: such values are left out")

    return Capture(
        config.capture_inputs,
        config.capture_outputs,
        config.max_input_length,
        config.max_output_length,
        Masking(config.mask, warn) if config.mask else None,
        config.sensitive or (),
    )


class Tenant:
    """What is let out of the spans of an agent, which of them are sent and as what, and what is
    said of it when a run is registered. A process is one; each run knows whose it is.
    ``own_resource`` is asked where nobody has said what describes it."""

    def __init__(
        self, config: Config, log: QuietLog, own_resource: Callable[[], Attributes]
    ) -> None:
        self.config = config
        self.capture = capture_of(config, log)
        self.types = types_of(config)
        self.span_filter = compiled(config.span_filter, lambda text: log.warn("span_filter", text))
        self.spools = config.spool_dir is not None
        """Whether what waits for its parents is to be on disk as well."""
        self.resource: Attributes | None = None
        """What describes it, by the first who has said so."""
        self._own_resource = own_resource
        self._registrations = Registrations(config, self.capture.mask)

    def registration(self, about: About) -> bytes:
        """The members of a run's registration of which this is said."""
        return self._registrations.of(about, self._known_resource)

    def _known_resource(self) -> Attributes:
        return self.resource if self.resource is not None else self._own_resource()
