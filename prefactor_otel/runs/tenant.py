"""Whose runs these are: one agent's settings, and what follows from them for all of its runs."""

from collections.abc import Callable

from prefactor_otel.config.options import Config, types_of
from prefactor_otel.mapping import Capture
from prefactor_otel.privacy.masking import Masking
from prefactor_otel.runs.run import About, Facts, Registrations, facts_of
from prefactor_otel.span_types.declared import SpanTypes
from prefactor_otel.span_types.span_filter import CompiledFilter, compiled
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


def filter_of(config: Config, log: QuietLog) -> CompiledFilter | None:
    """Which spans are sent with these settings; None: all."""
    return compiled(config.span_filter, lambda text: log.warn("span_filter", text))


class Tenant:
    """What is let out of the spans of an agent, which of them are sent and as what, and what is
    said of it when a run is registered. A process is one; each run knows whose it is.
    ``own_resource`` is asked where nobody has said what describes it. One that ``serves_others``
    is in other processes, each of whose resources describes the runs that come from there. What
    is not about who it is, a ``model`` has already."""

    def __init__(
        self,
        config: Config,
        log: QuietLog,
        own_resource: Callable[[], Attributes],
        *,
        described_later: bool = False,
        serves_others: bool = False,
        model: "Tenant | None" = None,
    ) -> None:
        self.config = config
        self.capture: Capture = model.capture if model else capture_of(config, log)
        self.types: SpanTypes = model.types if model else types_of(config)
        self.span_filter: CompiledFilter | None = (
            model.span_filter if model else filter_of(config, log)
        )
        self.qualities = frozenset(each["name"] for each in config.quality_schemas or ())
        """The names under which its runs may be judged."""
        self.open_runs = 0
        """Runs of it that are open."""
        self.spools = config.spool_dir is not None
        """Whether what waits for its parents is to be on disk as well."""
        self.resource: Attributes | None = None
        """What describes it, by the first who has said so."""
        self.serves_others = serves_others
        self._own_resource = own_resource
        self._described_later = described_later
        schema = model._registrations.schema if model else None
        self._registrations: Registrations = Registrations(config, self.capture.mask, schema)
        self.identity = (
            config.agent_id or "",
            config.environment_id or "",
            config.agent_name or "",
        )
        """What tells it from others wherever its runs are made."""
        self._described: tuple[Attributes, Facts] | None = None

    def registration(self, about: About, resource: Attributes | None) -> bytes:
        """The members of a run's registration of which this is said, and which comes from what
        this resource describes; None: from whatever describes this agent."""
        return self._registrations.of(about, self._facts_of(resource or self.known_resource()))

    @property
    def name(self) -> str | None:
        """What it is called, as far as that is known."""
        if self.config.agent_name is not None:
            return self.config.agent_name
        if self.resource is None:
            return None
        facts = self._facts_of(self.resource)
        return facts.agent.name or facts.service

    @property
    def is_to_be_described(self) -> bool:
        """Whether somebody is to say what describes it before a run of it is named."""
        return self._described_later and self.resource is None

    def known_resource(self) -> Attributes:
        """What describes it, as far as anybody has said that."""
        return self.resource if self.resource is not None else self._own_resource()

    def _facts_of(self, resource: Attributes) -> Facts:
        if self._described is None or self._described[0] is not resource:
            self._described = resource, facts_of(resource, is_ours=not self.serves_others)
        return self._described[1]
