"""A gateway keeps a share of the traces, or those in which something failed, as a process does."""

import json
from pathlib import Path
from typing import Any

import pytest

from prefactor_otel.devserver import DevServer
from tests.gateway.made import ids, in_json
from tests.gateway.process import running
from tests.runs.test_runs import finished

JSON = {"content-type": "application/json"}


def body(trace_id: bytes, name: str, **more: object) -> bytes:
    """A request with one span of a trace."""
    return json.dumps(in_json((trace_id, ids()[1]), name=name, **more)).encode()


def test_what_comes_of_a_trace_in_several_requests_is_kept_or_not_as_one(
    api: DevServer, tmp_path: Path
) -> None:
    traces = [number.to_bytes(8) + bytes(8) for number in range(1, 41)]
    with running(
        *("--spool-dir", str(tmp_path / "spool")),
        PREFACTOR_API_URL=api.url,
        PREFACTOR_API_TOKEN=api.token,
        PREFACTOR_SAMPLE_RATE="0.5",
    ) as gateway:
        for trace_id in traces:
            parent = ids()[1].hex()
            for name in ("child", "other child"):
                said = body(trace_id, name, parentSpanId=parent)
                assert gateway.post(said, **JSON).status == 200
        assert gateway.end() == 0
    found: dict[str, set[str]] = {}
    for row in api.spans():
        found.setdefault(row["agent_instance_id"], set()).add(row["payload"]["name"])
    assert 5 < len(found) < 35
    assert set(map(frozenset, found.values())) == {frozenset({"child", "other child"})}


@pytest.mark.parametrize("status", [{"code": 2}, {}])
def test_with_errors_only_a_trace_that_failed_is_kept(
    api: DevServer, tmp_path: Path, status: dict[str, Any]
) -> None:
    with running(
        *("--spool-dir", str(tmp_path / "spool")),
        PREFACTOR_API_URL=api.url,
        PREFACTOR_API_TOKEN=api.token,
        PREFACTOR_KEEP="errors",
    ) as gateway:
        assert gateway.post(body(ids()[0], "root", status=status), **JSON).status == 200
        assert gateway.end() == 0
    assert [row["payload"]["name"] for row in api.spans()] == (["root"] if status else [])
    assert len(finished(api)) == len(api.instances()) == len(status)
