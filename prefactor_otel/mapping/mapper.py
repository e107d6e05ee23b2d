"""Puts the parts of an agent span together: what it is and tells, how it ended, what it is called,
and what else it carries."""

from typing import NamedTuple

from prefactor_otel.mapping.captions import caption_of
from prefactor_otel.mapping.capture import Capture, captured
from prefactor_otel.mapping.dialects.events import with_details
from prefactor_otel.mapping.errors import Status, status_of
from prefactor_otel.mapping.folding import Folded
from prefactor_otel.mapping.kinds import expected_type, speaks_late
from prefactor_otel.mapping.metadata import metadata_of
from prefactor_otel.mapping.moments import times_of
from prefactor_otel.mapping.outcome import end_of
from prefactor_otel.mapping.outline import outline_of
from prefactor_otel.mapping.plan import Plan
from prefactor_otel.mapping.rules import EVENTS
from prefactor_otel.mapping.shape import shape_of
from prefactor_otel.mapping.telling import tell
from prefactor_otel.mapping.tokens import counted, may_count
from prefactor_otel.mapping.types import NOTHING, TOOL, Below, SpanType
from prefactor_otel.payload.repairs import Repair, Repairs, told
from prefactor_otel.spans.view import Attributes, SpanView


class AgentSpan(NamedTuple):
    """An agent span as the API takes it, before its ids. Timestamps are ISO 8601, UTC."""

    kind: SpanType
    schema_name: str
    status: Status
    payload: dict[str, object]
    result_payload: dict[str, object]
    started_at: str
    finished_at: str | None
    is_sensitive: bool = False
    response_id: str = ""
    """The id of the model's answer that the span tells of, where it says one."""


def agent_span(view: SpanView, capture: Capture, below: Below = NOTHING) -> AgentSpan:
    """The agent span of an OTel span; of an open one, what it carries so far."""
    attributes = view.attributes
    if view.events:
        view, attributes = with_events(view)
    plan, folded = planned(view, attributes, capture, below)
    known = folded.unfolded(attributes, plan.lists) if plan.lists else attributes
    parts, named_by, mask, rest = tell(outline_of(plan, known), known)
    inputs, outputs, single, labels = parts
    kind, models, usage = plan.type, named_by, None
    if plan.counts_tokens and may_count(view, kind, below):
        usage, models, used = counted(plan, attributes, models, labels)
        mask |= used
    inputs, outputs = plan.shown(models, inputs, outputs, labels)
    repairs: Repairs = set()
    if not capture.leaves_fields:
        inputs = captured("inputs", inputs, capture, repairs)
        outputs = captured("outputs", outputs, capture, repairs)
    status, error = status_of(view), None
    if view.status == "error" or kind is TOOL or "failed" in single:
        status, error = end_of(view, kind, status, parts, rest, capture)
    started_at, finished_at = times_of(view, repairs)
    name, about = caption_of(view, kind, parts, named_by, models, capture)
    others = folded.rest(mask, attributes)
    key = view.key
    payload: dict[str, object] = {
        "span_id": key.span_hex,
        "trace_id": key.trace_hex,
        "name": name,
        "status": status,
        "inputs": inputs,
        "outputs": outputs,
        "token_usage": usage,
        "error": error,
        "metadata": metadata_of(view, others, labels, about, rest, capture, repairs),
    }
    if view.parent_is_remote and view.parent is not None:
        payload["parent_span_id"] = view.parent.span_hex
    return AgentSpan(
        kind,
        kind.schema_name,
        status,
        payload,
        outputs if error is None else error,
        started_at,
        finished_at,
        False,
        single.get("response_id", ""),
    )


def with_events(view: SpanView) -> tuple[SpanView, Attributes]:
    """The span with what its events tell in the place of attributes, and all attributes that are
    read: where events hold messages, they are among them."""
    view = with_details(view)
    if any(event.name.startswith("gen_ai.") for event in view.events):
        return view, {**view.attributes, EVENTS: view.events}
    return view, view.attributes


def planned(
    view: SpanView, attributes: Attributes, capture: Capture, below: Below = NOTHING
) -> tuple[Plan, Folded]:
    """How a span is told, and how its names are folded into those of the plan."""
    shape, folded = shape_of(tuple(attributes))
    known = shape.know(attributes, view.name)
    kind = known.type
    if not known.is_certain:
        serves = view.kind == "server" and view.is_local_root
        kind = known.type_of(view.attributes, view.name, serves, below)
    if view.end_ns is None and speaks_late(view.attributes, view.scope_name):
        kind = expected_type(view.name)
    return known.plan(kind, capture.hidden_bits), folded


def bare_span(view: SpanView) -> AgentSpan:
    """The agent span of a span that could not be mapped: its ids, name, status and times."""
    repairs: Repairs = {Repair.UNMAPPABLE}
    started_at, finished_at = times_of(view, repairs)
    payload: dict[str, object] = {
        "span_id": view.key.span_hex,
        "trace_id": view.key.trace_hex,
        "name": view.name,
        "status": status_of(view),
        "inputs": {},
        "outputs": {},
        "token_usage": None,
        "error": None,
        "metadata": {"repaired": [*view.repaired, *told(repairs)]},
    }
    return AgentSpan(
        kind=SpanType.SPAN,
        schema_name=SpanType.SPAN.schema_name,
        status=status_of(view),
        payload=payload,
        result_payload={},
        started_at=started_at,
        finished_at=finished_at,
    )
