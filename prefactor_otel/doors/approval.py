"""A person is asked before the agent goes on: ``with prefactor_otel.approval("refund"): ...``."""

from collections.abc import Mapping
from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanContext, StatusCode, Tracer

from prefactor_otel.doors.blocks import Block
from prefactor_otel.doors.rating import Rating, thumb
from prefactor_otel.errors import PrefactorError
from prefactor_otel.mapping import TYPE_KEY, SpanType
from prefactor_otel.mapping.dialects.own import ANSWER, DECIDED_BY, INPUTS
from prefactor_otel.mapping.errors import ERROR_TYPE
from prefactor_otel.payload.encode import encode
from prefactor_otel.runs.events import Awaited
from prefactor_otel.runs.explicit import tell
from prefactor_otel.spans.view import SpanKey
from prefactor_otel.version import PACKAGE, __version__

_WORDS: Final = {True: "approved", False: "rejected"}


class Approval:
    """What a person is asked, while they are. Made by ``approval``."""

    def __init__(self, span: Span, tracer: Tracer) -> None:
        self._span = span
        self._tracer = tracer
        self._is_decided = self._is_over = False
        self._rating: str | None = None

    @property
    def span_context(self) -> SpanContext:
        """The ids of the approval's span."""
        return self._span.get_span_context()

    def decided(self, *, by: str, answer: str | bool, rating: Rating | None = None) -> None:
        """Who has answered, and what: True is ``approved``, False ``rejected``. The last answer
        within the block counts. ``rating``, up or down, is what they think of it, and goes where
        dashboards count ratings: ``ValueError`` for any other. Raises ``PrefactorError`` after the
        block, for nobody would see it any more."""
        if self._is_over:
            raise PrefactorError("the approval is over: call decided() inside of its block")
        self._rating = thumb(rating) if rating is not None else None
        self._is_decided = True
        told = _WORDS[answer] if isinstance(answer, bool) else answer
        self._span.set_attributes({ANSWER: told, DECIDED_BY: by})

    def closed(self, error: BaseException | None) -> None:
        """Its block has been left, with this exception."""
        self._is_over = True
        if error is not None:
            self._span.record_exception(error)
            self._span.set_status(StatusCode.ERROR, f"{type(error).__name__}: {error}")
        elif not self._is_decided:
            self._span.set_attribute(ERROR_TYPE, "undecided")
            self._span.set_status(StatusCode.ERROR, "nobody has decided")
        if self._rating is not None:
            self._rate(self._rating)
        self._span.end()

    def _rate(self, rating: str) -> None:
        """A span of its own: what a person thinks is known only now, and the payload of one that
        was sent while it was open stays as it was."""
        _start(self._tracer, "feedback", {"feedback": {"rating": rating}}, of=self._span).end()


class approval(Block[Approval]):
    """Make a block a step in which a person decides, open while it waits: ``with`` or ``async
    with``.

    Under ``PrefactorSpanProcessor`` and its like the step is on the platform at once, so that it is
    seen there while somebody has to decide; under a plain exporter when the block is left. It ends
    as complete if ``decided`` was called, whatever the answer; as failed without a decision, or
    when an exception leaves the block; as cancelled when that is a cancellation. ``inputs`` are
    what is asked. ``tracer`` makes the span, by default one of the global provider.
    """

    def __init__(
        self,
        name: str,
        *,
        inputs: Mapping[str, object] | None = None,
        tracer: Tracer | None = None,
    ) -> None:
        super().__init__()
        self._name = name
        self._inputs = inputs or {}
        self._tracer = tracer

    def _open(self) -> tuple[Approval, Context]:
        tracer = self._tracer or trace.get_tracer(PACKAGE, __version__)
        span = _start(tracer, self._name, self._inputs, SpanType.APPROVAL)
        asked = Approval(span, tracer)
        ids = asked.span_context
        if ids.is_valid:
            tell(Awaited(SpanKey(ids.trace_id, ids.span_id)))
        return asked, trace.set_span_in_context(span)


def _start(
    tracer: Tracer,
    name: str,
    inputs: Mapping[str, object],
    span_type: SpanType = SpanType.SPAN,
    *,
    of: Span | None = None,
) -> Span:
    """A span with these inputs, in the current context or under another one."""
    where = trace.set_span_in_context(of) if of is not None else None
    told = {TYPE_KEY: span_type.value, INPUTS: encode(inputs).decode()}
    return tracer.start_span(name, where, attributes=told)
