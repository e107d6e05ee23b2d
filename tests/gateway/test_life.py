"""From its start to its end, also a sudden one."""

import signal
from pathlib import Path

import pytest

from prefactor_otel.devserver import DevServer
from tests.cli.command import run_command
from tests.gateway.made import ids, request
from tests.gateway.process import before, running


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT])
def test_a_clean_end_delivers_what_was_taken_and_finishes_its_runs(
    by: signal.Signals, api: DevServer, tmp_path: Path
) -> None:
    spans = [ids() for _ in range(20)]
    with before(api, tmp_path / "spool") as gateway:
        for span in spans:
            assert gateway.post(request(span).SerializeToString()).status == 200
        assert gateway.end(by) == 0
    assert len(api.spans()) == len(api.instances()) == 20
    assert {each["status"] for each in api.instances()} == {"complete"}
    assert "Traceback" not in gateway.told


def test_what_was_acknowledged_while_the_platform_is_away_outlives_a_kill(
    api: DevServer, tmp_path: Path
) -> None:
    span = ids()
    api.stop()
    with before(api, tmp_path / "spool") as gateway:
        assert gateway.post(request(span).SerializeToString()).status == 200
        gateway.kill()
    api.start()
    with before(api, tmp_path / "spool", PREFACTOR_RUN_LINGER="0") as gateway:
        assert api.wait_until(lambda a: a.spans())
        assert gateway.end() == 0
    assert [row["payload"]["span_id"] for row in api.spans()] == [span[1].hex()]


def test_it_says_where_it_listens_and_where_the_spool_is_and_no_token(
    api: DevServer, tmp_path: Path
) -> None:
    with before(api, tmp_path / "spool") as gateway:
        assert gateway.end() == 0
    assert f"OTLP/HTTP on {gateway.url}, for {api.url} with its own token" in gateway.told
    assert f"waits in {tmp_path / 'spool'}" in gateway.told
    assert api.token not in gateway.told


def test_it_looks_alive_ready_and_counts(api: DevServer, tmp_path: Path) -> None:
    with before(api, tmp_path / "spool") as gateway:
        assert gateway.ask("/healthz").status == 200
        assert gateway.post(request(ids()).SerializeToString()).status == 200
        assert gateway.ask("/readyz").status == 200
        lines = gateway.ask("/metrics").body.decode().splitlines()
    assert 'prefactor_spans_accepted_total{account="own"} 1' in lines
    assert 'prefactor_gateway_answers_total{status="200"} 1' in lines


def test_other_machines_are_not_served_where_nobody_has_to_show_a_key(tmp_path: Path) -> None:
    spool = ("--spool-dir", str(tmp_path / "spool"))
    done = run_command("gateway", "--host", "0.0.0.0", "--port", "0", *spool)
    assert done.returncode == 1
    assert "nobody would have to show a key" in done.stderr
    assert "[senders.NAME]" in done.stderr
    with running("--host", "0.0.0.0", "--allow-anonymous", *spool) as gateway:
        assert gateway.end() == 0


def test_a_port_that_is_taken_is_one_line(api: DevServer, tmp_path: Path) -> None:
    with before(api, tmp_path / "spool") as gateway:
        port = gateway.url.rpartition(":")[2]
        done = run_command("gateway", "--port", port, "--spool-dir", str(tmp_path / "spool"))
    assert done.returncode == 1
    assert f"port {port}" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_that_cannot_keep_anything_stops_the_start_with_one_line(tmp_path: Path) -> None:
    open_to_all, no_folder = tmp_path / "spool", tmp_path / "file"
    open_to_all.mkdir()
    open_to_all.chmod(0o755)
    no_folder.touch()
    for spool, why in ((open_to_all, "chmod 700 it"), (no_folder, "File exists")):
        done = run_command("gateway", "--port", "0", "--spool-dir", str(spool))
        assert done.returncode == 1
        (line,) = done.stderr.splitlines()
        assert line.startswith(f"Error: spool_dir cannot be used: {spool}")
        assert why in line


def test_options_that_change_nothing_in_a_gateway_are_said(api: DevServer, tmp_path: Path) -> None:
    with before(api, tmp_path / "spool", PREFACTOR_RUN_PROPAGATION="true") as gateway:
        assert gateway.end() == 0
    assert "These options change nothing in a gateway: run_propagation" in gateway.told
