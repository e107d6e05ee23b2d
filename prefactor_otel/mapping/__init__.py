"""From an OpenTelemetry span to the agent span that the API records: pure functions.

The steps, in order: which type it is (``kind``), what each vocabulary says (``DIALECTS``, trusted
most first), single values (``scalars``), where which content is shown (``layout``), how it ended
(``failure``), what else it carries and what may leave the process (here, ``hygiene``).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final, Literal, NamedTuple, Protocol

from prefactor_otel import hygiene
from prefactor_otel.hygiene import Repair, Repairs
from prefactor_otel.mapping import (
    events,
    genai,
    openai_agents,
    openinference,
    openllmetry,
    pydantic_ai,
    scalars,
    sdks,
    values,
)
from prefactor_otel.mapping.content import EVENTS, Content
from prefactor_otel.mapping.failure import Status, error_of, status_of
from prefactor_otel.mapping.kind import (
    NOTHING,
    TYPE_KEY,
    Below,
    SpanType,
    agent_in,
    agent_name,
    expected_type,
    says_nothing,
    says_what_it_is,
    span_type,
    speaks_late,
    tool_in,
)
from prefactor_otel.mapping.layout import inputs_of, outputs_of
from prefactor_otel.privacy.content import NOT_CAPTURED, Side, side_in_event, side_of
from prefactor_otel.privacy.masking import Masking
from prefactor_otel.privacy.sensitivity import Rule
from prefactor_otel.semconv import logfire
from prefactor_otel.semconv.genai import GenAI
from prefactor_otel.span import LAST_NS, Event, SpanView, snapshot

__all__ = [
    "NOTHING",
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
    "span_type",
    "speaks_late",
    "timestamp",
]


class Dialect(Protocol):
    """One vocabulary: how the names of its attributes begin, and what it reads out of a span
    that has one of them."""

    @property
    def VOCABULARY(self) -> tuple[str, ...]: ...

    def read(self, content: Content, span_type: SpanType, /) -> None: ...


DIALECTS: Final[tuple[Dialect, ...]] = (
    genai,
    openinference,
    events,
    openllmetry,
    pydantic_ai,
    openai_agents,
    sdks,
    values,
)
"""In the order of trust: the first that has something to say fills a slot. A new dialect is a
file of its own and a line here."""

RESERVED: Final = frozenset(
    {
        *("attributes", "dropped_attributes", "events", "kind", "links", "otel.name", "provider"),
        *("repaired", "resource", "response_model", "scope", "session_id", "user_id"),
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

    def __post_init__(self) -> None:
        wanted = self.inputs and self.outputs and self.mask is None
        is_limited = self.max_input_length or self.max_output_length
        object.__setattr__(self, "leaves_fields", wanted and not is_limited)
        hidden = Side.NONE if self.inputs else Side.INPUT
        object.__setattr__(self, "hidden", hidden if self.outputs else hidden | Side.OUTPUT)


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


def agent_span(view: SpanView, capture: Capture, below: Below = NOTHING) -> AgentSpan:
    """The agent span of an OTel span; of an open one, what it carries so far."""
    if view.events:
        view = events.with_details(view)
    kind = _type_of(view, below)
    content = Content(view)
    for dialect in content.names[_spoken, bool(view.events)]:
        dialect.read(content, kind)
    single = scalars.read(content, kind)
    repairs: Repairs = set()
    inputs, outputs = inputs_of(content, kind, single), outputs_of(content, kind, single)
    if not capture.leaves_fields:
        inputs = _captured("inputs", inputs, capture, repairs)
        outputs = _captured("outputs", outputs, capture, repairs)
    name = single.name or _readable(view, kind, single, capture)
    status = status_of(view)
    error = _error(view, capture) if view.status == "error" else None
    payload: dict[str, object] = {
        "span_id": view.key.span_hex,
        "trace_id": view.key.trace_hex,
        "name": name,
        "status": status,
        "inputs": inputs,
        "outputs": outputs,
        "token_usage": single.token_usage,
        "error": error,
        "metadata": _metadata(view, content, single, name, capture, repairs),
    }
    if view.parent is not None and view.parent_is_remote:
        payload["parent_span_id"] = view.parent.span_hex
    return AgentSpan(
        kind,
        kind.schema_name,
        status,
        payload,
        error if error is not None else outputs,
        timestamp(view.start_ns),
        _finished_at(view),
    )


def _type_of(view: SpanView, below: Below) -> SpanType:
    if view.end_ns is None and speaks_late(view.attributes, view.scope_name):
        return expected_type(view.name)
    serves = view.kind == "server" and view.is_local_root
    return span_type(view.attributes, view.name, serves=serves, below=below)


def _spoken(keys: tuple[str, ...], has_events: bool) -> tuple[Dialect, ...]:
    """The dialects that these names belong to."""
    names = (*keys, EVENTS) if has_events else keys
    return tuple(d for d in DIALECTS if any(name.startswith(d.VOCABULARY) for name in names))


def _error(view: SpanView, capture: Capture) -> dict[str, object] | None:
    """How it failed; its text may quote what was asked or answered."""
    error = error_of(view)
    if error is not None and capture.hidden:
        return error | {"message": NOT_CAPTURED, "stacktrace": None}
    return error


def _readable(view: SpanView, kind: SpanType, single: scalars.Scalars, capture: Capture) -> str:
    """The span's name where a person can read it; a model call is named by its model."""
    if kind is SpanType.AGENT:
        return agent_in(view.name)
    if kind is SpanType.TOOL:
        return tool_in(view.name)
    model = single.model
    if model is None or kind is SpanType.RERANKER:
        if "{" in view.name and kind is not SpanType.SPAN and not capture.hidden:
            return str(view.attributes.get(logfire.MESSAGE, view.name))
        return scalars.without_identity(view.name, view.attributes)
    if "{" in view.name:  # a template (Logfire)
        return f"{view.attributes.get(GenAI.OPERATION_NAME, 'call')} {model}"
    named = model in view.name or (single.response_model or model) in view.name
    return view.name if named else model


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
        fields = {name: fields[name] for name in _NO_CONTENT if name in fields}
    if capture.mask is not None:
        fields = capture.mask.fields(part, fields, repairs)
    if not wanted:
        return fields
    length = capture.max_input_length if is_input else capture.max_output_length
    return hygiene.limited(fields, length, repairs)


