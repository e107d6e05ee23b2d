"""What there is no room for is refused, and not taken and lost."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from resource import RLIMIT_FSIZE, prlimit

import pytest

from prefactor_otel.devserver import DevServer
from tests.gateway.made import ids, request
from tests.gateway.process import Gateway, before


def test_a_full_spool_refuses_what_comes_and_loses_nothing_that_it_has_taken(
    api: DevServer, tmp_path: Path
) -> None:
    api.stop()
    taken: set[str] = set()
    with before(api, tmp_path / "spool", PREFACTOR_SPOOL_MAX_BYTES=str(2**23)) as gateway:
        answer = gateway.post(b"")
        while answer.status == 200:
            span = ids()
            body = request(span, name="long " * 40_000).SerializeToString()
            answer = gateway.post(body)
            if answer.status == 200:
                taken.add(span[1].hex())
        assert (answer.status, answer.headers["retry-after"]) == (429, "5")
        assert taken
        api.start()
        arrived = api.wait_until(lambda a: taken <= {r["payload"]["span_id"] for r in a.spans()})
        assert arrived, gateway.ask("/metrics").body.decode() + gateway.told
        again = iter(lambda: gateway.post(body).status, 200)
        assert all(status == 429 for status in again)
        assert gateway.end() == 0
        assert "dropped" not in gateway.told


def test_many_requests_at_a_time_fill_a_spool_no_further_than_one_after_the_other(
    api: DevServer, tmp_path: Path
) -> None:
    api.stop()
    spans = [ids() for _ in range(40)]
    bodies = [request(span, name="n" * 400_000).SerializeToString() for span in spans]
    with before(api, tmp_path / "spool", PREFACTOR_SPOOL_MAX_BYTES=str(2**23)) as gateway:
        with ThreadPoolExecutor(len(bodies)) as senders:
            answers = list(senders.map(gateway.post, bodies))
        pairs = zip(spans, answers, strict=True)
        taken = {span[1].hex() for span, answer in pairs if answer.status == 200}
        assert {answer.status for answer in answers} == {200, 429}
        api.start()
        arrived = api.wait_until(lambda a: taken <= {r["payload"]["span_id"] for r in a.spans()})
        assert arrived, gateway.ask("/metrics").body.decode() + gateway.told
        assert gateway.end() == 0
    assert "dropped" not in gateway.told


def test_where_the_disk_takes_nothing_a_request_waits_for_the_platform(
    api: DevServer, tmp_path: Path
) -> None:
    with before(api, tmp_path / "spool") as gateway:
        assert gateway.ask("/readyz").status == 200
        prlimit(gateway.pid, RLIMIT_FSIZE, (0, 0))  # what it writes from now on fails
        assert gateway.post(request(ids()).SerializeToString()).status == 200
        assert len(api.spans()) == 1
        assert gateway.ask("/readyz").status == 503
        api.stop()
        answer = gateway.post(request(ids()).SerializeToString())
        assert (answer.status, answer.headers["retry-after"]) == (503, "5")


@pytest.mark.slow
def test_a_large_body_is_answered_for_when_all_of_it_is_on_disk(
    api: DevServer, tmp_path: Path
) -> None:
    """It takes longer to read than any one answer may take."""
    count, traces = 60_000, [ids()[0] for _ in range(60)]
    api.stop()
    spans = [(traces[number % len(traces)], ids()[1]) for number in range(count)]
    body = request(*spans, name="x" * 300).SerializeToString()
    with before(api, tmp_path / "spool") as gateway:
        assert gateway.post(body).status == 200
        assert f'prefactor_spans_waiting{{account="own"}} {count}' in waiting(gateway)


def waiting(gateway: Gateway) -> str:
    return gateway.ask("/metrics").body.decode()
