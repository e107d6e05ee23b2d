"""From an OpenTelemetry span to the agent span that the API records: pure functions.

What vocabularies say is data (``dialects``), in rules (``rules``, ``types``) that are compiled once
for each shape of span (``plan``). Here the parts are put together: what is told, how it ended
(``errors``), what it is called (``names``), what else it carries and what may leave the process.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final, Literal, NamedTuple, cast

from prefactor_otel.mapping import usage as counting
from prefactor_otel.mapping.dialects.events import with_details
from prefactor_otel.mapping.dialects.words import SESSION_KEYS
from prefactor_otel.mapping.errors import (
    ERROR_TYPE,
    TOOL_ERROR,
    Status,
    error_of,
    said_by,
    status_of,
    tool_failure,
)
from prefactor_otel.mapping.folding import Folded
from prefactor_otel.mapping.layout import gather_prompt, shown
from prefactor_otel.mapping.names import (
    LONGEST_KEPT,
    Models,
    own_name,
    usual_name,
    without_identity,
)
from prefactor_otel.mapping.plan import Plan
from prefactor_otel.mapping.rules import EVENTS
from prefactor_otel.mapping.shape import agent_name, known_of, session_of, shape_of
from prefactor_otel.mapping.telling import Filled, tell, usage_of
from prefactor_otel.mapping.types import (
    AGENT,
    CHAIN,
    EMBEDDING,
    HANDOFF,
    LLM,
    NOTHING,
    TOOL,
    TYPE_KEY,
    Below,
    SpanType,
)
from prefactor_otel.mapping.vocabulary import side_in_rules
from prefactor_otel.payload.encode import limited
from prefactor_otel.payload.repairs import Repair, Repairs, told
from prefactor_otel.privacy.content import NOT_CAPTURED, Side, side_in_event
from prefactor_otel.privacy.masking import Masking
from prefactor_otel.privacy.sensitivity import Rule
from prefactor_otel.privacy.values import can_be_content, settings_alone
from prefactor_otel.spans.view import LAST_NS, Attributes, Event, SpanView, as_dict

__all__ = [
    "NOTHING",
    "SESSION_KEYS",
    "TOTALS",
    "TYPE_KEY",
    "AgentSpan",
    "Below",
    "Capture",
    "SpanType",
    "agent_name",
    "agent_span",
    "bare_span",
    "expected_type",
    "says_nothing",
    "says_what_it_is",
    "session_of",
    "span_type",
    "speaks_late",
    "timestamp",
]

RESERVED: Final = frozenset(
    {
        *("attributes", "dropped_attributes", "events", "kind", "links", "otel.name", "provider"),
        *("repaired", "resource", "response_model", "scope", "session_id", "user_id"),
        *("called_tools", "cost", "prompt", "time_to_first_token", "usage_details"),
        "told_name",
        "uncounted_token_usage",
    }
)
"""Names in the metadata that are ours; attributes of such names stand under ``attributes``."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Capture:
    """Which content may leave the process, how long its texts may be (0: no limit), what is
    masked in everything, and what is marked as sensitive."""

    inputs: bool = True
    outputs: bool = True
    max_input_length: int = 0
    max_output_length: int = 0
    mask: Masking | None = None
    sensitive: tuple[Rule, ...] = ()
    leaves_fields: bool = field(init=False, repr=False, compare=False)
    """Whether inputs and outputs leave as they are: known once, because every span asks."""
    hidden: Side = field(init=False, repr=False, compare=False)
    """The content that is not to leave."""
    hidden_bits: int = field(init=False, repr=False, compare=False)
    """The same as a number."""

    def __post_init__(self) -> None:
        wanted = self.inputs and self.outputs and self.mask is None
        is_limited = self.max_input_length or self.max_output_length
        object.__setattr__(self, "leaves_fields", wanted and not is_limited)
        hidden = Side.NONE if self.inputs else Side.INPUT
        object.__setattr__(self, "hidden", hidden if self.outputs else hidden | Side.OUTPUT)
        object.__setattr__(self, "hidden_bits", self.hidden.value)


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


def with_events(view: SpanView) -> tuple[SpanView, Attributes]:
    """The span with what its events tell in the place of attributes, and all attributes that are
    read: where events hold messages, they are among them."""
    view = with_details(view)
    if any(event.name.startswith("gen_ai.") for event in view.events):
        return view, {**view.attributes, EVENTS: view.events}
    return view, view.attributes


