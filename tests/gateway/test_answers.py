"""A sender hears what OTLP's specification says, in its own encoding."""

import gzip
import json
import zlib
from collections.abc import Callable, Iterator

import pytest
from google.rpc.code_pb2 import Code
from google.rpc.status_pb2 import Status

from prefactor_otel.devserver import DevServer
from tests.gateway.made import encoded, ids, in_json, request, response
from tests.gateway.process import Gateway, before

pytestmark = pytest.mark.xdist_group("gateway answers")
MOST = 100_000


@pytest.fixture(scope="module")
def api() -> Iterator[DevServer]:
    with DevServer() as server:
        yield server


@pytest.fixture(scope="module")
def gateway(api: DevServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("gateway")
    config = folder / "gateway.toml"
    config.write_text(f"max_request_bytes = {MOST}\n")
    with before(api, folder / "spool", "--config", str(config)) as running:
        yield running


def arrived(api: DevServer, *spans: tuple[bytes, bytes]) -> bool:
    wanted = {span.hex() for _, span in spans}
    return api.wait_until(lambda a: wanted <= {row["payload"]["span_id"] for row in a.spans()})


def test_spans_in_protobuf_arrive_and_are_answered_in_protobuf(
    gateway: Gateway, api: DevServer
) -> None:
    span = ids()
    answer = gateway.post(request(span).SerializeToString())
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["content-type"] == "application/x-protobuf"
    assert arrived(api, span)


def test_spans_in_json_arrive_and_are_answered_in_json(gateway: Gateway, api: DevServer) -> None:
    span = ids()
    body = encoded(in_json(span))
    answer = gateway.post(body, content_type="application/json; charset=utf-8")
    assert (answer.status, answer.body) == (200, b"{}")
    assert answer.headers["content-type"] == "application/json"
    assert arrived(api, span)


def _raw(body: bytes) -> bytes:
    deflated = zlib.compressobj(wbits=-15)
    return deflated.compress(body) + deflated.flush()


@pytest.mark.parametrize(
    ("encoding", "compress"),
    [
        ("gzip", gzip.compress),
        ("gzip", lambda body: gzip.compress(body[:9]) + gzip.compress(body[9:])),
        ("deflate", zlib.compress),
        ("deflate", _raw),
        ("identity", bytes),
    ],
    ids=["gzip", "gzip of two members", "deflate", "deflate without its header", "identity"],
)
def test_a_compressed_body_is_inflated(
    gateway: Gateway, api: DevServer, encoding: str, compress: Callable[[bytes], bytes]
) -> None:
    span = ids()
    body = compress(request(span).SerializeToString())
    assert gateway.post(body, Content_Encoding=encoding).status == 200
    assert arrived(api, span)


def test_spans_that_cannot_be_read_are_rejected_and_cost_no_other(
    gateway: Gateway, api: DevServer
) -> None:
    good, nobody = ids(), (bytes(16), b"12345678")
    told = response(gateway.post(request(nobody, good, (b"1", b"2")).SerializeToString()).body)
    assert told.partial_success.rejected_spans == 2
    assert "16 bytes" in told.partial_success.error_message
    other, document = ids(), in_json(ids(), kind=[])
    document["resourceSpans"] += in_json(other)["resourceSpans"]
    answer = gateway.post(encoded(document), content_type="application/json")
    partial = json.loads(answer.body)["partialSuccess"]
    assert partial["rejectedSpans"] == "1"
    assert partial["errorMessage"].startswith("resourceSpans.0.scopeSpans.0.spans.0.kind")
    assert arrived(api, good, other)


UNREADABLE = {
    "no protobuf": (b"\xff\xff secret", {}),
    "no gzip": (b"secret", {"Content_Encoding": "gzip"}),
    "half of a gzip": (gzip.compress(b"secret" * 100)[:-20], {"Content_Encoding": "gzip"}),
    "gzip, and then something": (gzip.compress(b"") + b"secret", {"Content_Encoding": "gzip"}),
    "no JSON": (b"{secret", {"content_type": "application/json"}),
    "no text": (b'{"a": "\xff"}', {"content_type": "application/json"}),
    "another JSON": (b'{"resourceSpans": "secret"}', {"content_type": "application/json"}),
    "deep JSON": (b"[" * 50_000, {"content_type": "application/json"}),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_what_cannot_be_read_is_a_400_with_a_status_that_quotes_nothing(
    gateway: Gateway, case: str
) -> None:
    body, how = UNREADABLE[case]
    answer = gateway.post(body, **how)
    assert answer.status == 400
    if answer.headers["content-type"] == "application/json":
        status = json.loads(answer.body)
        code, message = status["code"], status["message"]
    else:
        parsed = Status.FromString(answer.body)
        code, message = parsed.code, parsed.message
    assert code == Code.INVALID_ARGUMENT
    assert message
    for quoted in (answer.body, gateway.told.encode()):
        assert b"secret" not in quoted
        assert b"Traceback" not in quoted


def deep(depth: int) -> object:
    return {"kvlistValue": {"values": [{"key": "k", "value": deep(depth - 1)}]}} if depth else 7


def test_what_is_wrong_in_json_is_told_by_its_place_in_plain_words(gateway: Gateway) -> None:
    def told(document: object) -> str:
        answer = json.loads(gateway.post(encoded(document), content_type="application/json").body)
        return str(answer.get("message") or answer["partialSuccess"]["errorMessage"])

    document = in_json(ids())
    document["resourceSpans"][0]["scopeSpans"][0]["spans"] += [None]
    assert told(document) == "resourceSpans.0.scopeSpans.0.spans.1: must be an object"
    assert told([]).endswith("ExportTraceServiceRequest: must be an object")
    attribute = {"key": "deep", "value": deep(40)}
    assert len(told(in_json(ids(), attributes=[attribute]))) < 300


@pytest.mark.parametrize("compress", [bytes, gzip.compress, zlib.compress])
def test_what_is_too_large_is_a_413_before_and_after_it_is_inflated(
    gateway: Gateway, compress: Callable[[bytes], bytes]
) -> None:
    body = compress(b"\x00" * (MOST + 1))
    encoding = {bytes: "identity", gzip.compress: "gzip"}.get(compress, "deflate")
    assert gateway.post(body, Content_Encoding=encoding).status == 413


def test_other_types_and_compressions_are_a_415(gateway: Gateway) -> None:
    assert gateway.post(b"", content_type="text/plain").status == 415
    answer = gateway.post(b"", Content_Encoding="br")
    assert (answer.status, answer.headers["accept-encoding"]) == (415, "gzip, deflate")


def test_other_paths_and_methods_are_a_404_and_a_405_and_nothing_leads_elsewhere(
    gateway: Gateway,
) -> None:
    asked = [
        gateway.ask(path, method=method).status
        for path, method in [
            *(("/", "GET"), ("/v1/traces/", "POST"), ("//v1/traces", "POST"), ("/v1", "POST")),
            *(("/v1/traces", "GET"), ("/v1/traces", "PUT"), ("/healthz", "POST")),
        ]
    ]
    assert asked == [404, 404, 404, 404, 405, 405, 405]


def test_a_request_without_spans_is_taken(gateway: Gateway) -> None:
    assert gateway.post(b"").status == 200
    assert gateway.post(b"{}", content_type="application/json").status == 200


def test_metrics_have_no_place_and_are_taken_and_counted(gateway: Gateway) -> None:
    assert gateway.post(b"\x0a\x00", "/v1/metrics").status == 200
    counters = gateway.ask("/metrics").body.decode()
    assert 'prefactor_gateway_unread_total{signal="metrics"} 1' in counters
