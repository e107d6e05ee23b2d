"""The last look at an agent span before it is encoded: what is masked, what is marked."""

from prefactor_otel.mapping import AgentSpan, Capture
from prefactor_otel.payload.encode import presentable
from prefactor_otel.payload.repairs import Repairs, told
from prefactor_otel.privacy.masking import Masking
from prefactor_otel.privacy.sensitivity import Rule, wrapped


def redacted(span: AgentSpan, capture: Capture) -> AgentSpan:
    """The span as it may leave the process; inputs and outputs are masked already."""
    if capture.mask is not None:
        span = _masked(span, capture.mask)
    return _marked(span, capture.sensitive) if capture.sensitive else span


def _masked(span: AgentSpan, mask: Masking) -> AgentSpan:
    repairs: Repairs = set()
    metadata = span.payload["metadata"]
    assert isinstance(metadata, dict)
    parts: dict[str, object] = {
        "name": mask.text("name", str(span.payload["name"]), repairs),
        "error": mask.value("error", span.payload["error"], repairs),
        "metadata": mask.fields("metadata", metadata, repairs),
    }
    return _with(span, parts, repairs)


def _marked(span: AgentSpan, rules: tuple[Rule, ...]) -> AgentSpan:
    """All of these spans say that they hold sensitive values: the API decodes by span, and one
    whose creation holds none may learn some by its end."""
    repairs: Repairs = set()
    parts = {
        part: wrapped(rules, part, presentable(span.payload[part], repairs))
        for part in ("inputs", "outputs", "error", "metadata")
    }
    return _with(span, parts, repairs)._replace(is_sensitive=True)


def _with(span: AgentSpan, parts: dict[str, object], repairs: Repairs) -> AgentSpan:
    """The span with other parts in its payload, and in its result if that is one of them."""
    metadata, result = parts["metadata"], span.result_payload
    if repairs and isinstance(metadata, dict):
        known = metadata.get("repaired", [])
        metadata["repaired"] = sorted({*map(str, known), *told(repairs)})
    for part in parts.keys() & {"outputs", "error"}:
        made = parts[part]
        if span.result_payload is span.payload[part] and isinstance(made, dict):
            result = made
    return span._replace(payload=span.payload | parts, result_payload=result)
