"""The server's life: start, stop, data that stays, who may reach it."""

import gc
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from multiprocessing import get_context
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Barrier
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import pytest

from prefactor_otel.devserver import ApiError, DevServer, serve
from tests.devserver.calls import Caller, creation
from tests.patience import PATIENCE


def test_a_file_keeps_everything_over_a_restart(tmp_path: Path) -> None:
    db = tmp_path / "runs.db"
    with DevServer(db) as server:
        call = Caller(server)
        instance_id = call.active(idempotency_key="k")
        call.span(instance_id, payload={"name": "kept"})
        ids = (server.account_id, server.agent_id, server.environment_id)
        before = (server.instances(), server.spans())
        token = server.token
    with DevServer(db) as server:
        call = Caller(server)
        assert (server.account_id, server.agent_id, server.environment_id) == ids
        assert (server.instances(), server.spans()) == before
        assert call.register(idempotency_key="k").details["id"] == instance_id
        assert call.span(instance_id).details["schema_title"] == "LLM call"
        assert server.token == token


def test_a_token_that_was_made_for_a_file_goes_on_working(tmp_path: Path) -> None:
    db = tmp_path / "runs.db"
    with DevServer(db) as server:
        made = server.token
    with DevServer(db, token="chosen") as server:
        assert server.token == "chosen"
    with DevServer(db) as server:
        assert server.token == made
        assert Caller(server).get("/ping").status == 200


def test_a_server_that_is_stopped_keeps_its_port_and_refuses_who_comes() -> None:
    with DevServer() as server:
        port = urlsplit(server.url).port
        Caller(server).get("/ping")
        server.stop()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port or 0))
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", port or 0))
        server.start()
        assert urlsplit(server.url).port == port
        assert Caller(server).get("/ping").status == 200


def test_a_server_that_is_closed_holds_nothing_that_came_in() -> None:
    with DevServer() as server:
        Caller(server).get("/ping")
        assert server.requests
    assert not server.requests


def test_two_servers_may_write_one_file(tmp_path: Path) -> None:
    db = tmp_path / "runs.db"
    with DevServer(db) as one, DevServer(db) as two, ThreadPoolExecutor() as pool:
        assert one.account_id == two.account_id
        callers = [Caller(one), Caller(two)] * 20
        assert len(set(pool.map(Caller.pending, callers))) == 40
        assert one.instances() == two.instances()


def _begin_at_once(folder: Path, gate: Barrier, told: "SimpleQueue[str]") -> None:
    for number in range(30):
        gate.wait()
        try:
            DevServer(folder / f"{number}.db").close()
        except Exception as error:
            told.put(str(error))
    told.put("done")


def test_servers_that_make_one_file_at_once_wait_for_each_other(tmp_path: Path) -> None:
    processes = get_context("spawn")
    gate, told = processes.Barrier(4), processes.SimpleQueue()
    servers = [
        processes.Process(target=_begin_at_once, args=(tmp_path, gate, told), daemon=True)
        for _ in range(4)
    ]
    for server in servers:
        server.start()
    assert [told.get() for _ in servers] == ["done"] * 4
    for server in servers:
        server.join()


def test_a_file_from_before_tokens_were_kept_is_taken(tmp_path: Path) -> None:
    db = tmp_path / "runs.db"
    with DevServer(db, token="chosen") as server:
        account_id = server.account_id
    with closing(sqlite3.connect(db)) as database:
        database.execute("ALTER TABLE account DROP COLUMN token")
    with DevServer(db) as server:
        assert server.account_id == account_id
        made = server.token
    with DevServer(db) as server:
        assert server.token == made


def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("not a database, and long enough to be looked at" * 100)
    with pytest.raises(ValueError, match="not a database"):
        DevServer(file)
    with pytest.raises(FileNotFoundError):
        DevServer(tmp_path / "nowhere" / "runs.db")


def test_the_file_is_the_users_alone_and_knows_no_token_of_theirs(tmp_path: Path) -> None:
    db = tmp_path / "runs.db"
    with DevServer(str(db), token="of their own") as server:
        Caller(server).active()
        for file in tmp_path.iterdir():
            assert file.stat().st_mode & 0o777 == 0o600
            assert server.token.encode() not in file.read_bytes()


