"""What OTLP/HTTP says on the wire: a request's spans, and its answers, in protobuf or JSON."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

import orjson
from google.protobuf.message import DecodeError
from google.rpc.code_pb2 import Code
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from prefactor_otel.mapping.dialects.events import RECORDED
from prefactor_otel.spans import otlp, protobuf
from prefactor_otel.spans.logs import Recorded
from prefactor_otel.spans.otlp import Describe, Received
from prefactor_otel.spans.protobuf import ProtobufSpan
from prefactor_otel.spans.view import SpanView

Counted = tuple[int, str]
"""How much of a request was not taken, and why."""
Rejected = Literal["rejectedSpans", "rejectedLogRecords"]
"""What that is, as OTLP names its number in JSON."""

NONE_REJECTED: Final[Counted] = (0, "")


class UnreadableError(ValueError):
    """A request's body is not what it says. The text quotes nothing of it."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """One of the two in which OTLP is spoken over HTTP."""

    content_type: str
    read: Callable[[bytes, Describe], Received[ProtobufSpan] | Received[SpanView]]
    """The spans of a body. Raises ``UnreadableError``."""
    read_logs: Callable[[bytes], Recorded]
    """What log records of a body tell of spans. Raises ``UnreadableError``."""
    accepted: Callable[[Counted, Rejected], bytes]
    """The answer to a request that was taken, but for so many of these."""
    refused: Callable[[int, str], bytes]
    """The answer to one that was not: a ``google.rpc.Status`` of this code and text."""


def _read_protobuf(body: bytes, describe: Describe) -> Received[ProtobufSpan]:
    try:
        request = ExportTraceServiceRequest.FromString(body)
    except DecodeError:
        raise UnreadableError("the body is no ExportTraceServiceRequest in protobuf") from None
    return protobuf.received(request, describe, len(body))


def _read_json(body: bytes, describe: Describe) -> Received[SpanView]:
    try:
        return otlp.received(_document(body), describe)
    except ValueError as error:
        raise UnreadableError(f"the body is no ExportTraceServiceRequest: {error}") from None


def _document(body: bytes) -> object:
    """Raises ``ValueError``, which quotes nothing."""
    try:
        return orjson.loads(body)
    except ValueError:
        raise ValueError("it is no JSON") from None


def _read_logs_in_protobuf(body: bytes) -> Recorded:
    try:
        request = ExportLogsServiceRequest.FromString(body)
    except DecodeError:
        raise UnreadableError("the body is no ExportLogsServiceRequest in protobuf") from None
    return protobuf.recorded(request, RECORDED)


def _read_logs_in_json(body: bytes) -> Recorded:
    try:
        return otlp.recorded(_document(body), RECORDED)
    except ValueError as error:
        raise UnreadableError(f"the body is no ExportLogsServiceRequest: {error}") from None


def _accepted_in_protobuf(counted: Counted, _: Rejected) -> bytes:
    response = ExportTraceServiceResponse()  # on the wire, that of logs is the same
    if counted != NONE_REJECTED:
        response.partial_success.rejected_spans, response.partial_success.error_message = counted
    return response.SerializeToString()


def _accepted_in_json(counted: Counted, what: Rejected) -> bytes:
    if counted == NONE_REJECTED:
        return b"{}"
    rejected, why = counted
    return orjson.dumps({"partialSuccess": {what: str(rejected), "errorMessage": why}})


def _refused_in_protobuf(code: int, text: str) -> bytes:
    status: bytes = Status(code=code, message=text).SerializeToString()
    return status


PROTOBUF: Final = Encoding(
    "application/x-protobuf",
    _read_protobuf,
    _read_logs_in_protobuf,
    _accepted_in_protobuf,
    _refused_in_protobuf,
)
JSON: Final = Encoding(
    "application/json",
    _read_json,
    _read_logs_in_json,
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