def planned(
    view: SpanView, attributes: Attributes, capture: Capture, below: Below = NOTHING
) -> tuple[SpanType, Plan, Folded]:
    """The type of a span, how it is told, and how its names are folded into those of the plan."""
    shape, folded = shape_of(tuple(attributes))
    known = shape.know(attributes, view.name)
    kind = known.type
    if not known.is_certain:
        serves = view.kind == "server" and view.is_local_root
        kind = known.type_of(view.attributes, view.name, serves, below)
    if view.end_ns is None and speaks_late(view.attributes, view.scope_name):
        kind = expected_type(view.name)
    return kind, known.plan(kind, capture.hidden_bits), folded


def agent_span(view: SpanView, capture: Capture, below: Below = NOTHING) -> AgentSpan:
    """The agent span of an OTel span; of an open one, what it carries so far."""
    attributes = view.attributes
    if view.events:
        view, attributes = with_events(view)
    kind, plan, folded = planned(view, attributes, capture, below)
    filled = tell(plan, folded.unfolded(attributes, plan.lists) if plan.lists else attributes)
    inputs, outputs, single, labels, models, mask, _, _ = filled
    name = _name_of(view, kind, filled, capture)
    usage = None
    if plan.counts_tokens and counts(view, kind, below):
        usage, details, used = _usage(plan, attributes)
        mask |= used
        if details:
            labels["usage_details"] = details
        if usage is not None and kind in TOTALS:  # of what it counts, a reader asks for the model
            models, used = plan.models_of_total(attributes)
            mask |= used
    if plan.tells_prompt:
        gather_prompt(labels)
    inputs, outputs = shown(kind, models[0] or models[1], inputs, outputs, labels)
    repairs: Repairs = set()
    if not capture.leaves_fields:
        inputs = _captured("inputs", inputs, capture, repairs)
        outputs = _captured("outputs", outputs, capture, repairs)
    status, error = status_of(view), None
    if view.status == "error" or kind is TOOL or "failed" in single:
        status, error = _end_of(view, kind, status, filled, capture)
    started_at, finished_at = _times(view, repairs)
    rest = folded.rest(mask | plan.hidden_bits, attributes)
    key, parent = view.key, view.parent
    payload: dict[str, object] = {
        "span_id": key.span_hex,
        "trace_id": key.trace_hex,
        "name": name,
        "status": status,
        "inputs": inputs,
        "outputs": outputs,
        "token_usage": usage,
        "error": error,
        "metadata": _metadata(view, rest, filled, models, name, capture, repairs),
    }
    if parent is not None and view.parent_is_remote:
        payload["parent_span_id"] = parent.span_hex
    return AgentSpan(
        kind,
        kind.schema_name,
        status,
        payload,
        outputs if error is None else error,
        started_at,
        finished_at,
        False,
        str(single["response_id"]) if "response_id" in single else "",
    )


def _usage(plan: Plan, attributes: Attributes) -> tuple[dict[str, int] | None, dict[str, int], int]:
    """What a call counts, the details of it, and the names that are used up."""
    counts, used = usage_of(plan, attributes)
    if not counts:
        return None, {}, used
    if plan.type is EMBEDDING:  # it answers in vectors
        counts.setdefault("completion_tokens", 0)
    return counting.settled(counts) or None, counting.details_of(counts), used


def counts(view: SpanView, kind: SpanType, below: Below = NOTHING) -> bool:
    """Whether such a span's tokens count: those of calls, and the totals of an agent or a step that
    has ended, and under which nothing else has counted any."""
    if kind in COUNTED:
        return True
    return kind in TOTALS and view.end_ns is not None and not below.counted


TOTALS: Final = frozenset({AGENT, CHAIN})
"""What these tell is the sum of what the calls under them took."""
COUNTED: Final = (LLM, EMBEDDING)
"""Types of single calls; on others frameworks repeat totals."""


def _name_of(view: SpanView, kind: SpanType, filled: Filled, capture: Capture) -> str:
    """What a person would call the step."""
    told = cast("str | None", filled.single.get("name"))  # its rules read nothing but texts
    find = usual_name if len(view.name) <= LONGEST_KEPT else usual_name.__wrapped__
    name = find(view.name, kind, told, filled.models)
    if name is not None:
        return name
    if kind is HANDOFF and {"from_agent", "to_agent"} <= filled.inputs.keys():
        return f"{filled.inputs['from_agent']} → {filled.inputs['to_agent']}"
    return own_name(view, kind, filled.models, shows_texts=not capture.hidden)