def test_no_one_else_reads_a_token_that_is_kept(tmp_path: Path) -> None:
    db = tmp_path / "runs.db"
    with DevServer(db, token="chosen"):
        for file in tmp_path.iterdir():
            file.chmod(0o644)
        with DevServer(db):
            assert {file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == {0o600}


SOMEBODY_ELSE = """
import os, sys
from prefactor_otel.devserver import DevServer
os.setuid(65534)
DevServer(sys.argv[1], token="of their own").close()
try:
    DevServer(sys.argv[1])
except ValueError as error:
    print(error)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_file_of_another_user_wants_a_token_that_is_not_kept_in_it() -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder, "runs.db")
        path.touch()
        for each, mode in ((path, 0o666), (Path(folder), 0o777)):
            each.chmod(mode)
        command = [sys.executable, "-W", "error", "-c", SOMEBODY_ELSE, str(path)]
        told = subprocess.run(command, capture_output=True, text=True, check=True)
    assert told.stderr == ""
    assert told.stdout == (
        f"{path} is another user's, who could read the token that is made for it: "
        "give one of your own\n"
    )


def test_a_stopped_server_is_read_on_and_comes_back_where_it_was(
    call: Caller, server: DevServer
) -> None:
    url, instance_id = server.url, call.active()
    server.stop()
    with pytest.raises(ConnectionRefusedError):
        call.get("/ping")
    assert [row["id"] for row in server.instances()] == [instance_id]
    server.start()
    assert server.url == url
    assert call.span(instance_id).status == 200
    assert len(server.requests) == 3


def test_stopping_twice_is_no_harm_and_starting_twice_is_refused(server: DevServer) -> None:
    with pytest.raises(RuntimeError, match="running already"):
        server.start()
    server.stop()
    server.stop()


def test_a_taken_port_is_told(server: DevServer) -> None:
    port = urlsplit(server.url).port
    assert port is not None
    second = DevServer(port=port)
    with pytest.raises(OSError, match=str(port)):
        second.start()
    second.close()


def test_no_thread_is_left_behind() -> None:
    before = set(threading.enumerate())
    with DevServer() as server:
        Caller(server).active()
    assert set(threading.enumerate()) <= before


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "10.0.0.1", "example.com"])
def test_a_host_that_others_reach_wants_a_token_of_the_users(host: str) -> None:
    with pytest.raises(ValueError, match="token"):
        DevServer(host=host)
    with pytest.raises(ValueError, match="token"):
        DevServer(host=host, token="")


def test_with_a_token_of_the_users_any_host_is_bound() -> None:
    with DevServer(host="0.0.0.0", token="chosen") as server:
        assert server.token == "chosen"
        assert Caller(server).get("/ping").status == 200


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_loopback_needs_no_token(host: str) -> None:
    with DevServer(host=host) as server:
        assert server.url.startswith(f"http://{host}:")
        assert Caller(server).get("/ping").status == 200


def test_two_servers_share_nothing(call: Caller, server: DevServer) -> None:
    with DevServer() as other:
        assert other.token != server.token
        assert other.account_id != server.account_id
        assert Caller(other).get(f"/agent_instance/{call.active()}").status == 404


def test_rows_are_shown_oldest_first(call: Caller, server: DevServer) -> None:
    one, two = call.active(), call.active()
    spans = [call.span(instance_id).details for instance_id in (two, one, two)]
    assert server.instances() == [call.get(f"/agent_instance/{i}").details for i in (one, two)]
    assert server.spans() == spans
    assert server.spans(two) == [spans[0], spans[2]]


def test_terminating_what_is_not_active_raises(call: Caller, server: DevServer) -> None:
    with pytest.raises(ApiError) as refusal:
        server.terminate(call.pending(), "x")
    assert refusal.value.code == "invalid_action"


def test_wait_until_sees_what_a_later_request_brings(call: Caller, server: DevServer) -> None:
    with ThreadPoolExecutor() as pool:
        waited = pool.submit(server.wait_until, lambda s: len(s.instances()) == 3)
        for _ in range(3):
            call.register()
        assert waited.result(PATIENCE) is True


def test_wait_until_gives_up_in_time(server: DevServer) -> None:
    assert server.wait_until(lambda s: s.requests, timeout=0.05) is False
    assert server.wait_until(lambda s: True, timeout=0) is True


def test_concurrent_writers_lose_nothing(call: Caller, server: DevServer) -> None:
    instance_id = call.active()

    def write(number: int) -> int:
        items = [creation(instance_id, f"{number}-{each}-item") for each in range(20)]
        return call.bulk(*items).status

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(write, range(16))) == {200}
    assert len({row["id"] for row in server.spans()}) == 16 * 20


def test_ids_of_the_server_sort_in_the_order_of_their_making(
    call: Caller, server: DevServer
) -> None:
    instance_id = call.active()
    call.bulk(*(creation(instance_id, f"item-{number:04}") for number in range(300)))
    ids = [row["id"] for row in server.spans()]
    assert ids == sorted(ids)


def _client_that_leaves(server: DevServer) -> None:
    address = urlsplit(server.url)
    with socket.create_connection((str(address.hostname), address.port or 0)) as connection:
        connection.sendall(b"POST /api/v1/bulk HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{")


def test_a_client_that_leaves_amid_its_body_is_passed_over_in_silence(
    call: Caller, server: DevServer, caplog: pytest.LogCaptureFixture
) -> None:
    _client_that_leaves(server)
    assert call.get("/ping").status == 200
    server.stop()
    assert [r.path for r in server.requests] == ["/api/v1/ping"]
    assert not [record for record in caplog.records if record.levelname != "DEBUG"]


SERVE = """
import sys
from prefactor_otel.devserver import serve
serve(port=0, db=sys.argv[1], on_ready=lambda url, token: print(url, token, flush=True))
print("ended", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_runs_until_a_signal_and_ends_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-W", "error", "-c", SERVE, str(tmp_path / "runs.db")]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        url, token = process.stdout.readline().split()
        address = urlsplit(url)
        with socket.create_connection((str(address.hostname), address.port or 0)) as idle:
            request = f"GET /api/v1/ping HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}"
            idle.sendall(f"{request}\r\n\r\n".encode())
            assert idle.recv(1000).startswith(b"HTTP/1.1 200")
            process.send_signal(number)
            out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out, err) == (0, "ended\n", "")


def test_serve_refuses_what_the_server_refuses() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(ValueError, match="token"):
        serve(host="0.0.0.0")
    assert signal.getsignal(signal.SIGTERM) == before


def _fill(call: Caller) -> None:
    for _ in range(3):
        call.span(call.active())


@pytest.mark.parametrize("look", [lambda s: s.instances(), lambda s: s.spans()])
def test_rows_may_be_read_while_requests_are_served(
    call: Caller, server: DevServer, look: Callable[[DevServer], list[object]]
) -> None:
    with ThreadPoolExecutor() as pool:
        filling = pool.submit(_fill, call)
        while not filling.done():
            look(server)
        filling.result()
    assert len(look(server)) == 3


def test_no_connection_outlives_a_stop_though_its_client_reads_nothing(
    recwarn: pytest.WarningsRecorder,
) -> None:
    with DevServer() as server:
        call = Caller(server)
        instance_id = call.active()
        for _ in range(8):
            call.span(instance_id, payload={"text": "x" * 2**20})
        address = urlsplit(server.url)
        asked = f"GET /api/v1/agent_spans?agent_instance_id={instance_id} HTTP/1.1\r\n"
        head = f"Host: localhost\r\nAuthorization: Bearer {server.token}\r\n\r\n"
        with socket.create_connection((address.hostname, address.port)) as client:
            client.sendall((asked + head).encode())
            assert client.recv(1)
            server.stop()
            gc.collect()
    assert [str(w.message) for w in recwarn if w.category is ResourceWarning] == []
