"""What is sent again after its run has ended is the same run and the same spans."""

import secrets
from pathlib import Path

from prefactor_otel.devserver import DevServer
from tests.cli.command import run_command
from tests.gateway.made import encoded, ids, in_json, request
from tests.gateway.process import Gateway, before
from tests.patience import PATIENCE, comes_true


def trace_of(steps: int) -> tuple[bytes, bytes]:
    """The id of a trace, and a request with a root and steps under it."""
    trace, root = ids()
    made = request(*((trace, secrets.token_bytes(8)) for _ in range(steps)), parent=root)
    made.MergeFrom(request((trace, root), name="task"))
    return trace, made.SerializeToString()


def is_over(api: DevServer) -> bool:
    return {run["status"] for run in api.instances()} == {"complete"}


def is_settled(gateway: Gateway) -> bool:
    lines = gateway.ask("/metrics").body.decode().splitlines()
    return {f'prefactor_{name}{{account="own"}} 0' for name in ("waiting_items", "runs")} <= {
        *lines
    }


def test_a_batch_that_is_sent_again_after_the_end_of_its_run_changes_nothing(
    api: DevServer, tmp_path: Path
) -> None:
    _, body = trace_of(3)
    with before(api, tmp_path / "spool", PREFACTOR_RUN_LINGER="0") as gateway:
        for _ in range(3):
            assert gateway.post(body).status == 200
            assert api.wait_until(is_over, PATIENCE)
            assert comes_true(lambda: is_settled(gateway))
        told = gateway.ask("/metrics").body.decode()
        assert gateway.end() == 0
    assert len(api.instances()) == 1
    assert len(api.spans()) == 4
    assert sum(row["parent_span_id"] is not None for row in api.spans()) == 3
    assert 'prefactor_spans_acknowledged_total{account="own"} 12' in told
    assert "refused" not in gateway.told


def test_a_batch_that_is_sent_again_to_another_gateway_changes_nothing(
    api: DevServer, tmp_path: Path
) -> None:
    _, body = trace_of(3)
    for number in range(3):
        with before(api, tmp_path / f"spool {number}", PREFACTOR_RUN_LINGER="0") as gateway:
            assert gateway.post(body).status == 200
            assert gateway.end() == 0
        assert "refused" not in gateway.told
    assert [run["status"] for run in api.instances()] == ["complete"]
    assert len(api.spans()) == 4


def test_of_what_comes_again_with_something_new_only_that_goes_on_in_the_run_that_follows(
    api: DevServer, tmp_path: Path
) -> None:
    trace, body = trace_of(3)
    late = request((trace, secrets.token_bytes(8)), name="late").SerializeToString()
    with before(api, tmp_path / "spool", PREFACTOR_RUN_LINGER="0") as gateway:
        for each in (body, late + body, body + late, body):
            assert gateway.post(each).status == 200
            assert api.wait_until(is_over, PATIENCE)
            assert comes_true(lambda: is_settled(gateway))
        assert gateway.end() == 0
    first, second = (len(api.spans(run["id"])) for run in api.instances())
    assert (first, second) == (4, 1)
    assert is_over(api)


def test_a_file_that_is_replayed_twice_is_one_run_and_both_times_all_of_it_is_there(
    api: DevServer, tmp_path: Path
) -> None:
    text = encoded(in_json(ids())).decode()
    settings = {"PREFACTOR_API_URL": api.url, "PREFACTOR_API_TOKEN": api.token}
    for number in range(2):
        words = ("gateway", "--replay", "-", "--spool-dir", str(tmp_path / f"spool {number}"))
        done = run_command(*words, text=text, **settings)
        assert (done.returncode, "1 acknowledged" in done.stderr) == (0, True), done.stderr
        assert "refused" not in done.stderr
    assert [run["status"] for run in api.instances()] == ["complete"]
    assert len(api.spans()) == 1
