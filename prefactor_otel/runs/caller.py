"""Who has asked for the work that is done here, where that is a run of another process: its agent
instance, and the agent span from which it was asked. Travels as one header of ids alone."""

from typing import Final, NamedTuple, Self

from opentelemetry import context
from opentelemetry.context import Context

from prefactor_otel.delivery.operation import SpanRef
from prefactor_otel_transport.pfid import decode, is_pfid, partition_of

HEADER: Final = "prefactor-run"
_CALLER: Final = context.create_key("prefactor-caller")


class Caller(NamedTuple):
    """The run that goes on in another process, and the span under which it does, by their PFIDs,
    which are of one account."""

    run: str
    span: str

    def __str__(self) -> str:
        """As the header says it: both ids, with a hyphen between."""
        return f"{self.run}-{self.span}"

    @classmethod
    def read(cls, header: str) -> Self | None:
        """What a header says; None for anything that is not two ids of one account. Whoever calls
        this process can have written it."""
        run, _, span = header.strip().partition("-")
        if not (is_pfid(run) and is_pfid(span)) or partition_of(run) != partition_of(span):
            return None
        return cls(run, span)

    @property
    def ref(self) -> SpanRef:
        """The span, as it is named before the partition is known."""
        milliseconds, _, random = decode(self.span)
        return SpanRef(milliseconds.to_bytes(6, "big") + random.to_bytes(10, "big"))


def called_by(caller: Caller, where: Context | None) -> Context:
    """The context, in which what starts goes on with the caller's run."""
    return context.set_value(_CALLER, caller, where)


def caller_in(where: Context | None) -> Caller | None:
    """Whose run goes on in this context; None stands for the current one."""
    found = context.get_value(_CALLER, where)
    return found if isinstance(found, Caller) else None
