"""A file that configures the SDK (``OTEL_CONFIG_FILE``) has the exporter's options as keys; under
OpenTelemetry's own launcher, in an environment of its own."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from prefactor_otel.devserver import DevServer
from tests.http import environments
from tests.live.frameworks import APPS
from tests.patience import PATIENCE

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.xdist_group("records"),
]
WITH_FILES: Final = ("opentelemetry-sdk[file-configuration]", "opentelemetry-distro")

FILE: Final = """
file_format: "1.0"
resource:
  attributes: [{{name: service.name, value: file-agent}}, {{name: service.version, value: "7"}}]
tracer_provider:
  processors:
    - batch: {{exporter: {{prefactor: {options}}}}}
    - simple: {{exporter: {{console: }}}}
logger_provider:
  processors:
    - simple: {{exporter: {{prefactor: {of_logs}}}}}
"""
AT_WORK: Final = """
import sys
from opentelemetry import trace

tracer = trace.get_tracer("app")
with tracer.start_as_current_span("root"):
    with tracer.start_as_current_span("step", attributes={"input.value": "write to a@b.com"}):
        print("ready", flush=True)
        sys.stdin.readline()
"""
PROPAGATES: Final = """
from opentelemetry import propagate, trace

trace.get_tracer("app")
print(list(propagate.get_global_textmap().fields).count("prefactor-run"))
"""
WORKS_ON: Final = """
import time
from opentelemetry import trace

tracer = trace.get_tracer("app")
with tracer.start_as_current_span("root"):
    print("ready", flush=True)
    try:
        while True:  # until somebody stops it
            with tracer.start_as_current_span("step"):
                time.sleep(0.01)
    except Exception as error:
        print(type(error).__name__, flush=True)
"""


@pytest.fixture(scope="session")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    wheel = environments.build_wheel(folder)
    return environments.make(folder / "environment", str(wheel), *WITH_FILES)


def options_of(api: DevServer) -> dict[str, Any]:
    given = {"api_url": api.url, "api_token": api.token, "agent_name": "named in the file"}
    return given | {"mask": ["emails"], "shutdown_timeout": PATIENCE}


@contextmanager
def launched(
    python: Path,
    application: Path,
    options: dict[str, Any],
    of_logs: object = None,
    propagators: str = "",
    **others: str,
) -> Iterator["subprocess.Popen[str]"]:
    """The application under the launcher, which finds nothing set but a file and these."""
    file = application.with_suffix(".yaml")
    said = FILE.format(options=json.dumps(options), of_logs=json.dumps(of_logs))
    file.write_text(said + propagators)
    with begun(python, application, file, **others) as process:
        yield process


@contextmanager
def begun(
    python: Path, application: Path, file: Path, **others: str
) -> Iterator["subprocess.Popen[str]"]:
    unset = ("OTEL_", "PREFACTOR_", "PYTHONPATH")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(unset)}
    with subprocess.Popen(
        [python.with_name("opentelemetry-instrument"), python, application],
        env=kept | {"OTEL_CONFIG_FILE": str(file)} | others,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        yield process


@pytest.fixture
def at_work(tmp_path: Path) -> Path:
    application = tmp_path / "app.py"
    application.write_text(AT_WORK)
    return application


def our_lines(errors: str) -> list[str]:
    """What is said that is no matter of the launcher's."""
    return [line for line in errors.splitlines() if line and "configurator kwargs" not in line]


def test_a_run_is_live_and_all_options_of_the_file_are_in_force(
    python: Path, api: DevServer, at_work: Path
) -> None:
    with launched(python, at_work, options_of(api)) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        assert api.wait_until(lambda api: api.spans())
        assert [row["status"] for row in api.spans()] == ["active"]
        _, errors = process.communicate("go on\n", timeout=PATIENCE)
    assert (process.returncode, our_lines(errors)) == (0, [])
    [registration] = [r.body for r in api.requests if r.path.endswith("/register")]
    version = registration["agent_version"]
    assert (version["name"], version["external_identifier"]) == ("named in the file", "7")
    rows = {row["payload"]["name"]: row for row in api.spans()}
    assert {row["parent_span_id"] for name, row in rows.items() if name != "root"} == {
        rows["root"]["id"]
    }
    assert "write to [email]" in repr(rows["step"]["payload"]["inputs"])
    assert rows["root"]["payload"]["metadata"]["resource"]["service.name"] == "file-agent"
    assert [run["status"] for run in api.instances()] == ["complete"]


