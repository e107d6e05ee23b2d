"""Whatever comes, the sender gets an answer of OTLP's, and the gateway goes on."""

import gzip
import json
import socket
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from prefactor_otel.devserver import DevServer
from prefactor_otel.gateway.encoding import JSON, PROTOBUF, Encoding, UnreadableError
from prefactor_otel.gateway.reader import READER
from tests.gateway.made import ids, in_json, in_json_of, request
from tests.gateway.process import Gateway, before

pytestmark = pytest.mark.xdist_group("gateway hostile")
ANSWERS = {200, 400, 413}
MANY = settings(
    max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
GOOD = request(ids(), ids(), service_name="clerk").SerializeToString()
DOCUMENT = in_json(
    ids(),
    attributes=[{"key": "k", "value": {"arrayValue": {"values": [{"intValue": "3"}]}}}],
    events=[{"name": "e", "timeUnixNano": "1"}],
)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=9,
)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("hostile")
    with DevServer() as api, before(api, folder / "spool") as running:
        yield running
        assert running.ask("/healthz").status == 200
        assert "Traceback" not in running.told


@st.composite
def mangled(draw: st.DrawFn, good: bytes = GOOD) -> bytes:
    """A request in protobuf in which a few bytes are others, are missing or come twice."""
    body = bytearray(good)
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, max(0, len(body) - 1)))
        body[at : at + draw(st.integers(0, 3))] = draw(st.binary(max_size=4))
    return bytes(body)


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Each place in a document: what holds it, and under which name."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for name, each in inner:
        yield value, name
        if isinstance(each, (dict, list)):
            yield from places(each)


@st.composite
def mangled_json(draw: st.DrawFn, good: dict[str, Any] = DOCUMENT) -> bytes:
    """A request in JSON in which something is something else."""
    document = json.loads(json.dumps(good))
    holder, name = draw(st.sampled_from(list(places(document))))
    holder[name] = draw(JSON_VALUES)
    return json.dumps(document).encode()


@given(st.binary(max_size=400) | mangled())
@MANY
def test_protobuf_of_any_bytes_is_read_or_refused_and_every_span_of_it_is_a_value(
    body: bytes,
) -> None:
    try:
        received = PROTOBUF.read(body, lambda resource: resource)
    except UnreadableError:
        return
    for span in received.spans:
        READER.view(span)


@given(st.binary(max_size=200) | mangled_json())
@MANY
def test_json_of_any_shape_is_read_or_refused_and_quotes_nothing(body: bytes) -> None:
    try:
        received = JSON.read(body, lambda resource: resource)
    except UnreadableError as error:
        assert "\n" not in str(error)
        return
    assert received.rejected == 0 or received.why


LOGS = in_json_of(b"t" * 16, b"s" * 8)
GOOD_LOGS = ParseDict(
    {
        "resourceLogs": [
            {
                "resource": {},
                "scopeLogs": [
                    {
                        "logRecords": [
                            {
                                "traceId": "dHR0dHR0dHR0dHR0dHR0dA==",
                                "spanId": "c3Nzc3Nzc3M=",
                                "flags": 1,
                                "eventName": "gen_ai.choice",
                                "body": {"stringValue": "content"},
                            }
                        ]
                    }
                ],
            }
        ]
    },
    ExportLogsServiceRequest(),
).SerializeToString()


@pytest.mark.parametrize(
    ("encoding", "bodies"),
    [(PROTOBUF, mangled(GOOD_LOGS)), (JSON, mangled_json(LOGS))],
    ids=["protobuf", "JSON"],
)
def test_logs_of_any_shape_are_read_or_refused_and_every_record_of_them_is_an_event(
    encoding: Encoding, bodies: st.SearchStrategy[bytes]
) -> None:
    @given(st.binary(max_size=200) | bodies)
    @MANY
    def read(body: bytes) -> None:
        try:
            recorded = encoding.read_logs(body)
        except UnreadableError as error:
            assert "\n" not in str(error)
            return
        for record in recorded.records:
            record.read()
            assert record.weight() >= 0
        assert recorded.rejected == 0 or recorded.why

    read()


@given(st.binary(max_size=200) | mangled(), st.sampled_from(["", "gzip", "deflate"]), st.booleans())
@settings(MANY, max_examples=150)
def test_whatever_comes_over_the_wire_is_answered(
    gateway: Gateway, body: bytes, encoding: str, compresses: bool
) -> None:
    sent = body
    if compresses and encoding:
        sent = gzip.compress(body) if encoding == "gzip" else zlib.compress(body)
    assert gateway.post(sent, Content_Encoding=encoding or "identity").status in ANSWERS


@given(mangled_json())
@settings(MANY, max_examples=100)
def test_whatever_comes_as_json_is_answered(gateway: Gateway, body: bytes) -> None:
    assert gateway.post(body, content_type="application/json").status in ANSWERS


NO_HTTP = (
    b"\x16\x03\x01secret\r\n\r\n",
    b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nsecret\r\n",
    b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nsecret\r\n\r\n",
)


def test_what_is_no_http_is_refused_and_not_quoted_in_the_log(gateway: Gateway) -> None:
    for sent in NO_HTTP:
        with connection(gateway) as client:
            client.sendall(sent)
            assert client.recv(65_536).split()[1] == b"400"
    assert gateway.ask("/healthz").status == 200
    assert "secret" not in gateway.told
    assert "Traceback" not in gateway.told


def test_who_goes_away_amid_a_request_costs_nothing(gateway: Gateway) -> None:
    head = f"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: {PROTOBUF.content_type}\r\n"
    with connection(gateway) as client:
        client.sendall(f"{head}Content-Length: 100\r\n\r\nsecret".encode())
    assert gateway.post(GOOD).status == 200
    assert "A request failed" not in gateway.told


def connection(gateway: Gateway) -> socket.socket:
    """A connection of its own."""
    host, _, port = gateway.url.removeprefix("http://").rpartition(":")
    return socket.create_connection((host, int(port)))


def test_a_bomb_is_not_inflated(tmp_path: Path) -> None:
    """A gigabyte of zeros, in one megabyte."""
    config = tmp_path / "gateway.toml"
    config.write_text("max_request_bytes = 16_000_000\n")
    piece = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(piece.compress(bytes(2**20)) for _ in range(2**10)) + piece.flush()
    with DevServer() as api, before(api, tmp_path / "spool", "--config", str(config)) as gateway:
        assert gateway.post(bomb, Content_Encoding="gzip").status == 413
        assert gateway.peak_kib < 200 * 1024
