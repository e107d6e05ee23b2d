"""The roots of the traces of a request: senders tell of them last, and they say whose a run is."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from prefactor_otel.gateway.reader import Entry
from prefactor_otel.runs.naming import AGENT_ID, AGENT_NAME, Named, named_in
from prefactor_otel.spans.protobuf import ProtobufSpan
from prefactor_otel.spans.view import Attributes, SpanKey

UNNAMED_SERVICE: Final = "unknown_service"
"""What a service without a name is called, by OpenTelemetry."""
_NAMES: Final = (AGENT_ID, AGENT_NAME)


class Root(NamedTuple):
    """What a root says of the run of its trace, and nothing else of it."""

    key: SpanKey
    parent: SpanKey | None
    attributes: Attributes
    resource: Attributes
    start_ns: int

    @property
    def agent(self) -> Named:
        """Whom it names."""
        return named_in(self.attributes, self.resource)

    @property
    def tenant(self) -> str:
        """Who the spans of the trace are told and counted as."""
        agent = self.agent
        return agent.name or agent.id or str(self.resource.get("service.name") or UNNAMED_SERVICE)


def roots_of(spans: Iterable[Entry]) -> dict[int, Root]:
    """The root of each trace, by its id, as far as it is among these spans: the one without a
    parent, or else the first whose parent is in another process."""
    roots: dict[int, Root] = {}
    for span in spans:
        if span.is_local_root:
            root = _root(span)
            known = roots.get(root.key.trace_id)
            if known is None or (known.parent is not None and root.parent is None):
                roots[root.key.trace_id] = root
    return roots


def agent_of(span: Entry, roots: Mapping[int, Root]) -> Named:
    """Whom the root of a span names, or, without one, the span."""
    return (roots.get(span.key.trace_id) or _root(span)).agent


def counted(spans: Iterable[Entry], roots: Mapping[int, Root]) -> Counter[str]:
    """How many of the spans are whose: by the name or id of the agent, else by the service, that
    the root of their trace says, or else the first of them."""
    names: dict[int, str] = {}
    counts: Counter[str] = Counter()
    for span in spans:
        trace = span.trace_id
        name = names.get(trace)
        if name is None:
            name = names[trace] = (roots.get(trace) or _root(span)).tenant
        counts[name] += 1
    return counts


def _root(span: Entry) -> Root:
    return Root(span.key, span.parent, _said(span), span.resource, span.start_ns)


def _said(span: Entry) -> Attributes:
    if isinstance(span, ProtobufSpan):
        return span.texts(_NAMES)
    return {name: span.attributes[name] for name in _NAMES if name in span.attributes}
