"""What the examples say is understood by whoever is to read it, as far as that can be seen here."""

import configparser
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from prefactor_otel.gateway.settings import load

EXAMPLES = Path(__file__).parents[2] / "examples" / "gateway"


def read(name: str) -> Any:
    return yaml.safe_load((EXAMPLES / name).read_text())


@pytest.mark.parametrize("name", ["balancer.yaml", "collector.yaml"])
def test_a_collectors_pipelines_are_of_what_is_configured_and_all_of_that_is_used(
    name: str,
) -> None:
    found = read(name)
    pipelines = found["service"]["pipelines"]
    for role in ("receivers", "exporters"):
        used = {each for pipeline in pipelines.values() for each in pipeline[role]}
        assert used == found[role].keys()
    assert set(found["service"].get("extensions", [])) == found.get("extensions", {}).keys()


def test_the_balancer_knows_the_collectors_of_the_compose_file_which_lead_to_a_gateway() -> None:
    services = read("compose.yaml")["services"]
    hosts = read("balancer.yaml")["exporters"]["loadbalancing"]["resolver"]["static"]["hostnames"]
    port = read("collector.yaml")["receivers"]["otlp"]["protocols"]["grpc"]["endpoint"]
    for host in hosts:
        name, _, number = host.partition(":")
        assert port.endswith(f":{number}")
        beside = [
            each for each in services.values() if each.get("network_mode") == f"service:{name}"
        ]
        assert len(beside) == 1
    files = [volume for each in services.values() for volume in each["volumes"]]
    for file in files:
        if file.startswith("./"):
            assert (EXAMPLES / file.partition(":")[0]).exists()


def test_a_collector_sends_to_where_a_gateway_listens_that_is_told_nothing() -> None:
    settings = load(None, {})
    endpoint = read("collector.yaml")["exporters"]["otlphttp"]["endpoint"]
    assert endpoint == f"http://{settings.host}:{settings.port}"


def test_the_settings_are_usable() -> None:
    settings = load(EXAMPLES / "gateway.toml", {})
    assert settings.own_config().span_filter == "agent"


def test_the_unit_starts_a_gateway_by_these_settings() -> None:
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read(EXAMPLES / "prefactor-gateway.service")
    words = unit["Service"]["ExecStart"].split()
    assert words[1:3] == ["gateway", "--config"]
    if shutil.which("systemd-analyze") is not None:
        file = str(EXAMPLES / "prefactor-gateway.service")
        done = subprocess.run(
            ["systemd-analyze", "verify", file], capture_output=True, text=True, check=False
        )
        assert "Unknown" not in done.stderr
