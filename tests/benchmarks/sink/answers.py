"""What the sink answers: a request's path and body in, a reply out, and the spans counted."""

import gzip
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from prefactor_otel_transport import pfid

PARTITION: Final = 7
_TIME: Final = "2026-01-01T00:00:00.000000Z"
_EMPTY: Final = b"{}"
_BECOMES: Final = {"agent_instances/start": "active", "agent_instances/finish": "complete"}


@dataclass
class Tally:
    """What has arrived."""

    ended: set[bytes] = field(default_factory=set)
    repeated: int = 0
    requests: int = 0
    begun: int = 0
    runs: int = 0

    def end(self, span: bytes) -> None:
        """A span has arrived in its final state."""
        if span in self.ended:
            self.repeated += 1
        self.ended.add(span)

    def shown(self) -> bytes:
        """The counts as JSON."""
        counts = {"spans": len(self.ended), "repeated": self.repeated}
        return orjson.dumps(
            {**counts, "requests": self.requests, "begun": self.begun, "runs": self.runs}
        )


def answer(path: str, body: bytes, encoding: str, tally: Tally) -> tuple[str, bytes]:
    """The content type and body of the reply to a request of any backend."""
    tally.requests += 1
    if path.endswith("/v1/traces"):
        for span in otlp_spans(_decoded(body, encoding)):
            tally.end(span)
        return "application/x-protobuf", b""
    if path.startswith("/api/v1/"):
        content = orjson.loads(body) if body else {}
        return "application/json", orjson.dumps(_prefactor(path.split("/")[3:], content, tally))
    if path.startswith("/api/public/ingestion"):
        content = orjson.loads(_decoded(body, encoding))
        return "application/json", orjson.dumps(_langfuse_events(content["batch"], tally))
    return "application/json", _EMPTY


def _decoded(body: bytes, encoding: str) -> bytes:
    if encoding == "gzip":
        return gzip.decompress(body)
    return zlib.decompress(body) if encoding == "deflate" else body


# -- Prefactor ----------------------------------------------------------------------------


def _prefactor(parts: list[str], content: dict[str, Any], tally: Tally) -> dict[str, Any]:
    match parts:
        case ["bulk"]:
            outputs = {i["idempotency_key"]: _bulk_output(i, tally) for i in content["items"]}
            return {"status": "success", "outputs": outputs}
        case ["agent_spans"]:
            return _success(_create(content["details"], tally))
        case ["agent_spans", span, "finish"]:
            tally.end(span.encode())
            return _success(_span(span, "complete"))
        case ["agent_instance", "register"]:
            return _success(_instance(pfid.generate(PARTITION), "pending"))
        case ["agent_instance", instance, "finish"]:
            tally.runs += 1
            return _success(_instance(instance, "complete"))
        case ["agent_instance", instance, *rest]:
            tally.begun += rest == ["start"]
            return _success(_instance(instance, "active"))
    return _success({"token_type": "api"})


def _bulk_output(item: dict[str, Any], tally: Tally) -> dict[str, Any]:
    if item["_type"] == "agent_instances/register":
        return _success(_instance(pfid.generate(PARTITION), "pending"))
    tally.begun += item["_type"] == "agent_instances/start"
    tally.runs += item["_type"] == "agent_instances/finish"
    if item["_type"] in _BECOMES:
        return _success(_instance(item["agent_instance_id"], _BECOMES[item["_type"]]))
    if item["_type"] == "agent_spans/finish":
        tally.end(item["agent_span_id"].encode())
        return _success({"id": item["agent_span_id"]})
    return _success({"id": _create(item["details"], tally)["id"]})


def _create(details: dict[str, Any], tally: Tally) -> dict[str, Any]:
    span = details.get("id") or pfid.generate(PARTITION)
    if details.get("finished_at") is not None:
        tally.end(span.encode())
    return _span(span, details["status"])


def _success(details: dict[str, Any]) -> dict[str, Any]:
    return {"status": "success", "details": details}


def _span(span: str, status: str) -> dict[str, Any]:
    return {
        "type": "agent_span",
        "id": span,
        "agent_instance_id": "an instance",
        "schema_name": "a schema",
        "status": status,
    }


def _instance(instance: str, status: str) -> dict[str, Any]:
    named = ("account_id", "agent_id", "agent_version_id", "environment_id", "agent_deployment_id")
    return {
        "type": "agent_instance",
        "id": instance,
        "status": status,
        "inserted_at": _TIME,
        "updated_at": _TIME,
        **dict.fromkeys(named, "some id"),
    }


# -- langfuse -----------------------------------------------------------------------------


def _langfuse_events(events: list[dict[str, Any]], tally: Tally) -> dict[str, Any]:
    for event in events:
        tally.end(str(event["id"]).encode())
    return {"successes": [{"id": e["id"], "status": 201} for e in events], "errors": []}


# -- OTLP ---------------------------------------------------------------------------------

_LENGTH_DELIMITED: Final = 2
_SKIPS: Final[dict[int, Callable[[bytes, int], int]]] = {
    0: lambda data, at: _varint(data, at)[1],
    1: lambda data, at: at + 8,
    5: lambda data, at: at + 4,
}


def otlp_spans(request: bytes) -> Iterator[bytes]:
    """Trace id and span id of every span in an ``ExportTraceServiceRequest``.

    Read by hand, because the sink must be cheap: ``resource_spans`` (1), in each ``scope_spans``
    (2), in each ``spans`` (2), in each ``trace_id`` (1) and ``span_id`` (2).
    """
    for resource_spans in _fields(request, 1):
        for scope_spans in _fields(resource_spans, 2):
            for span in _fields(scope_spans, 2):
                yield next(_fields(span, 1)) + next(_fields(span, 2))


def _fields(message: bytes, wanted: int) -> Iterator[bytes]:
    """The length-delimited fields of this number."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        number, kind = tag >> 3, tag & 7
        if kind != _LENGTH_DELIMITED:
            at = _SKIPS[kind](message, at)
            continue
        length, at = _varint(message, at)
        if number == wanted:
            yield message[at : at + length]
        at += length


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A number and the place behind it."""
    value, shift = 0, 0
    while data[at] & 0x80:
        value |= (data[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
    return value | data[at] << shift, at + 1
