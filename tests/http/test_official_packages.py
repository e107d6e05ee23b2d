"""The official packages run on this client as they are."""

from pathlib import Path

import pytest

from prefactor_otel.devserver import DevServer
from tests.http import environments

SCRIPT = Path(__file__).with_name("official.py")
OURS = ("aiohttp>=3.10", "tenacity>=9.0", "pydantic>=2.7", "orjson>=3.10")
"""What this client needs: in that environment it is put on the path, not installed."""


@pytest.mark.slow
def test_core_and_langchain_deliver_finished_runs_and_spans(tmp_path: Path) -> None:
    python = environments.make(
        tmp_path / "official",
        *OURS,
        "langchain>=1.0.0",
        without=("prefactor-core==0.5.3", "prefactor-langchain==0.3.0"),
    )
    with DevServer() as server:
        printed = environments.run(
            python,
            str(SCRIPT),
            *(server.url, server.token, server.agent_id, server.environment_id),
            PYTHONPATH=str(environments.CHECKOUT),
        )
        core, langchain = printed.split()
        runs = {run["id"]: run for run in server.instances()}
        core_spans, langchain_spans = server.spans(core), server.spans(langchain)
        sdk_headers = {request.headers["X-Prefactor-SDK"] for request in server.requests}

    assert {run["status"] for run in runs.values()} == {"complete"}
    assert runs.keys() == {core, langchain}
    assert runs[core]["quality_payloads"] == {"score": {"value": 1}}

    outer, inner = core_spans
    assert (outer["status"], inner["status"]) == ("complete", "failed")
    assert inner["parent_span_id"] == outer["id"]
    assert outer["result_payload"] == {"response": "Hello yourself"}

    kinds = [span["schema_name"] for span in langchain_spans]
    assert kinds.count("langchain:llm") == 2
    assert "langchain:agent" in kinds
    assert any(kind.startswith("langchain:tool") for kind in kinds)
    assert {span["status"] for span in langchain_spans} == {"complete"}

    core_header = "prefactor-core@0.5.3"
    assert sdk_headers == {core_header, f"prefactor-langchain@0.3.0 {core_header}"}
