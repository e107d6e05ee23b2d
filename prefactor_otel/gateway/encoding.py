"""What OTLP/HTTP says on the wire: a request's spans, and its answers, in protobuf or JSON."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import orjson
from google.protobuf.message import DecodeError
from google.rpc.code_pb2 import Code
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from prefactor_otel.spans import otlp, protobuf
from prefactor_otel.spans.otlp import Describe, Received

Counted = tuple[int, str]
"""How many spans of a request were not taken, and why."""

NONE_REJECTED: Final[Counted] = (0, "")


class UnreadableError(ValueError):
    """A request's body is not what it says. The text quotes nothing of it."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """One of the two in which OTLP is spoken over HTTP."""

    content_type: str
    read: Callable[[bytes, Describe], Received]
    """The spans of a body. Raises ``UnreadableError``."""
    accepted: Callable[[Counted], bytes]
    """The answer to a request that was taken, but for so many of its spans."""
    refused: Callable[[int, str], bytes]
    """The answer to one that was not: a ``google.rpc.Status`` of this code and text."""


def _read_protobuf(body: bytes, describe: Describe) -> Received:
    try:
        request = ExportTraceServiceRequest.FromString(body)
    except DecodeError:
        raise UnreadableError("the body is no ExportTraceServiceRequest in protobuf") from None
    return protobuf.received(request, describe)


def _read_json(body: bytes, describe: Describe) -> Received:
    try:
        document: object = orjson.loads(body)
    except ValueError:
        raise UnreadableError("the body is no JSON") from None
    try:
        return otlp.received(document, describe)
    except ValueError as error:
        raise UnreadableError(f"the body is no ExportTraceServiceRequest: {error}") from None


def _accepted_in_protobuf(counted: Counted) -> bytes:
    response = ExportTraceServiceResponse()
    if counted != NONE_REJECTED:
        response.partial_success.rejected_spans, response.partial_success.error_message = counted
    return response.SerializeToString()


def _accepted_in_json(counted: Counted) -> bytes:
    if counted == NONE_REJECTED:
        return b"{}"
    rejected, why = counted
    return orjson.dumps({"partialSuccess": {"rejectedSpans": str(rejected), "errorMessage": why}})


def _refused_in_protobuf(code: int, text: str) -> bytes:
    status: bytes = Status(code=code, message=text).SerializeToString()
    return status


PROTOBUF: Final = Encoding(
    "application/x-protobuf",
    _read_protobuf,
    _accepted_in_protobuf,
    _refused_in_protobuf,
)
JSON: Final = Encoding(
    "application/json",
    _read_json,
    _accepted_in_json,
    lambda code, text: orjson.dumps({"code": code, "message": text}),
)
ENCODINGS: Final[Mapping[str, Encoding]] = {each.content_type: each for each in (PROTOBUF, JSON)}

CODES: Final[Mapping[int, int]] = {
    400: Code.INVALID_ARGUMENT,
    401: Code.UNAUTHENTICATED,
    404: Code.NOT_FOUND,
    405: Code.UNIMPLEMENTED,
    408: Code.DEADLINE_EXCEEDED,
    413: Code.OUT_OF_RANGE,
    415: Code.INVALID_ARGUMENT,
    429: Code.RESOURCE_EXHAUSTED,
    500: Code.INTERNAL,
    503: Code.UNAVAILABLE,
}
"""The code of ``google.rpc`` that says what the status of HTTP does."""
