"""The tokens that a span counts, out of the attributes in which its plan finds counts."""

from prefactor_otel.mapping import usage as counting
from prefactor_otel.mapping.layout import Fields
from prefactor_otel.mapping.names import Models
from prefactor_otel.mapping.plan import Plan
from prefactor_otel.mapping.shapes.texts import parsed
from prefactor_otel.mapping.types import CALLS, EMBEDDING, NOTHING, TOTALS, Below, SpanType
from prefactor_otel.spans.view import Attributes, SpanView


def may_count(view: SpanView, kind: SpanType, below: Below = NOTHING) -> bool:
    """Whether such a span's tokens count: those of calls, and the totals of an agent or a step that
    has ended, and under which nothing else has counted any."""
    if kind in CALLS:
        return True
    return kind in TOTALS and view.end_ns is not None and not below.counted


def counted(
    plan: Plan, attributes: Attributes, models: Models, labels: Fields
) -> tuple[counting.Usage | None, Models, int]:
    """What a span counts, the models that it names then, and the names that are used up with that;
    the details of it go to the labels."""
    counts, mask = usage_of(plan, attributes)
    if not counts:
        return None, models, mask
    if plan.type is EMBEDDING:  # it answers in vectors
        counts.setdefault(counting.COMPLETION, 0)
    usage = counting.settled(counts)
    if not counts.keys() <= usage.keys():
        labels["usage_details"] = counting.details_of(counts)
    if usage and plan.type in TOTALS:  # of what it counts, a reader asks for the model
        models, used = plan.models_of_total(attributes)
        mask |= used
    return usage or None, models, mask


def usage_of(plan: Plan, attributes: Attributes) -> tuple[counting.Usage, int]:
    """The counts that attributes tell, and the names that are used up with them."""
    usage: counting.Usage = {}
    mask = 0
    if plan.counts:
        told = _plain(plan, attributes) if plan.counts_once else None
        usage, mask = _weighed(plan, attributes) if told is None else (told, plan.counted_bits)
    if plan.holds_counts:
        for key in plan.objects:
            if _add_object(usage, attributes[key]):
                mask |= plan.bits[key]
        for key, read in plan.responses if usage else plan.responses_at_last:
            for count, tokens in (read(attributes[key]) or {}).items():
                usage.setdefault(count, tokens)
    return usage, mask


def _plain(plan: Plan, attributes: Attributes) -> counting.Usage | None:
    """The counts that attributes tell, where all are whole numbers indeed and none is below 0."""
    usage: counting.Usage = {}
    for count, key, _ in plan.counts:
        tokens = attributes[key]
        if type(tokens) is not int or tokens < 0:
            return None
        usage[count] = tokens
    return usage


def _weighed(plan: Plan, attributes: Attributes) -> tuple[counting.Usage, int]:
    """The same of attributes of which several tell the same count, or some are no plain numbers."""
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
