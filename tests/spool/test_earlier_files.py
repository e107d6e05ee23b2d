"""Files that earlier versions have left are read, and what is in them is sent."""

import gzip
from pathlib import Path

import pytest

from prefactor_otel.devserver import DevServer
from tests.cli.command import run_command

FILES = Path(__file__).parent
SENT = [
    ("large", "z9z6bvae60vdn25s", ""),
    ("m", "1eqyvxr6stvw8zhq", "esjgv8pz94qz4b43"),
    ("m", "c3b74582wa11m9w0", "yhwp5wp8t7gsn0q2"),
    ("m", "gp3sq7zq4mg3kgs4", "yhwp5wp8t7gsn0q2"),
    ("m", "x55cz808swv4v136", "yhwp5wp8t7gsn0q2"),
    ("porter", "yhwp5wp8t7gsn0q2", ""),
    ("step 0", "8mm1qz5kppnegzp3", "x55cz808swv4v136"),
    ("step 1", "2226rw1jmp8pc11g", "c3b74582wa11m9w0"),
    ("step 2", "6xq5nv6s57xem257", "gp3sq7zq4mg3kgs4"),
    ("waits", "pv9m4d3nbvy3p5ek", ""),
    ("whole", "esjgv8pz94qz4b43", ""),
]
"""Names, and the random parts of the ids and of their parents'."""


def random_of(span_id: str | None) -> str:
    """The part of an id that neither the account nor the time is in."""
    return span_id[-16:] if span_id is not None else ""


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    spool = tmp_path / "spool"
    spool.mkdir(mode=0o700)
    return spool


def test_a_file_of_version_2_is_sent_as_its_version_would_have(api: DevServer, spool: Path) -> None:
    """Of a process that died: an agent that was open, its calls, a span that waited for its
    parent, and runs that were not registered yet."""
    (spool / "18969-9ecae337258b.spool").write_bytes(
        gzip.decompress((FILES / "version_2.spool.gz").read_bytes())
    )
    done = run_command(
        *("spool", "replay", str(spool), "--all"),
        PREFACTOR_API_URL=api.url,
        PREFACTOR_API_TOKEN=api.token,
        PREFACTOR_SPOOL_MAX_AGE=str(10**9),
    )
    assert done.returncode == 0, done.stderr
    assert not list(spool.glob("*.spool"))
    assert (
        sorted(
            (row["payload"]["name"], random_of(row["id"]), random_of(row["parent_span_id"]))
            for row in api.spans()
        )
        == SENT
    )
    failed = [row["payload"]["name"] for row in api.spans() if row["status"] != "complete"]
    assert failed == ["porter"]
    assert [run["status"] for run in api.instances()] == ["failed"] * 4
