"""Which spans are sent: the option ``span_filter`` as a judgement of one span at a time.

What hangs on a span that is left out is the tree's to say.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, cast

from prefactor_otel.mapping import SpanType, says_what_it_is, span_type, speaks_late
from prefactor_otel.spans.view import Attributes, SpanView

SpanFilter = str | Sequence[str] | Callable[[SpanView], object]
"""``all``, ``agent``, names of instrumentation scopes, or a function that says whether a span is
to be sent."""

ALL: Final = "all"
AGENT: Final = "agent"
_NOT: Final = "-"
_NOISE: Final = ("http.", "db.", "rpc.", "messaging.")
"""How the attributes of what a library records of its traffic begin (OpenTelemetry's semantic
conventions)."""


class Decision(Enum):
    """What becomes of a span."""

    KEEP = "keep"
    LEAVE_OUT = "leave out"
    KEEP_BETWEEN = "keep between"
    """It is sent if one that is kept lies under it and one above it."""


@dataclass(frozen=True, slots=True)
class Scopes:
    """Instrumentation scopes by name; ``opentelemetry.instrumentation`` stands for all whose
    names begin with it and a dot, too."""

    wanted: tuple[str, ...]
    unwanted: tuple[str, ...]

    def has(self, scope: str) -> bool:
        """Whether spans of this scope are sent."""
        within = f"{scope}."
        is_wanted = not self.wanted or within.startswith(self.wanted)
        return is_wanted and not (self.unwanted and within.startswith(self.unwanted))


@dataclass(frozen=True, slots=True)
class CompiledFilter:
    """Judges spans. ``scopes``: where these alone decide, which they do at a span's start."""

    judge: Callable[[SpanView], Decision]
    scopes: Scopes | None = None

    def leaves_out(self, scope: str) -> bool:
        """Whether no span of this scope will be sent, whatever it says."""
        return self.scopes is not None and not self.scopes.has(scope)


def usable_filter(given: object) -> SpanFilter:
    """The option as it may be given, in a variable as names with commas between. Raises
    ``ValueError``."""
    if callable(given):
        return cast("Callable[[SpanView], object]", given)
    names = given.split(",") if isinstance(given, str) else given
    if not isinstance(names, (list, tuple, set, frozenset)) or not names:
        raise ValueError("must be all, agent, names of instrumentation scopes, or a function")
    if not all(isinstance(name, str) and name.strip().strip(_NOT) for name in names):
        raise ValueError("must hold names of instrumentation scopes")
    found: tuple[str, ...] = tuple(name.strip() for name in names)
    words = {name.lower() for name in found} & {ALL, AGENT}
    if words and len(found) == 1:
        return words.pop()
    if words:
        raise ValueError("must not mix all or agent with names of instrumentation scopes")
    return found


def compiled(span_filter: SpanFilter, warn: Callable[[str], None]) -> CompiledFilter | None:
    """The span_filter of this option; None where every span is sent. A function of the application
    that raises keeps the span; ``warn`` gets a text for the log, without content."""
    if span_filter == ALL:
        return None
    if span_filter == AGENT:
        return CompiledFilter(by_meaning)
    if callable(span_filter):
        return CompiledFilter(_asking(span_filter, warn))
    scopes = _scopes(span_filter)
    return CompiledFilter(lambda view: _kept_if(scopes.has(view.scope_name)), scopes)


def by_meaning(view: SpanView) -> Decision:
    """AI spans are kept, and of the others what may lie between them; traffic is not."""
    attributes = view.attributes
    if says_what_it_is(attributes) or span_type(attributes) is not SpanType.SPAN:
        return Decision.KEEP
    if view.end_ns is None and speaks_late(attributes, view.scope_name):
        return Decision.KEEP
    return Decision.LEAVE_OUT if _is_noise(attributes) else Decision.KEEP_BETWEEN


def _is_noise(attributes: Attributes) -> bool:
    return any(key.startswith(_NOISE) for key in attributes)


def _scopes(names: Sequence[str]) -> Scopes:
    wanted = tuple(f"{name}." for name in names if not name.startswith(_NOT))
    unwanted = tuple(f"{name[1:]}." for name in names if name.startswith(_NOT))
    return Scopes(wanted, unwanted)


def _asking(
    wants: Callable[[SpanView], object], warn: Callable[[str], None]
) -> Callable[[SpanView], Decision]:
    def judge(view: SpanView) -> Decision:
        try:
            return _kept_if(bool(wants(view)))
        except BaseException as error:  # a SystemExit, too, concerns this span alone
            warn(f"span_filter raised {type(error).__name__}; the span is kept")
            return Decision.KEEP

    return judge


def _kept_if(wanted: bool) -> Decision:
    return Decision.KEEP if wanted else Decision.LEAVE_OUT
