"""Content that official instrumentations put into log records arrives, without a line of code: with
the packages as they are published, under OpenTelemetry's own launcher."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from prefactor_otel.devserver import DevServer
from tests.gateway.process import before
from tests.http import environments
from tests.live.frameworks import APPS
from tests.live.stories import environment
from tests.model import ANSWER, FakeModel
from tests.patience import PATIENCE

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.xdist_group("records"),
]
CAPTURE: Final = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
HOOK: Final = "OTEL_INSTRUMENTATION_GENAI_COMPLETION_HOOK"
GENAI: Final = (
    "openai>=3.57,<4",
    "opentelemetry-distro>=0.66b0",
    "opentelemetry-instrumentation-genai-openai==1.3b0",
)
OPENAI_V2: Final = (
    "openai>=2,<3",
    "opentelemetry-distro>=0.66b0",
    "opentelemetry-instrumentation-openai-v2==2.4b0",
    "opentelemetry-util-genai==0.4b0",
)
LATEST: Final = {"OTEL_SEMCONV_STABILITY_OPT_IN": "gen_ai_latest_experimental"}
"""With it packages of before have the modes of later ones, by a helper of before."""
WITH_MODES: Final = pytest.mark.parametrize(
    ("packages", "opted_in"), [(GENAI, {}), (OPENAI_V2, LATEST)], ids=["genai", "openai-v2"]
)
OLDEST: Final = ("opentelemetry-sdk==1.36.0", "opentelemetry-distro==0.57b0")
NEWEST: Final = ("opentelemetry-sdk", "opentelemetry-distro")

Json = dict[str, Any]
Python = Callable[[tuple[str, ...]], Path]


@pytest.fixture(scope="session")
def python(tmp_path_factory: pytest.TempPathFactory) -> Python:
    """The interpreter of an environment with this package and those, each made once."""
    folder = tmp_path_factory.mktemp("records")
    wheel = environments.build_wheel(folder)
    made: dict[tuple[str, ...], Path] = {}

    def of(packages: tuple[str, ...]) -> Path:
        if packages not in made:
            made[packages] = environments.make(folder / str(len(made)), str(wheel), *packages)
        return made[packages]

    return of


def payloads(python: Path, app: str, **variables: str) -> list[Json]:
    """What arrives of an application that knows nothing of this package."""
    return arrived(python, app, **variables)[0]


def arrived(python: Path, app: str, **variables: str) -> tuple[list[Json], str]:
    """The same, and what it prints."""
    with DevServer() as server, FakeModel() as model:
        done = subprocess.run(
            [python.with_name("opentelemetry-instrument"), python, APPS / app],
            env=environment(server, model) | ZERO_CODE | variables,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0
        assert not [line for line in done.stderr.splitlines() if is_trouble(line)], done.stderr
        rows = sorted(server.spans(), key=lambda row: str(row["started_at"]))
        return [row["payload"] for row in rows], done.stdout


def is_trouble(line: str) -> bool:
    """Older packages warn of each other; that is no matter."""
    return "prefactor" in line.lower() or "Traceback" in line


ZERO_CODE: Final = {
    "OTEL_TRACES_EXPORTER": "prefactor",
    "OTEL_LOGS_EXPORTER": "prefactor",
    "OTEL_METRICS_EXPORTER": "none",
    "PREFACTOR_SHUTDOWN_TIMEOUT": str(PATIENCE),
}
QUESTION: Final = {"role": "user", "content": "What is the weather in Paris?"}
TOLD: Final = "sunny, 21C in Paris"


def assert_told_once(first: Json, second: Json) -> None:
    """The question and the answer are where they belong, and nowhere else."""
    assert first["inputs"]["messages"][-1] == QUESTION
    assert first["outputs"]["tool_calls"][0]["arguments"] == {"city": "Paris"}
    assert second["inputs"]["messages"][-1]["content"] == TOLD
    assert second["outputs"]["messages"] == [{"role": "assistant", "content": ANSWER}]
    for call in (first, second):
        assert "events" not in call["metadata"]
        assert json.dumps(call).count(QUESTION["content"]) == 1
        assert QUESTION["content"] not in json.dumps(call["metadata"])
    assert json.dumps(second).count(ANSWER) == 1


@WITH_MODES
@pytest.mark.parametrize("mode", ["span_only", "event_only", "span_and_event"])
def test_content_is_shown_once_in_every_mode_of_the_genai_family(
    python: Python, packages: tuple[str, ...], opted_in: dict[str, str], mode: str
) -> None:
    variables = {CAPTURE: mode} | opted_in
    first, second = payloads(python(packages), "two_calls_app.py", **variables)
    assert_told_once(first, second)


@WITH_MODES
@pytest.mark.parametrize("mode", ["no_content", ""])
def test_without_content_in_spans_and_records_there_is_none_to_show(
    python: Python, packages: tuple[str, ...], opted_in: dict[str, str], mode: str
) -> None:
    calls = payloads(python(packages), "two_calls_app.py", **{CAPTURE: mode} | opted_in)
    assert len(calls) == 2
    assert not any(text in json.dumps(calls) for text in (QUESTION["content"], ANSWER, TOLD))


def test_messages_of_openai_v2_are_shown_as_a_conversation(python: Python) -> None:
    first, second = payloads(python(OPENAI_V2), "two_calls_app.py", **{CAPTURE: "true"})
    assert_told_once(first, second)
    assert first["inputs"]["system"] == "You are a weather assistant."


@pytest.mark.parametrize("mode", ["false", ""])
def test_messages_of_openai_v2_that_hold_no_content_show_none(python: Python, mode: str) -> None:
    calls = payloads(python(OPENAI_V2), "two_calls_app.py", **{CAPTURE: mode})
    assert len(calls) == 2
    assert not any(text in json.dumps(calls) for text in (QUESTION["content"], ANSWER, TOLD))


@pytest.mark.parametrize("packages", [OLDEST, NEWEST], ids=["oldest", "newest"])
def test_records_arrive_under_every_sdk_that_is_supported(
    python: Python, packages: tuple[str, ...]
) -> None:
    [call] = payloads(python(packages), "records_app.py")
    assert call["inputs"]["messages"] == [QUESTION]
    assert call["outputs"]["messages"] == [{"role": "assistant", "content": "It is sunny."}]
    assert "none of ours" not in json.dumps(call)


@WITH_MODES
@pytest.mark.parametrize("mode", ["no_content", "span_only", "event_only", "span_and_event"])
def test_the_completion_hook_shows_content_once_in_every_mode(
    python: Python, packages: tuple[str, ...], opted_in: dict[str, str], mode: str
) -> None:
    """And with no content for others, none reaches them."""
    others = {
        "OTEL_TRACES_EXPORTER": "prefactor,console",
        "OTEL_LOGS_EXPORTER": "console,prefactor",
        "OTEL_INSTRUMENTATION_GENAI_EMIT_EVENT": "true",
    }
    (first, second), printed = arrived(
        python(packages),
        "two_calls_app.py",
        **{CAPTURE: mode, HOOK: "prefactor"} | others | opted_in,
    )
    assert_told_once(first, second)
    assert "gpt-4o-mini" in printed
    assert (QUESTION["content"] in printed) == (mode != "no_content")


def test_a_hook_that_nobody_has_named_shows_nothing(python: Python) -> None:
    calls = payloads(python(GENAI), "two_calls_app.py")
    assert not any(text in json.dumps(calls) for text in (QUESTION["content"], ANSWER, TOLD))


OTLP: Final = "opentelemetry-exporter-otlp-proto-http"


@pytest.mark.parametrize(("packages", "mode"), [(GENAI, "event_only"), (OPENAI_V2, "true")])
def test_content_that_is_sent_to_a_gateway_as_logs_is_shown_with_the_call(
    python: Python, packages: tuple[str, ...], mode: str, tmp_path: Path
) -> None:
    launched = python((*packages, OTLP))
    with (
        DevServer() as server,
        FakeModel() as model,
        before(server, tmp_path / "spool") as gateway,
    ):
        sends = {
            "OTEL_TRACES_EXPORTER": "otlp",
            "OTEL_LOGS_EXPORTER": "otlp",
            "OTEL_METRICS_EXPORTER": "none",
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            "OTEL_EXPORTER_OTLP_ENDPOINT": gateway.url,
            CAPTURE: mode,
        }
        done = subprocess.run(
            [launched.with_name("opentelemetry-instrument"), launched, APPS / "two_calls_app.py"],
            env=environment(server, model) | sends,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert gateway.end() == 0
        first, second = sorted(server.spans(), key=lambda row: str(row["started_at"]))
    assert_told_once(first["payload"], second["payload"])
