"""One run over many processes: which run goes on there is told to whom this process calls."""

from collections.abc import Iterable
from typing import Final

from opentelemetry import propagate  # as a module: it may be loading this one, by its name
from opentelemetry.context import Context
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.textmap import (
    CarrierT,
    Getter,
    Setter,
    TextMapPropagator,
    default_getter,
    default_setter,
)

from prefactor_otel.runs.caller import HEADER, Caller, called_by
from prefactor_otel.runs.explicit import listeners

_FIELDS: Final = frozenset({HEADER})


class RunPropagator(TextMapPropagator):
    """Carries the run and the agent span of a call to another process in the header
    ``prefactor-run``, where ``run_propagation`` is on. The header holds ids and nothing else; it
    goes wherever the application's instrumentations propagate context to.

    ``configure(run_propagation=True)`` adds it to the global propagator; where that is set by
    ``OTEL_PROPAGATORS`` its name there is ``prefactor``.
    """

    def inject(
        self,
        carrier: CarrierT,
        context: Context | None = None,
        setter: Setter[CarrierT] = default_setter,
    ) -> None:
        """Tell the carrier which run goes on. Nothing where that is not known yet, or to nobody."""
        told = (listener.caller_at(context) for listener in listeners)
        caller = next((each for each in told if each is not None), None)
        if caller is not None:
            setter.set(carrier, HEADER, str(caller))

    def extract(
        self,
        carrier: CarrierT,
        context: Context | None = None,
        getter: Getter[CarrierT] = default_getter,
    ) -> Context:
        """The context with the run that the carrier tells of, if it does."""
        said = _first(getter.get(carrier, HEADER))
        caller = Caller.read(said) if said is not None else None
        if caller is None:
            return context if context is not None else Context()
        return called_by(caller, context)

    @property
    def fields(self) -> set[str]:
        """The headers that it writes."""
        return set(_FIELDS)


def propagate_runs() -> None:
    """Let the global propagator carry runs as well, if it does not."""
    known = propagate.get_global_textmap()
    if HEADER not in known.fields:
        propagate.set_global_textmap(CompositePropagator([known, RunPropagator()]))


def _first(said: Iterable[str] | None) -> str | None:
    return next(iter(said or ()), None)
