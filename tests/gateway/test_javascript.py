"""JavaScript's SDK, from npm, sends in both encodings."""

from pathlib import Path

import pytest

from prefactor_otel.devserver import DevServer
from tests.gateway.npm import installed, run
from tests.gateway.process import before
from tests.registrations import registrations

PACKAGES = (
    "@opentelemetry/api",
    "@opentelemetry/exporter-trace-otlp-http",
    "@opentelemetry/exporter-trace-otlp-proto",
    "@opentelemetry/otlp-exporter-base",
    "@opentelemetry/sdk-trace-node",
)
SCRIPT = Path(__file__).with_name("sender.mjs")


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sender, with what it needs."""
    return installed(tmp_path_factory.mktemp("javascript"), SCRIPT, PACKAGES)


@pytest.mark.slow
@pytest.mark.xdist_group("javascript")
@pytest.mark.parametrize("encoding", ["proto", "http"])
def test_what_javascripts_sdk_sends_is_a_run_of_its_own_process(
    encoding: str, script: Path, api: DevServer, tmp_path: Path
) -> None:
    with before(api, tmp_path / "spool") as gateway:
        run(script, encoding, f"{gateway.url}/v1/traces")
        assert api.wait_until(lambda api: len(api.spans()) == 3)
        assert gateway.end() == 0
    rows = {row["payload"]["name"]: row for row in api.spans()}
    root = rows["clerk"]
    assert (root["schema_name"], root["parent_span_id"]) == ("otel:agent", None)
    chat, tool = rows["chat gpt-4o-mini"], rows["weather"]
    assert chat["schema_name"] == "otel:llm"
    assert chat["payload"]["token_usage"]["total_tokens"] == 150
    assert (tool["schema_name"], tool["status"]) == ("otel:tool", "failed")
    assert tool["result_payload"]["message"] == "no such city"
    assert {chat["parent_span_id"], tool["parent_span_id"]} == {root["id"]}
    (asked,) = registrations(api)
    (sdk,) = asked["agent_version"]["runtime_environment"]["agent_sdk"]
    assert sdk.startswith("opentelemetry@2.")
    assert asked["agent_version"]["runtime_environment"]["runtime"].startswith("nodejs")
