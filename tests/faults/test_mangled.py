"""Whatever bytes come back: nothing is taken for an answer that is none, and nothing is lost."""

import pytest

from prefactor_otel import PrefactorSpanProcessor, TracerProvider
from prefactor_otel.devserver import DevServer
from tests.faults.mangled import Mangle, mangled

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def body(content: bytes) -> bytes:
    return HEAD + b"Content-Length: %d\r\n\r\n" % len(content) + content


MANGLES: dict[str, Mangle] = {
    "nothing": lambda _: b"",
    "garbage": lambda _: b"\x00\xff\x16\x03\x01 this is no HTTP\r\n\r\n",
    "half of the head": lambda reply: reply[:40],
    "the head alone": lambda reply: reply.partition(b"\r\n\r\n")[0] + b"\r\n\r\n",
    "half of the body": lambda reply: reply[: -len(reply.partition(b"\r\n\r\n")[2]) // 2],
    "a length beyond the body": lambda _: HEAD + b"Content-Length: 99999\r\n\r\n{",
    "chunks that break off": lambda _: HEAD + b"Transfer-Encoding: chunked\r\n\r\n400\r\n{",
    "chunks of rubbish": lambda _: HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n",
    "no status known": lambda _: b"HTTP/1.1 999 What\r\nContent-Length: 0\r\n\r\n",
    "a web page": lambda _: body(b"<html>Sign in to the hotel's Wi-Fi</html>"),
    "no UTF-8": lambda _: body(b'{"status":"success","outputs":{"\xff\xfe":{}}}'),
    "an array": lambda _: body(b"[1, 2, 3]"),
    "null": lambda _: body(b"null"),
    "outputs that are none": lambda _: body(b'{"status":"success","outputs":"many"}'),
    "outputs of others": lambda _: body(
        b'{"status":"success","outputs":{"x":{"status":"success"}}}'
    ),
    "half of the JSON": lambda reply: body(reply.partition(b"\r\n\r\n")[2][:-20]),
    "a redirect in a circle": lambda _: (
        b"HTTP/1.1 307 Go\r\nLocation: /api/v1/bulk\r\nContent-Length: 0\r\n\r\n"
    ),
}


@pytest.mark.parametrize("mangle", MANGLES)
def test_a_mangled_answer_to_a_bulk_request_costs_nothing(api: DevServer, mangle: str) -> None:
    with mangled(api.url, "/bulk", MANGLES[mangle], times=2) as url:
        processor = PrefactorSpanProcessor(url, api.token, schedule_delay=0.01)
        provider = TracerProvider(span_processors=[processor], shutdown_on_exit=False)
        tracer = provider.get_tracer("agent")
        with tracer.start_as_current_span("root"):
            for number in range(20):
                tracer.start_span(f"step {number}").end()
        assert provider.force_flush()
        provider.shutdown()
    stats = processor.stats()
    assert (stats.accepted, stats.acknowledged, stats.dropped) == (21, 21, {})
    names = sorted(row["payload"]["name"] for row in api.spans())
    assert names == sorted(["root", *(f"step {number}" for number in range(20))])
    assert api.instances()[0]["status"] == "complete"


@pytest.mark.parametrize("path", ["/register", "/start", "/finish"])
@pytest.mark.parametrize("mangle", ["nothing", "garbage", "half of the JSON", "a web page", "null"])
def test_a_mangled_answer_about_the_run_costs_nothing(
    api: DevServer, path: str, mangle: str
) -> None:
    with mangled(api.url, path, MANGLES[mangle], times=2) as url:
        processor = PrefactorSpanProcessor(url, api.token, schedule_delay=0.01)
        provider = TracerProvider(span_processors=[processor], shutdown_on_exit=False)
        provider.get_tracer("agent").start_span("a").end()
        provider.shutdown()
    stats = processor.stats()
    assert (stats.accepted, stats.acknowledged, stats.dropped) == (1, 1, {})
    assert [run["status"] for run in api.instances()] == ["complete"]
