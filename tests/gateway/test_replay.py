"""What the Collector's file exporter has written is sent as if it had just come."""

from pathlib import Path

from prefactor_otel.devserver import DevServer
from tests.cli.command import run_command
from tests.gateway.made import encoded, ids, in_json


def test_a_file_of_the_collectors_is_sent_and_what_cannot_be_read_costs_no_other(
    api: DevServer, tmp_path: Path
) -> None:
    first, second = ids(), ids()
    lines = [encoded(in_json(first)), b'{"resourceSpans": "cut', encoded(in_json(second))]
    file = tmp_path / "traces.json"
    file.write_bytes(b"\n".join(lines) + b"\n")
    settings = {"PREFACTOR_API_URL": api.url, "PREFACTOR_API_TOKEN": api.token}
    spool = ("--spool-dir", str(tmp_path / "spool"))
    done = run_command("gateway", "--replay", str(file), *spool, **settings)
    assert done.returncode == 1, done.stderr
    assert "line 2" in done.stderr
    assert f"2 spans of {file}: 2 acknowledged" in done.stderr
    assert {row["payload"]["span_id"] for row in api.spans()} == {first[1].hex(), second[1].hex()}
    assert [run["status"] for run in api.instances()] == ["complete"] * 2


def test_replaying_a_file_twice_changes_nothing(api: DevServer, tmp_path: Path) -> None:
    text = encoded(in_json(ids())).decode()
    settings = {"PREFACTOR_API_URL": api.url, "PREFACTOR_API_TOKEN": api.token}
    words = ("gateway", "--replay", "-", "--spool-dir", str(tmp_path / "spool"))
    assert run_command(*words, text=text, **settings).returncode == 0
    run_command(*words, text=text, **settings)
    assert len({row["payload"]["span_id"] for row in api.spans()}) == 1


def test_a_replay_without_a_token_says_so(tmp_path: Path) -> None:
    words = ("gateway", "--replay", "-", "--spool-dir", str(tmp_path / "spool"))
    done = run_command(*words, text="{}")
    assert (done.returncode, "PREFACTOR_API_TOKEN" in done.stderr) == (1, True)
