"""What happens is told as it happens, to whoever listens, however slow."""

import socket
from pathlib import Path
from urllib.parse import urlsplit

from prefactor_otel.devserver import DevServer
from tests.devserver.calls import Caller, creation
from tests.devserver.screen.browser import Browser
from tests.devserver.screen.stream import listening


def test_each_step_of_a_run_is_told_as_the_list_shows_it(call: Caller, browser: Browser) -> None:
    browser.opened()
    with listening(call.server) as stream:
        run = call.pending()
        assert stream.until("run", id=run).data["status"] == "pending"
        call.start(run)
        stream.until("run", id=run, status="active")
        span = call.span(run, payload={"inputs": {"input": "Why?"}}).details["id"]
        stream.until("run", id=run, spans=1, question="Why?")
        call.finish_span(span, status="failed")
        stream.until("run", id=run, errors=1)
        place = {"agent_instance_id": run, "name": "cost"}
        call("POST", "/alerts/raise", place | {"severity": "error", "payload": {}})
        stream.until("run", id=run, alerts=1)
        call.terminate(run, reason="enough")
        last = stream.until("run", id=run, status="terminated")
    assert last.data == browser.read("/page/runs")["runs"][0]


def test_the_spans_of_one_run_are_told_beside_all_runs(call: Caller, browser: Browser) -> None:
    watched, other = call.active(), call.active()
    with listening(call.server, f"?run={watched}") as stream:
        call.span(other)
        stream.until("run", id=other, spans=1)
        root = call.span(watched).details["id"]
        opened = stream.until("span", id=root)
        assert opened.data["status"] == "active"
        call.finish_span(root)
        ended = stream.until("span", id=root, status="complete")
        stream.until("run", id=watched, spans=1)
    [row] = browser.opened().read(f"/page/runs/{watched}/spans")["spans"]
    assert row == ended.data


def test_many_changes_of_a_run_are_told_as_few(call: Caller) -> None:
    run = call.active()
    with listening(call.server) as stream:
        for number in range(40):
            call.bulk(*(creation(run, f"key-{number:03}-{n}") for n in range(5)))
        told = 1
        while stream.until("run", id=run).data["spans"] < 200:
            told += 1
    assert told < 40


def test_a_stream_that_broke_goes_on_where_it_did(call: Caller) -> None:
    run = call.active()
    with listening(call.server, f"?run={run}") as stream:
        first = call.span(run).details["id"]
        stream.until("run", spans=1)
        heard = stream.number
    missed = [call.span(run).details["id"] for _ in range(3)]
    with listening(call.server, f"?run={run}", last=str(heard)) as stream:
        told = {stream.until("span").data["id"] for _ in missed}
        stream.until("run", id=run, spans=4)
    assert stream.met is None
    assert told == set(missed)
    assert first not in told


def test_wherever_a_stream_breaks_nothing_is_lost(call: Caller) -> None:
    run, other = call.active(), call.active()
    with listening(call.server, f"?run={run}") as stream:
        start = stream.number
    for _ in range(3):
        call.span(run)
        call.span(other)
    whole = {span["id"]: 0 for span in call.server.spans(run)} | {run: 3, other: 3}
    for heard in range(len(whole)):
        last, told = str(start), dict[str, int]()
        for most in (heard, len(whole) + 1):  # it breaks after so many, and then once all is told
            with listening(call.server, f"?run={run}", last=last) as stream:
                for _ in range(most):
                    event = stream.next()
                    told[event.data["id"]] = event.data.get("spans", 0)
                    last = str(event.number)
                    if told == whole:
                        break
        assert told == whole, heard


def test_what_a_read_has_not_seen_the_stream_tells(call: Caller, browser: Browser) -> None:
    run = call.active()
    seq = browser.opened().read(f"/page/runs/{run}/spans")["seq"]
    span = call.span(run).details["id"]
    with listening(call.server, f"?run={run}&after={seq}") as stream:
        assert stream.next().data["id"] == span


def test_who_comes_from_another_server_is_told_to_begin_anew(call: Caller) -> None:
    for last in ("999999", "-1", "x", "9" * 30, "%C2%B2"):
        with listening(call.server, f"?after={last}") as stream:
            assert stream.met is not None
            assert stream.met.name == "reset"
            run = call.pending()
            stream.until("run", id=run)


def test_more_changes_than_fit_one_batch_are_all_told(call: Caller) -> None:
    run = call.active()
    with listening(call.server, f"?run={run}") as stream:
        start = stream.number
    for number in range(3):
        call.bulk(*(creation(run, f"key-{number}-{n:04}") for n in range(400)))
    with listening(call.server, f"?run={run}", last=str(start)) as stream:
        told = {stream.until("span").data["id"] for _ in range(1200)}
        stream.until("run", id=run, spans=1200)
    assert len(told) == 1200


def test_changes_by_another_server_on_the_file_are_told_too(tmp_path: Path) -> None:
    db = tmp_path / "runs.db"
    with DevServer(db) as one, DevServer(db) as two, listening(one) as stream:
        run = Caller(two).pending()
        stream.until("run", id=run)


def test_who_listens_and_does_not_read_holds_nobody_up(call: Caller) -> None:
    run = call.active()
    address = urlsplit(call.server.url)
    lazy = socket.create_connection((address.hostname or "", address.port or 0))
    with lazy, listening(call.server, f"?run={run}") as stream:
        head = f"GET /page/events?run={run} HTTP/1.1\r\nHost: localhost\r\n"
        lazy.sendall(f"{head}Authorization: Bearer {call.server.token}\r\n\r\n".encode())
        assert lazy.recv(1)  # it listens, and will read no more
        name = "x" * 190
        for number in range(20):
            items = (
                creation(run, f"k-{number:03}-{n:03}", payload={"name": name}) for n in range(500)
            )
            assert len(call.bulk(*items).body["outputs"]) == 500
        stream.until("run", id=run, spans=10_000)


def test_a_server_that_stops_ends_what_it_tells(call: Caller) -> None:
    with listening(call.server) as stream:
        call.server.stop()
        assert stream.ends()


def test_nobody_is_told_of_what_failed(call: Caller) -> None:
    run = call.active()
    with listening(call.server, f"?run={run}") as stream:
        before = stream.number
        assert call.span(run, schema_name="undeclared").status == 422
        assert call.get(f"/agent_instance/{run}").status == 200
        span = call.span(run).details["id"]
        event = stream.next()
        assert (event.name, event.data["id"]) == ("span", span)
        assert stream.next().number == before + 1