def test_a_run_that_is_terminated_stops_the_agent(
    python: Path, api: DevServer, tmp_path: Path
) -> None:
    application = tmp_path / "app.py"
    application.write_text(WORKS_ON)
    options = options_of(api) | {"on_terminate": "raise", "poll_interval": 0.1}
    with launched(python, application, options) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        assert api.wait_until(lambda api: api.spans())
        [run] = api.instances()
        api.terminate(run["id"], "enough")
        output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert "PrefactorTerminatedError" in output


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"api_ulr": "http://localhost"}, "unknown option 'api_ulr'"),
        ({"reader": 1}, "unknown option 'reader'"),
        ({"meter_provider": 1}, "unknown option 'meter_provider'"),
        ({"self": 1}, "unknown option 'self'"),
        ({"max_batch_size": "many"}, "option max_batch_size"),
        ({"api_url": 7}, "option api_url"),
    ],
)
def test_a_wrong_key_is_one_log_line_that_names_it_and_the_rest_of_the_sdk_works(
    python: Path, api: DevServer, at_work: Path, wrong: dict[str, Any], named: str
) -> None:
    with launched(python, at_work, options_of(api) | wrong) as process:
        output, errors = process.communicate("go on\n", timeout=PATIENCE)
    assert process.returncode == 0
    [line] = our_lines(errors)
    assert named in line
    assert api.token not in line
    assert '"name": "root"' in output  # by the other exporter
    assert api.requests == []


def test_the_exporter_of_logs_in_the_file_opens_the_log_door(
    python: Path, api: DevServer, tmp_path: Path
) -> None:
    application = tmp_path / "app.py"
    application.write_text((APPS / "records_app.py").read_text())
    with launched(python, application, options_of(api), {"api_url": "x"}) as process:
        _, errors = process.communicate(timeout=PATIENCE)
    [line] = our_lines(errors)
    assert (process.returncode, line.endswith("nothing reads api_url")) == (0, True)
    [row] = api.spans()
    question = {"role": "user", "content": "What is the weather in Paris?"}
    assert row["payload"]["inputs"]["messages"] == [question]


def test_a_variable_that_names_the_provider_does_not_keep_the_file_s_from_being_set(
    python: Path, api: DevServer, at_work: Path
) -> None:
    named = {"OTEL_PYTHON_TRACER_PROVIDER": "sdk_tracer_provider"}
    named |= {"OTEL_PYTHON_LOGGER_PROVIDER": "sdk_logger_provider"}
    with launched(python, at_work, options_of(api), **named) as process:
        _, errors = process.communicate("go on\n", timeout=PATIENCE)
    assert (process.returncode, our_lines(errors)) == (0, [])
    assert sorted(row["payload"]["name"] for row in api.spans()) == ["root", "step"]
    assert [run["status"] for run in api.instances()] == ["complete"]


@pytest.mark.parametrize("propagators", ["", "propagator: {composite: [prefactor: ]}"])
def test_runs_are_carried_on_whatever_propagators_the_file_names(
    python: Path, api: DevServer, tmp_path: Path, propagators: str
) -> None:
    application = tmp_path / "app.py"
    application.write_text(PROPAGATES)
    options = options_of(api) | {"run_propagation": True}
    with launched(python, application, options, propagators=propagators) as process:
        output, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, output, our_lines(errors)) == (0, "1\n", [])


def test_the_example_s_file_with_what_the_variables_say(python: Path, api: DevServer) -> None:
    folder = environments.CHECKOUT / "examples" / "zero_code"
    settings = {"PREFACTOR_API_URL": api.url, "PREFACTOR_API_TOKEN": api.token}
    with begun(python, folder / "app.py", folder / "otel.yaml", **settings) as process:
        output, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, output, our_lines(errors)) == (0, "9\n", [])
    [registration] = [r.body for r in api.requests if r.path.endswith("/register")]
    assert registration["agent_version"]["name"] == "checkout agent"
    names = sorted(row["payload"]["name"] for row in api.spans())
    assert names == ["checkout", "price", "price"]
