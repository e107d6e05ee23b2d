"""Every answer of a model is counted once, however many spans tell of it.

Two instrumentations record one call as an LLM span inside an LLM span, or as two spans with the
same response id. One of them keeps ``token_usage``: the one that came first, which is the
innermost, unless only the other holds the content; what the other knows beside, of cached tokens
and thoughts, it leaves behind. An agent that tells what its calls took counts where none of them
did. The numbers of who does not count go to its metadata.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import orjson

from prefactor_otel.delivery.operation import Item
from prefactor_otel.mapping import TOTALS, AgentSpan, SpanType
from prefactor_otel.mapping.usage import CACHED, REASONING, WRITTEN, settled
from prefactor_otel.runs.node import AGENTS, COUNTED, Call, Node
from prefactor_otel.spans.view import SpanView

OTHERS: Final = frozenset(
    {
        *(SpanType.TOOL, SpanType.AGENT, SpanType.RETRIEVER),
        *(SpanType.GUARDRAIL, SpanType.EVALUATOR),
    }
)
"""What these call are calls of their own, also below a model's: ADK runs tools inside of them."""
DETAILS: Final = (CACHED, WRITTEN, REASONING)
UNCOUNTED: Final = "uncounted_token_usage"
CONTENT: Final = frozenset({"messages", "input", "content"})
MAX_HEIGHT: Final = 64
"""Spans above one that are asked what they have told, at most."""


class Answers:
    """Which span counts the answer of a model that has this id, and which instrumentations have
    told of it. One tells of each call once, so equal ids within it are the server's doing."""

    def __init__(self) -> None:
        self._told: dict[str, tuple[Node, tuple[str, ...]]] = {}

    def told_before(self, call: Call) -> Node | None:
        """The span that counts what this call tells again."""
        told = self._told.get(call.response)
        return told[0] if told is not None and call.scope_name not in told[1] else None

    def count(self, node: Node, call: Call) -> None:
        """This call counts, and nothing before it has told of it."""
        node.call = call
        if call.response:
            self._told[call.response] = node, (call.scope_name,)

    def tell_again(self, node: Node, call: Call) -> None:
        """A call tells what this span counts; a third may tell of it by the id of this one."""
        told = self._told.get(call.response, (node, ()))
        if node.call is not None and call.response and told[0] is node:
            node.call = node.call.known_as(call.response)
            self._told[call.response] = node, (*told[1], call.scope_name)

    def take_over(self, node: Node, other: Node) -> None:
        """A span counts in place of another one."""
        assert node.call is not None
        for answer in self._answers_of(other):
            node.call = node.call.known_as(answer)
            self._told[answer] = node, self._told[answer][1]
        other.call = None

    def forget(self, node: Node) -> None:
        """A span is forgotten."""
        for answer in self._answers_of(node):
            del self._told[answer]

    def _answers_of(self, node: Node) -> Sequence[str]:
        if node.call is None:
            return ()
        told = self._told
        return [name for name in node.call.answers if name in told and told[name][0] is node]


def told_before(node: Node, call: Call, answers: Answers) -> tuple[Node, ...]:
    """The counted calls that have told what this span tells again: under it, above it (if that
    came first), or of the same response."""
    if node.below:
        same = tuple(below for below in node.below if _is_same(call, below.call))
        if same:
            return same
    above, is_within, height = node.parent, True, 0
    while above is not None and above.has_ended and height < MAX_HEIGHT:
        told = above.call
        if told is not None and (told.kind in TOTALS or (is_within and _is_same(call, told))):
            return (above,)
        is_within = is_within and not above.has_own_calls
        above, height = above.parent, height + 1
    same_answer = answers.told_before(call)
    return (same_answer,) if same_answer is not None else ()


def tells_more(call: Call, told: Call) -> bool:
    """Whether a call is to count in place of one that has told of it: it has the content and the
    other has not, or the other is a total over calls."""
    return told.kind in TOTALS or (call.has_content and not told.has_content)


def pass_up(node: Node, kind: SpanType) -> None:
    """A span of this kind has ended: its parent knows then what lies under it."""
    parent, below, under = node.parent, node.below, node.under
    if below:
        node.below = ()
    if node.call is not None:
        below, under = (node,), under | COUNTED
    if node.agent is not None:
        under |= AGENTS
    if kind in OTHERS:
        node.has_own_calls = True
    elif below and parent is not None:
        parent.below = (*parent.below, *below)[:2]
    if under and parent is not None:
        parent.under |= under


def call_of(view: SpanView, span: AgentSpan) -> Call | None:
    """What a span with ``token_usage`` tells of; None for any other."""
    usage = span.payload["token_usage"]
    if not isinstance(usage, dict):
        return None
    response = span.response_id
    answers = (response,) if response else ()
    return Call(span.kind, view.scope_name, response, _has_content(span), answers)


def hesitates(span: AgentSpan) -> bool:
    """Whether a root may be told of by another one, with its content or more of its details: it
    has the id of an answer, which the other would have, too."""
    counts = span.payload["token_usage"] is not None and span.kind not in TOTALS
    return counts and bool(span.response_id)


def details_of(usage: object) -> Mapping[str, int]:
    """What a usage tells beside its totals."""
    return (
        {name: usage[name] for name in DETAILS if name in usage} if isinstance(usage, dict) else {}
    )


def with_details(span: AgentSpan, details: Mapping[str, int]) -> AgentSpan:
    """The span with the details that its own usage lacks."""
    return span._replace(payload=_detailed(span.payload, details)) if details else span


def item_with_details(item: Item, details: Mapping[str, int]) -> Item:
    """The same for a span that is encoded already."""
    if not details:
        return item
    fields = orjson.loads(b"{" + item.body + b"}")
    fields["payload"] = _detailed(fields["payload"], details)
    return item._replace(body=orjson.dumps(fields)[1:-1])


def _detailed(payload: dict[str, object], details: Mapping[str, int]) -> dict[str, object]:
    usage = payload["token_usage"]
    if not isinstance(usage, dict):
        return payload
    return payload | {"token_usage": settled({**details, **usage})}


def _is_same(call: Call, told: Call | None) -> bool:
    """Whether a call may be the one above or below it: not one of another type, nor one that the
    same instrumentation tells of with another response."""
    if told is None or call.kind is not told.kind:
        return False
    known = call.response and told.response and call.scope_name == told.scope_name
    return not known or call.response == told.response


def uncounted(span: AgentSpan) -> AgentSpan:
    """The span with its numbers where nobody adds them up."""
    return span._replace(payload=_moved(span.payload))


def uncounted_item(item: Item) -> tuple[Item, Mapping[str, int]]:
    """The same for a span that is encoded already, and the details that it knew."""
    fields = orjson.loads(b"{" + item.body + b"}")
    details = details_of(fields["payload"]["token_usage"])
    fields["payload"] = _moved(fields["payload"])
    return item._replace(body=orjson.dumps(fields)[1:-1]), details


def _moved(payload: dict[str, object]) -> dict[str, object]:
    metadata = payload["metadata"]
    assert isinstance(metadata, dict)
    moved = metadata | {UNCOUNTED: payload["token_usage"]}
    return payload | {"token_usage": None, "metadata": moved}


def _has_content(span: AgentSpan) -> bool:
    payload = span.payload
    return _holds_content(payload["outputs"]) or _holds_content(payload["inputs"])


def _holds_content(part: object) -> bool:
    return isinstance(part, dict) and not CONTENT.isdisjoint(part)
