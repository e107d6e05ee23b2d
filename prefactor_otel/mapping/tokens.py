"""The tokens that a span counts, out of the attributes in which its plan finds counts."""

from typing import Final

from prefactor_otel.mapping import usage as counting
from prefactor_otel.mapping.plan import Plan
from prefactor_otel.mapping.shapes.texts import parsed
from prefactor_otel.mapping.types import AGENT, CHAIN, EMBEDDING, LLM, NOTHING, Below, SpanType
from prefactor_otel.spans.view import Attributes, SpanView

TOTALS: Final = frozenset({AGENT, CHAIN})
"""What these tell is the sum of what the calls under them took."""
COUNTED: Final = (LLM, EMBEDDING)
"""Types of single calls; on others frameworks repeat totals."""


def may_count(view: SpanView, kind: SpanType, below: Below = NOTHING) -> bool:
    """Whether such a span's tokens count: those of calls, and the totals of an agent or a step that
    has ended, and under which nothing else has counted any."""
    if kind in COUNTED:
        return True
    return kind in TOTALS and view.end_ns is not None and not below.counted


def tokens_of(
    plan: Plan, attributes: Attributes
) -> tuple[counting.Usage | None, counting.Usage, int]:
    """What a call counts, the details of it, and the names that are used up."""
    counts, used = usage_of(plan, attributes)
    if not counts:
        return None, {}, used
    if plan.type is EMBEDDING:  # it answers in vectors
        counts.setdefault("completion_tokens", 0)
    return counting.settled(counts) or None, counting.details_of(counts), used


def usage_of(plan: Plan, attributes: Attributes) -> tuple[counting.Usage, int]:
    """The counts that attributes tell, and the names that are used up with them."""
    usage: counting.Usage = {}
    mask, agree = 0, True
    for count, key, bit in plan.counts:
        tokens = attributes[key]
        if type(tokens) is not int or tokens < 0:
            whole = counting.whole_number(tokens)
            if whole is None:
                continue
            tokens = whole
        if usage.setdefault(count, tokens) == tokens:
            mask |= bit
        else:
            agree = False
    if not agree:
        usage, mask = _agreed(plan, attributes)
    for key in plan.objects:
        if _add_object(usage, attributes[key]):
            mask |= plan.bits[key]
    for key, read in plan.responses if usage else plan.responses_at_last:
        for count, tokens in (read(attributes[key]) or {}).items():
            usage.setdefault(count, tokens)
    return usage, mask


def _agreed(plan: Plan, attributes: Attributes) -> tuple[counting.Usage, int]:
    told = [
        (count, tokens, bit)
        for count, key, bit in plan.counts
        if (tokens := counting.whole_number(attributes[key])) is not None
    ]
    usage = counting.agreeing([(count, tokens) for count, tokens, _ in told])
    mask = 0
    for count, tokens, bit in told:
        mask |= bit if usage[count] == tokens else 0
    return usage, mask


def _add_object(usage: counting.Usage, value: object) -> bool:
    """Add what an object of counts holds and the plain attributes did not tell;
    whether that is all it holds."""
    counts = parsed(value)
    if not isinstance(counts, dict):
        return False
    for count, tokens in counting.counts_in(counts).items():
        usage.setdefault(count, tokens)
    return counting.holds_only_counts(counts)
