"""``prefactor-otel doctor --gateway``: what a sender has to know of a gateway before it sends."""

from pathlib import Path

import pytest

from prefactor_otel.devserver import DevServer
from tests.cli.command import run_command
from tests.gateway.process import before, running
from tests.process.scripts import free_port


def test_all_is_well_with_a_gateway_that_takes_anybodys_spans(
    api: DevServer, tmp_path: Path
) -> None:
    with before(api, tmp_path / "spool") as gateway:
        done = run_command("doctor", "--gateway", gateway.url)
    assert done.returncode == 0, done.stdout
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == [
        "✓ reachability",
        "✓ readiness",
        "✓ spans",
    ]
    assert api.instances() == []


def test_a_sender_without_a_token_is_told_which_variable_to_set(
    api: DevServer, tmp_path: Path
) -> None:
    with running("--spool-dir", str(tmp_path / "spool"), PREFACTOR_API_URL=api.url) as gateway:
        refused = run_command("doctor", "--gateway", gateway.url)
        taken = run_command(
            "doctor",
            "--gateway",
            f"{gateway.url}/v1/traces",
            OTEL_EXPORTER_OTLP_HEADERS=f"Authorization=Bearer%20{api.token}",
        )
    assert refused.returncode == 1
    assert "it refuses spans (HTTP 401)" in refused.stdout
    assert "OTEL_EXPORTER_OTLP_HEADERS" in refused.stdout
    assert taken.returncode == 0, taken.stdout
    assert api.token not in taken.stdout


def test_what_is_no_gateway_is_told_from_one(api: DevServer) -> None:
    done = run_command("doctor", "--gateway", api.url)
    assert done.returncode == 1
    assert "not as a gateway does" in done.stdout


@pytest.mark.parametrize("url", ["http://127.0.0.1:PORT", "gateway:4318", "http://a b"])
def test_an_address_at_which_nobody_is_gets_a_remedy_and_no_traceback(url: str) -> None:
    done = run_command("doctor", "--gateway", url.replace("PORT", str(free_port())))
    assert done.returncode == 1
    assert len(done.stdout.splitlines()) == 2
    assert "Traceback" not in done.stdout + done.stderr