def _end_of(
    view: SpanView, kind: SpanType, status: Status, filled: Filled, capture: Capture
) -> tuple[Status, dict[str, object] | None]:
    """How it ended, and its error; the text of that may quote what was asked or answered. A tool
    whose result says that it is an error has failed, whatever its status says, and so has a call
    whose response is one."""
    error = error_of(view)
    if status == "complete" and error is None:
        error = _told_failure(view, kind, filled)
        status = "failed" if error is not None else status
    elif kind is TOOL and error is not None and not error["message"]:
        error["message"] = said_by(filled.outputs.get("output"))
    if error is not None and capture.hidden:
        error |= {"message": NOT_CAPTURED, "stacktrace": None}
    return status, error


def _told_failure(view: SpanView, kind: SpanType, filled: Filled) -> dict[str, object] | None:
    """The error that is told without a status."""
    failed = filled.single.get("failed")
    if isinstance(failed, dict):
        return {**failed, "stacktrace": None}
    if kind is not TOOL:
        return None
    told = tool_failure(filled.single, filled.outputs.get("output"), filled.left)
    if told is None:
        return None
    error_type = str(view.attributes.get(ERROR_TYPE) or TOOL_ERROR)
    return {"error_type": error_type, "message": told, "stacktrace": None}


def _captured(
    part: Literal["inputs", "outputs"],
    fields: dict[str, object],
    capture: Capture,
    repairs: Repairs,
) -> dict[str, object]:
    """The fields as they may be sent: masked, then cut to length, because a part of a secret is
    none that a mask knows; of unwanted ones only what is no content."""
    is_input = part == "inputs"
    wanted = capture.inputs if is_input else capture.outputs
    if not wanted:
        fields = _no_content(fields)
    if capture.mask is not None:
        fields = capture.mask.fields(part, fields, repairs)
    if not wanted:
        return fields
    length = capture.max_input_length if is_input else capture.max_output_length
    return limited(fields, length, repairs)


def _no_content(fields: dict[str, object]) -> dict[str, object]:
    """The fields of inputs and outputs that nobody has said."""
    told: dict[str, object] = {
        name: fields[name]
        for name in _NO_CONTENT
        if name in fields and not can_be_content(name, fields[name])
    }
    parameters = fields.get("parameters")
    settings = settings_alone(parameters) if isinstance(parameters, dict) else None
    return {**told, "parameters": settings} if settings else told


_NO_CONTENT: Final = (
    *("model", "stop_reason", "count", "dimensions"),
    *("from_agent", "to_agent", "triggered"),
)


def bare_span(view: SpanView) -> AgentSpan:
    """The agent span of a span that could not be mapped: its ids, name, status and times."""
    repairs: Repairs = {Repair.UNMAPPABLE}
    started_at, finished_at = _times(view, repairs)
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


def timestamp(time_ns: int) -> str:
    """ISO 8601 in UTC with six fraction digits and ``Z``, from nanoseconds since the epoch."""
    try:
        return f"{_second(time_ns // 1_000_000_000)}.{time_ns // 1000 % 1_000_000:06d}Z"
    except OverflowError:
        return timestamp(min(max(time_ns, 0), LAST_NS))


