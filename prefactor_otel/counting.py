"""Every answer of a model is counted once, however many spans tell of it.

Two instrumentations record one call as an LLM span inside an LLM span, or as two spans with the
same response id. The first to end keeps ``token_usage``: children end before their parents, so
that is the innermost. The other's numbers go to the metadata.
"""

from collections import OrderedDict
from dataclasses import replace
from typing import Final

from prefactor_otel.mapping import AgentSpan, SpanType
from prefactor_otel.span import SpanKey, SpanView

RESPONSE_IDS: Final = ("gen_ai.response.id", "llm.response.id")
RESPONSE: Final = "output.value"
"""The whole response (OpenInference); of OpenAI's and Anthropic's the id comes first."""
OTHERS: Final = (SpanType.TOOL.schema_name, SpanType.AGENT.schema_name)
"""What these call are calls of their own, also below a model's: ADK runs tools inside of them."""
UNCOUNTED: Final = "uncounted_token_usage"
_LONGEST_ID: Final = 200
MAX_REMEMBERED: Final = 50_000
"""Spans and responses that are remembered; past it the oldest are forgotten."""


class CallCounter:
    """Remembers, for one run, which calls have been counted and what lies above them."""

    def __init__(self) -> None:
        self._above_calls: OrderedDict[SpanKey, None] = OrderedDict()
        self._scope_of: OrderedDict[str, str] = OrderedDict()

    def once(self, view: SpanView, span: AgentSpan) -> AgentSpan:
        """The span as it may be counted. To be called for each span as it ends."""
        usage = span.payload["token_usage"]
        calls_below = view.key in self._above_calls
        counted = usage is not None and not calls_below and not self._is_twin(view)
        tells = (counted or calls_below) and span.schema_name not in OTHERS
        if tells and view.parent is not None and not view.parent_is_remote:
            self._above_calls[view.parent] = None
            if len(self._above_calls) > MAX_REMEMBERED:
                self._above_calls.popitem(last=False)
        return span if counted or usage is None else _uncounted(span)

    def _is_twin(self, view: SpanView) -> bool:
        """Whether another instrumentation has told of the same response. Only another one: a
        single instrumentation tells of each call once, so equal ids are the server's doing."""
        response = _response_id(view)
        if response is None:
            return False
        scope = self._scope_of.setdefault(response, view.scope_name)
        if len(self._scope_of) > MAX_REMEMBERED:
            self._scope_of.popitem(last=False)
        return scope != view.scope_name


def _response_id(view: SpanView) -> str | None:
    for key in RESPONSE_IDS:
        told = view.attributes.get(key)
        if isinstance(told, str) and told:
            return told
    response = view.attributes.get(RESPONSE)
    if not isinstance(response, str) or not response.startswith('{"id":'):
        return None
    quoted = response[:_LONGEST_ID].split('"', 4)  # {, id, :, the id, the rest
    return quoted[3] if len(quoted) == 5 and quoted[2].strip() == ":" and quoted[3] else None


def _uncounted(span: AgentSpan) -> AgentSpan:
    metadata = span.payload["metadata"]
    assert isinstance(metadata, dict)
    moved = metadata | {UNCOUNTED: span.payload["token_usage"]}
    return replace(span, payload=span.payload | {"token_usage": None, "metadata": moved})
