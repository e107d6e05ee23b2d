"""What becomes of a span by the run's filter, and by what lies under it."""

from prefactor_otel.runs.node import KEPT, Node
from prefactor_otel.span_types.span_filter import CompiledFilter, Decision
from prefactor_otel.spans.view import SpanView


def judged(span_filter: CompiledFilter | None, node: Node, view: SpanView) -> Decision:
    """What is to become of a span by what is known of it now; that it is kept is passed on."""
    if span_filter is None or node.ref is not None:
        return Decision.KEEP
    verdict = span_filter.judge(view)
    if verdict is Decision.KEEP_BETWEEN and not node.under & KEPT:
        verdict = Decision.LEAVE_OUT
    if node.parent is not None and (verdict is Decision.KEEP or node.under & KEPT):
        node.parent.under |= KEPT
    return verdict


def note_above(span_filter: CompiledFilter, node: Node) -> None:
    """If an open span is kept, all that is open above it lies above one."""
    assert node.source is not None
    verdict = judged(span_filter, node, node.source.read())
    if verdict is not Decision.LEAVE_OUT or node.under & KEPT:
        for above in node.open_above():
            above.under |= KEPT
