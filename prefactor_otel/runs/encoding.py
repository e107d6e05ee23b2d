"""From an agent span to the item that creates or finishes it: each payload is encoded once."""

from hashlib import blake2b

import orjson

from prefactor_otel.delivery.operation import Item, Operation, SpanRef, new_item
from prefactor_otel.mapping import AgentSpan
from prefactor_otel.mapping.errors import Status
from prefactor_otel.payload.encode import item_body
from prefactor_otel.spans.view import SpanKey
from prefactor_otel_transport import pfid


def span_ref(run: str, key: SpanKey, start_ns: int) -> SpanRef:
    """The ref of a span within a run. The run is part of it because a forked child that ends
    its copy of a span must not take the parent process's id for it."""
    return _ref(run, key.hex, start_ns)


def _ref(run: str, span: str, start_ns: int) -> SpanRef:
    milliseconds = start_ns // 1_000_000
    if not 0 <= milliseconds <= pfid.MAX_TIMESTAMP_MS:
        milliseconds = min(max(milliseconds, 0), pfid.MAX_TIMESTAMP_MS)
    named = f"{run:.32}{span}".encode()  # no call of ``name_of``: of every span
    random = blake2b(named, digest_size=10, usedforsecurity=False).digest()
    return SpanRef(milliseconds.to_bytes(6, "big") + random)


def span_idempotency_key(run: str, key: SpanKey, operation: Operation) -> str:
    """8 to 64 characters, as bulk demands; never different for the same span and operation."""
    return _key(run, key.hex, operation)


def _key(run: str, span: str, operation: Operation) -> str:
    return f"{run[:12]}{span}{operation[0]}"


def finish_key_of(create_key: str) -> str:
    """The key that finishes the span which this one created."""
    return create_key[:-1] + Operation.FINISH_SPAN[0]


def create_item(
    run: str,
    key: SpanKey,
    start_ns: int,
    span: AgentSpan,
    max_bytes: int,
    *,
    ends_span: bool = True,
) -> Item:
    """The item that creates the span, in the state in which it is; its parent is still open."""
    details: dict[str, object] = {
        "schema_name": span.schema_name,
        "status": span.status,
        "started_at": span.started_at,
        "finished_at": span.finished_at,
        "payload": span.payload,
        "result_payload": span.result_payload if span.finished_at is not None else None,
    }
    if span.is_sensitive:
        details["sensitive_encoding"] = True
    body = item_body(details, max_bytes)[1:-1]
    named = key.hex
    ref = _ref(run, named, start_ns)
    operation = Operation.CREATE
    return new_item((run, operation, _key(run, named, operation), body, ref, None, ends_span))


def finish_item(
    run: str, key: SpanKey, ref: SpanRef, span: AgentSpan, created: AgentSpan, max_bytes: int
) -> Item:
    """The item that finishes a span created early.

    The API's finish never changes a payload, so what the span learnt since its creation travels
    in the result: ``inputs`` and ``metadata`` hold only what is new or different,
    ``token_usage`` what the payload could not say yet.
    """
    result = dict(span.result_payload)
    for part in ("inputs", "metadata"):
        late = _changes(created.payload[part], span.payload[part])
        if late:
            result[part] = late
    if span.payload["token_usage"] != created.payload["token_usage"]:
        result["token_usage"] = span.payload["token_usage"]
    content: dict[str, object] = {
        "status": span.status,
        "timestamp": span.finished_at,
        "result_payload": result,
    }
    if span.is_sensitive:
        content["sensitive_encoding"] = True
    body = item_body(content, max_bytes)[1:-1]
    idempotency_key = span_idempotency_key(run, key, Operation.FINISH_SPAN)
    return Item(run, Operation.FINISH_SPAN, idempotency_key, body, span=ref, ends_span=True)


def with_otel_parent(item: Item, parent: str) -> Item:
    """The create item of a span whose parent has no record: the OTel parent's id (16
    hexadecimal characters) goes into the payload. Rare, so decoding the body again is cheaper
    than carrying it twice."""
    details = orjson.loads(b"{" + item.body + b"}")
    details["payload"]["parent_span_id"] = parent
    return Item(
        item.run,
        item.operation,
        item.key,
        orjson.dumps(details)[1:-1],
        span=item.span,
        ends_span=item.ends_span,
    )


def status_in(item: Item) -> Status:
    """What the create item of a span that has ended says of how. As rare."""
    status: Status = orjson.loads(b"{" + item.body + b"}")["status"]
    return status


def _changes(before: object, after: object) -> dict[str, object]:
    if not isinstance(before, dict) or not isinstance(after, dict):
        return {}
    return {key: value for key, value in after.items() if _differ(before.get(key), value)}


def _differ(before: object, after: object) -> bool:
    try:
        return before != after
    except RecursionError:  # nested too deep to compare
        return True