_NO_CONTENT: Final = ("model", "stop_reason", "count", "dimensions")
"""The fields of inputs and outputs that nobody has said."""


def bare_span(view: SpanView) -> AgentSpan:
    """The agent span of a span that could not be mapped: its ids, name, status and times."""
    payload: dict[str, object] = {
        "span_id": view.key.span_hex,
        "trace_id": view.key.trace_hex,
        "name": view.name,
        "status": status_of(view),
        "inputs": {},
        "outputs": {},
        "token_usage": None,
        "error": None,
        "metadata": {"repaired": [*_repaired(view), str(Repair.UNMAPPABLE)]},
    }
    return AgentSpan(
        kind=SpanType.SPAN,
        schema_name=SpanType.SPAN.schema_name,
        status=status_of(view),
        payload=payload,
        result_payload={},
        started_at=timestamp(view.start_ns),
        finished_at=_finished_at(view),
    )


def timestamp(time_ns: int) -> str:
    """ISO 8601 in UTC with six fraction digits and ``Z``, from nanoseconds since the epoch."""
    if not 0 <= time_ns <= LAST_NS:
        time_ns = min(max(time_ns, 0), LAST_NS)
    return f"{_second(time_ns // 1_000_000_000)}.{time_ns // 1000 % 1_000_000:06d}Z"


@lru_cache(maxsize=1024)  # spans cluster in seconds, and formatting one costs as much as a hash
def _second(seconds: int) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")


def _metadata(
    view: SpanView,
    content: Content,
    single: scalars.Scalars,
    name: str,
    capture: Capture,
    repairs: Repairs,
) -> dict[str, object]:
    metadata = dict(view.attributes)
    for key in content.used:
        metadata.pop(key, None)
    if content.left:
        metadata |= {key: dict(rest) for key, rest in content.left.items()}
    if capture.hidden:
        metadata = _without_content(metadata, capture)
    if capture.max_input_length or capture.max_output_length:
        metadata = _cut_content(metadata, capture, repairs)
    clashing = content.names[_reserved]
    if clashing and not clashing.isdisjoint(metadata):
        metadata["attributes"] = {
            key: metadata.pop(key) for key in sorted(clashing & metadata.keys())
        }
    if single.labels:
        metadata |= single.labels
    metadata["kind"] = view.kind
    if single.response_model is not None:
        metadata["response_model"] = single.response_model
    original = view.name
    if not capture.inputs:
        original = scalars.without_identity(original, view.attributes)
    if name != original:
        metadata["otel.name"] = original
    if view.scope_name:
        metadata["scope"] = {"name": view.scope_name, "version": view.scope_version}
    if len(view.events) > len(content.used_events):
        metadata["events"] = [
            _event(event, capture)
            for number, event in enumerate(view.events)
            if number not in content.used_events
        ]
    if view.links:
        metadata["links"] = [
            {
                "trace_id": key.trace_hex,
                "span_id": key.span_hex,
                "attributes": _without_content(dict(attributes), capture),
            }
            for key, attributes in view.links
        ]
    if view.is_local_root:
        metadata["resource"] = snapshot(view.resource)
    if view.dropped_attributes:
        metadata["dropped_attributes"] = view.dropped_attributes
    repaired = _repaired(view)
    if repaired or repairs:
        metadata["repaired"] = [*repaired, *hygiene.told(repairs)]
    return metadata


def _reserved(keys: tuple[str, ...]) -> frozenset[str]:
    return RESERVED.intersection(keys)


def _repaired(view: SpanView) -> Sequence[str]:
    """What was wrong with the span itself, and is put right."""
    if view.end_ns is None or view.end_ns >= view.start_ns:
        return view.repaired
    return [*view.repaired, str(Repair.END_BEFORE_START)]


def _finished_at(view: SpanView) -> str | None:
    end_ns = view.end_ns
    if end_ns is None:
        return None
    return timestamp(end_ns if end_ns > view.start_ns else view.start_ns)


def _event(event: Event, capture: Capture) -> dict[str, object]:
    attributes = {
        name: value
        for name, value in event.attributes.items()
        if not capture.hidden or not side_in_event(event.name, name) & capture.hidden
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
            found = {name: value for name, value in attributes.items() if side_of(name) & side}
            attributes = attributes | hygiene.limited(found, length, repairs)
    return attributes


def _without_content(attributes: dict[str, object], capture: Capture) -> dict[str, object]:
    hidden = capture.hidden
    if not hidden:
        return attributes
    return {name: value for name, value in attributes.items() if not side_of(name) & hidden}
