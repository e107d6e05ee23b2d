"""One noisy tenant starves no other: not of turns, nor of the room for what waits or for bodies."""

import http.client
import os
import select
import signal
import socket
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from prefactor_otel.devserver import DevServer
from prefactor_otel.gateway.tallies import MOST_TOLD
from tests.gateway.made import ids, request
from tests.gateway.process import Gateway, before, running
from tests.gateway.test_accounts import bearer, config
from tests.patience import PATIENCE

QUIET = request(ids(), service_name="quiet").SerializeToString()


def of(service: str, count: int, name: str = "step") -> bytes:
    """Spans of a service, in a trace."""
    trace, _ = ids()
    spans = ((trace, ids()[1]) for _ in range(count))
    return request(*spans, name=name, service_name=service).SerializeToString()


def asking(gateway: Gateway, body: bytes) -> http.client.HTTPConnection:
    """A request that is sent, and not answered yet."""
    connection = http.client.HTTPConnection(urlsplit(gateway.url).netloc, timeout=PATIENCE)
    connection.request("POST", "/v1/traces", body, {"Content-Type": "application/x-protobuf"})
    return connection


@pytest.mark.slow
def test_who_sends_little_is_answered_before_one_who_sent_much_earlier(
    api: DevServer, tmp_path: Path
) -> None:
    bodies = [of("noisy", 700) for _ in range(12)]
    with before(api, tmp_path / "spool") as gateway, ExitStack() as at_end:
        os.kill(gateway.pid, signal.SIGSTOP)  # so that all of them are there before any is read
        noisy = [asking(gateway, body) for body in bodies]
        quiet = asking(gateway, QUIET)
        for each in (*noisy, quiet):
            at_end.callback(each.close)
        os.kill(gateway.pid, signal.SIGCONT)
        assert quiet.getresponse().status == 200
        answered, _, _ = select.select([each.sock for each in noisy], [], [], 0)
        assert len(answered) < len(noisy) / 2
        assert [each.getresponse().status for each in noisy] == [200] * len(noisy)
        assert gateway.end() == 0


def test_a_tenant_that_fills_the_spool_leaves_room_for_others_and_is_named(
    api: DevServer, tmp_path: Path
) -> None:
    api.stop()
    with before(api, tmp_path / "spool", PREFACTOR_SPOOL_MAX_BYTES=str(2**23)) as gateway:
        statuses = iter(lambda: gateway.post(of("noisy", 1, name="n" * 200_000)).status, 429)
        assert all(status == 200 for status in statuses)
        assert gateway.post(QUIET).status == 200
        assert gateway.post(of("noisy", 1, name="n" * 200_000)).status == 429
        told = gateway.ask("/metrics").body.decode()
        assert 'prefactor_tenant_spans_refused_total{account="own",tenant="noisy"} 2' in told
        assert 'prefactor_tenant_spans_accepted_total{account="own",tenant="quiet"} 1' in told
        assert 'refused_total{account="own",tenant="quiet"}' not in told
    lines = [line for line in gateway.told.splitlines() if "Requests refused (429)" in line]
    assert [line.partition("own, noisy: ")[1] for line in lines] == ["own, noisy: "]


def test_a_sender_whose_bodies_take_the_room_leaves_some_for_others(
    api: DevServer, tmp_path: Path
) -> None:
    text = f"""
        api_url = "{api.url}"
        token = "{api.token}"
        max_request_bytes = 100000
        max_pending_bytes = 1000000
        [senders.noisy]
        key = "key-of-noisy"
        [senders.quiet]
        key = "key-of-quiet"
        """
    with running(*config(tmp_path, text)) as gateway, ExitStack() as at_end:
        place = urlsplit(gateway.url)
        head = (
            "POST /v1/traces HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/x-protobuf\r\n"
            "Authorization: Bearer key-of-noisy\r\nContent-Length: 100000\r\n\r\n"
        )
        answers = []
        for _ in range(12):  # of each all but the last byte
            sender = socket.create_connection((place.hostname, place.port), PATIENCE)
            answers.append(at_end.enter_context(sender))
            sender.sendall(head.encode() + b"x" * 99_999)
        refused, _, _ = select.select(answers, [], [], PATIENCE)
        assert b" 429 " in refused[0].recv(100)
        answer = gateway.post(of("quiet", 300), **bearer("key-of-quiet"))
        assert answer.status == 200
        at_end.close()
        assert gateway.end() == 0


def test_tenants_that_nobody_could_tell_apart_are_counted_together(
    api: DevServer, tmp_path: Path
) -> None:
    with before(api, tmp_path / "spool") as gateway:
        many = request(ids(), service_name="service 0")
        for number in range(1, MOST_TOLD + 20):
            many.MergeFrom(request(ids(), service_name=f"service {number}"))
        for _ in range(2):
            assert gateway.post(many.SerializeToString()).status == 200
        told = gateway.ask("/metrics").body.decode()
        assert 'accepted_total{account="own",tenant="service 0"} 2' in told
        assert 'accepted_total{account="own",tenant="(others)"} 40' in told
        assert told.count("prefactor_tenant_spans_accepted_total{") == MOST_TOLD + 1
        assert gateway.end() == 0
