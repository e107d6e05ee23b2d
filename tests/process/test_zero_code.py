"""An application without an import of ours is exported by ``opentelemetry-instrument``."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from prefactor_otel.devserver import DevServer
from tests.elsewhere import elsewhere
from tests.patience import PATIENCE
from tests.process.scripts import localhost

NOTHING_ELSE: Final[Mapping[str, str]] = {}
APPLICATION = """
import sys
from opentelemetry import trace

with trace.get_tracer("app").start_as_current_span("root"):
    with trace.get_tracer("app").start_as_current_span("step"):
        print("ready", flush=True)
        sys.stdin.readline()
assert not [name for name in vars() if "prefactor" in name]
"""


def launch(
    api: DevServer, application: Path, text: str, others: Mapping[str, str] = NOTHING_ELSE
) -> "subprocess.Popen[str]":
    """Begin an application of this text under the launcher."""
    application.write_text(text)
    environment = {n: v for n, v in os.environ.items() if not n.startswith(("OTEL_", "PREFACTOR_"))}
    environment |= {
        "PREFACTOR_API_URL": localhost(api),
        "PREFACTOR_API_TOKEN": api.token,
        "OTEL_TRACES_EXPORTER": "prefactor",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        "OTEL_SERVICE_NAME": "zero-code-agent",
        **others,
    }
    launcher = Path(sys.executable).parent / "opentelemetry-instrument"
    return subprocess.Popen(
        [str(launcher), sys.executable, str(application)],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_running_application_is_visible_and_then_complete_without_any_code(
    api: DevServer, tmp_path: Path
) -> None:
    with launch(api, tmp_path / "app.py", APPLICATION) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        assert api.wait_until(lambda api: api.spans())
        assert api.spans()[0]["status"] == "active"
        _, errors = process.communicate("go on\n", timeout=PATIENCE)
    assert (process.returncode, errors) == (0, "")
    [instance] = api.instances()
    assert instance["status"] == "complete"
    [registration] = [r.body for r in api.requests if r.path.endswith("/register")]
    assert registration["agent_version"]["name"] == "zero-code-agent"
    rows = {row["payload"]["name"]: row for row in api.spans()}
    assert rows["step"]["parent_span_id"] == rows["root"]["id"]
    assert {row["status"] for row in rows.values()} == {"complete"}


CONFIGURES = """
import prefactor_otel
from opentelemetry import trace

handle = prefactor_otel.configure()
with trace.get_tracer("app").start_as_current_span("root"):
    pass
assert prefactor_otel.flush()
assert handle.stats().acknowledged == 1
"""


def test_an_application_that_configures_by_code_too_is_sent_once(
    api: DevServer, tmp_path: Path
) -> None:
    with launch(api, tmp_path / "app.py", CONFIGURES) as process:
        _, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, errors) == (0, "")
    assert [len(api.spans()), len(api.instances())] == [1, 1]


@pytest.mark.parametrize("exporters", ["prefactor,otlp", "otlp,prefactor"])
def test_beside_other_exporters_starts_are_seen_and_both_get_everything(
    api: DevServer, tmp_path: Path, exporters: str
) -> None:
    with elsewhere() as host:
        others = {
            "OTEL_TRACES_EXPORTER": exporters,
            "OTEL_LOGS_EXPORTER": exporters,
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            "OTEL_EXPORTER_OTLP_COMPRESSION": "none",
            "OTEL_EXPORTER_OTLP_ENDPOINT": host.url,
        }
        with launch(api, tmp_path / "app.py", APPLICATION, others) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            assert api.wait_until(lambda api: api.spans())
            assert api.spans()[0]["status"] == "active"
            _, errors = process.communicate("go on\n", timeout=PATIENCE)
    assert (process.returncode, errors) == (0, "")
    assert sorted(row["payload"]["name"] for row in api.spans()) == ["root", "step"]
    assert b"POST /v1/traces" in host.received


PROPAGATES = """
from opentelemetry import propagate
print("prefactor-run" in propagate.get_global_textmap().fields)
"""


@pytest.mark.parametrize("asked_for", ["true", "false"])
def test_the_header_of_a_run_is_carried_where_that_is_asked_for(
    api: DevServer, tmp_path: Path, asked_for: str
) -> None:
    variables = {"PREFACTOR_RUN_PROPAGATION": asked_for}
    with launch(api, tmp_path / "app.py", PROPAGATES, variables) as process:
        said, _ = process.communicate(timeout=PATIENCE)
    assert said == f"{asked_for == 'true'}\n"
