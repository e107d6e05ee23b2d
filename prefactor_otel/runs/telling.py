"""What is told of a span: by itself, and by what lies above and below it."""

from collections.abc import Mapping, Sequence
from typing import Final

from prefactor_otel.mapping import (
    NOTHING,
    TOTALS,
    AgentSpan,
    Below,
    Capture,
    SpanType,
    agent_name,
    agent_span,
    bare_span,
    says_nothing,
    span_type,
)
from prefactor_otel.runs.calls import (
    details_of,
    item_with_details,
    pass_up,
    tells_more,
    told_before,
    uncounted,
    uncounted_item,
    with_details,
)
from prefactor_otel.runs.counts import Counts
from prefactor_otel.runs.node import AGENTS, COUNTED, Call, Node
from prefactor_otel.runs.nodes import Nodes
from prefactor_otel.runs.parking import Parking
from prefactor_otel.runs.redact import redacted
from prefactor_otel.span_types.declared import SpanTypes
from prefactor_otel.spans.view import Attributes, SpanView

_PERHAPS_AGENTS: Final = (SpanType.AGENT, SpanType.CHAIN)
"""What spans become that are agents, or are wrapped around one."""


class Telling:
    """From the spans of one run to agent spans."""

    def __init__(
        self,
        capture: Capture,
        types: SpanTypes,
        continues: str | None,
        nodes: Nodes,
        parking: Parking,
        counts: Counts,
    ) -> None:
        self._capture = capture
        self._redacts = capture.mask is not None or bool(capture.sensitive)
        self._types = types
        self._continues = continues
        self._nodes = nodes
        self._parking = parking
        self._counts = counts

    def so_far(self, node: Node, view: SpanView) -> AgentSpan:
        """What a span tells now, be it open or not."""
        try:
            span = agent_span(view, self._capture, self._below(node, view))
        except Exception:  # a span that cannot be mapped still goes out
            self._counts.unmappable += 1
            span = bare_span(view)
        if self._types.renames:  # before masks have changed the name of a tool
            span = self._types.named(span, view)
        if self._redacts:
            span = redacted(span, self._capture)
        if self._continues is not None and view.is_local_root:
            _tell_origin(span, self._continues)
        return span

    def told_before(self, node: Node, call: Call) -> tuple[Node, ...]:
        """The counted calls that have told what a span of this call tells again."""
        return told_before(node, call, self._nodes.answers)

    def counted(
        self, node: Node, view: SpanView, span: AgentSpan, call: Call | None, told: Sequence[Node]
    ) -> AgentSpan:
        """What a span tells that has ended, its tokens if they count, where these have ``told``
        before what its ``call`` tells; what lies above it knows then what lies under it."""
        if call is not None:
            span = self._counted(node, span, call, told)
        if span.kind in _PERHAPS_AGENTS:
            node.agent = _agent_in(view.attributes, view.name)
        pass_up(node, span.kind)
        return span

    def _below(self, node: Node, view: SpanView) -> Below:
        if node.child is None:
            return NOTHING
        agents = bool(node.under & AGENTS) or self._runs_agent(node, view)
        counted = bool(node.under & COUNTED)
        return Below(bool(node.below), _agent(node.child), agents, counted)

    def _runs_agent(self, node: Node, view: SpanView) -> bool:
        """Whether an open frame around agents has one of them running somewhere under it."""
        if view.end_ns is not None or span_type(view.attributes) is not SpanType.AGENT:
            return False
        return says_nothing(view.attributes) and any(
            _agent(other) is not None and node in other.open_above()
            for other in self._nodes.open_beside(view.key)
        )

    def _counted(
        self, node: Node, span: AgentSpan, call: Call, before: Sequence[Node]
    ) -> AgentSpan:
        """Of two that tell of one call, the one that counts takes the details of the other, as long
        as that has not been sent."""
        answers = self._nodes.answers
        if not before:
            answers.count(node, call)
            return span
        if len(before) > 1:
            return uncounted(span)
        other = self._one_of(call, before[0])
        if other.parked is not None and other.call is not None and tells_more(call, other.call):
            node.call = call
            span = with_details(span, self._take_over(node, other))
            answers.tell_again(node, call)
            return span
        answers.tell_again(other, call)
        self._add_details(other, details_of(span.payload["token_usage"]))
        return uncounted(span)

    def _one_of(self, call: Call, one: Node) -> Node:
        """What this call tells is counted by this span and, if they did not know of each other, by
        the one that has its answer's id: which of them counts from now on."""
        other = self._nodes.answers.told_before(call)
        if other is None or other is one or other.call is None or one.call is None:
            return one
        if one.call.kind in TOTALS:
            return one
        goes, stays = (
            (one, other) if other.call.has_content > one.call.has_content else (other, one)
        )
        if goes.parked is None:
            goes, stays = stays, goes
        if goes.parked is not None:  # else both are sent
            self._add_details(stays, self._take_over(stays, goes))
        return stays

    def _take_over(self, node: Node, other: Node) -> Mapping[str, int]:
        """A span counts in place of another one that waits; the details that this one knew."""
        assert other.parked is not None
        assert other.call is not None
        is_total = other.call.kind in TOTALS
        self._nodes.answers.take_over(node, other)
        item, details = uncounted_item(other.parked.item)
        self._parking.change(other, item)
        return {} if is_total else details

    def _add_details(self, node: Node, details: Mapping[str, int]) -> None:
        if node.parked is not None and details:
            self._parking.change(node, item_with_details(node.parked.item, details))


def _tell_origin(span: AgentSpan, instance_id: str) -> None:
    """Say of the first span here in which run of another process it goes on."""
    metadata = span.payload["metadata"]
    if isinstance(metadata, dict):
        metadata["continued_from"] = instance_id


def _agent(node: Node) -> str | None:
    """The name of a span, open or ended, that is an agent."""
    source = node.source
    if source is None or node.has_ended:
        return node.agent
    return _agent_in(source.attributes, source.name)


def _agent_in(attributes: Attributes, name: str) -> str | None:
    """The agent that a span of this name is, or is wrapped around."""
    is_agent = span_type(attributes) is SpanType.AGENT
    return agent_name(attributes, name) if is_agent else None