@lru_cache(maxsize=1024)  # spans cluster in seconds, and formatting one costs as much as a hash
def _second(seconds: int) -> str:
    if seconds < 0:
        raise OverflowError("before the epoch")
    return (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")


def _metadata(
    view: SpanView,
    metadata: dict[str, object],
    filled: Filled,
    models: Models,
    name: str,
    capture: Capture,
    repairs: Repairs,
) -> dict[str, object]:
    """What the span carries beside that, and what is said about it."""
    if filled.left:
        metadata |= {key: dict(rest) for key, rest in filled.left.items()}
    original = view.name
    if not capture.leaves_fields:
        metadata = _cut_content(_without_content(metadata, capture), capture, repairs)
        if not capture.inputs:
            original = without_identity(original, view.attributes)
    if not RESERVED.isdisjoint(metadata):
        clashing = sorted(RESERVED & metadata.keys())
        metadata["attributes"] = {key: metadata.pop(key) for key in clashing}
    metadata |= filled.labels
    about = _about if len(original) <= LONGEST_KEPT else _about.__wrapped__
    metadata |= about(
        view.kind,
        view.scope_name,
        view.scope_version,
        models,
        name,
        original,
        filled.single.get("name"),
    )
    if view.events and len(view.events) > len(filled.seen):
        metadata["events"] = [
            _event(event, capture)
            for number, event in enumerate(view.events)
            if number not in filled.seen
        ]
    if view.links:
        metadata["links"] = _links(view, capture)
    if view.parent is None or view.parent_is_remote:
        metadata["resource"] = _without_content(as_dict(view.resource), capture)
    if view.dropped_attributes:
        metadata["dropped_attributes"] = view.dropped_attributes
    if view.repaired or repairs:
        metadata["repaired"] = [*view.repaired, *told(repairs)]
    return metadata


@lru_cache(maxsize=1024)  # many spans say the same
def _about(
    kind: str,
    scope_name: str,
    scope_version: str,
    models: Models,
    name: str,
    original: str,
    told_name: object,
) -> Mapping[str, object]:
    """What is said about a span beside what it carries: whoever adds it to something leaves it as
    it is."""
    about: dict[str, object] = {"kind": kind}
    if None not in models:
        about["response_model"] = models[1]
    if name != original:
        about["otel.name"] = original
    if told_name not in (None, name, original):
        about["told_name"] = told_name
    if scope_name:
        about["scope"] = {"name": scope_name, "version": scope_version}
    return about


def _links(view: SpanView, capture: Capture) -> list[object]:
    return [
        {
            "trace_id": key.trace_hex,
            "span_id": key.span_hex,
            "attributes": _without_content(dict(attributes), capture),
        }
        for key, attributes in view.links
    ]


def _times(view: SpanView, repairs: Repairs) -> tuple[str, str | None]:
    """When it started and ended, as timestamps; nothing ends before it starts."""
    start_ns, end_ns = view.start_ns, view.end_ns
    if end_ns is None:
        return timestamp(start_ns), None
    if end_ns < start_ns:
        repairs.add(Repair.END_BEFORE_START)
        end_ns = start_ns
    return timestamp(start_ns), timestamp(end_ns)


def _event(event: Event, capture: Capture) -> dict[str, object]:
    attributes = {
        name: value
        for name, value in event.attributes.items()
        if not capture.hidden
        or not _is_hidden(side_in_event(event.name, name), name, value, capture.hidden)
    }
    return {"name": event.name, "time": timestamp(event.time_ns), "attributes": attributes}


def _cut_content(
    attributes: dict[str, object], capture: Capture, repairs: Repairs
) -> dict[str, object]:
    """The attributes, with content that no reader has taken up as long as it may be there."""
    for length, side in (
        (capture.max_input_length, Side.INPUT),
        (capture.max_output_length, Side.OUTPUT),
    ):
        if length:
            found = {
                name: value for name, value in attributes.items() if side_in_rules(name) & side
            }
            attributes = attributes | limited(found, length, repairs)
    return attributes


def _without_content(attributes: dict[str, object], capture: Capture) -> dict[str, object]:
    hidden = capture.hidden
    if not hidden:
        return attributes
    return {
        name: value
        for name, value in attributes.items()
        if not _is_hidden(side_in_rules(name), name, value, hidden)
    }


def _is_hidden(side: Side, name: str, value: object, hidden: Side) -> bool:
    """Whether a value is not to leave: its name says so, or says nothing and the value may be
    content."""
    return bool(side & hidden) if side else can_be_content(name, value)


_WRITES_LATE: Final = "openinference.instrumentation."


def span_type(
    attributes: Attributes, name: str = "", *, serves: bool = False, below: Below = NOTHING
) -> SpanType:
    """The type of the span of this name, by the first rule that knows; a span that no vocabulary
    knows is a plain one. ``serves`` says that it is the root of what a server did."""
    return known_of(attributes, name).type_of(attributes, name, serves, below)


def says_what_it_is(attributes: Attributes) -> bool:
    """Whether a vocabulary of AI names the span's kind, be it one that is no type here."""
    return known_of(attributes).shape.has_opinion or TYPE_KEY in attributes


def says_nothing(attributes: Attributes) -> bool:
    """Whether an agent tells neither its name nor what it was asked and answered: with agents
    under it, it is the frame around them."""
    return known_of(attributes).shape.says_nothing


def speaks_late(attributes: Attributes, scope: str) -> bool:
    """Whether an open span is to say what it is, and has not yet: OpenInference's instrumentation
    of LangChain sets every attribute at the span's end. (Of an ended span the scope tells nothing.)
    """
    return scope.startswith(_WRITES_LATE) and not known_of(attributes).shape.has_opinion


def expected_type(name: str) -> SpanType:
    """The type that such a span will have, as that instrumentation decides it for steps."""
    return AGENT if "agent" in name.lower() else CHAIN
