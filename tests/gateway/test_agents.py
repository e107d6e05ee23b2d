"""Whose runs the spans of a request are."""

from pathlib import Path
from typing import Any

from prefactor_otel.devserver import DevServer
from tests.gateway.made import ids, request
from tests.gateway.process import running
from tests.gateway.test_accounts import config
from tests.registrations import registrations


def named(api: DevServer) -> list[Any]:
    return [each["agent_version"]["name"] for each in registrations(api)]


def test_the_agent_is_by_its_resource_then_a_header_then_the_table_then_its_service(
    api: DevServer, tmp_path: Path
) -> None:
    words = config(
        tmp_path,
        f"""
        api_url = "{api.url}"
        token = "{api.token}"
        [services.checkout]
        agent_name = "by table"
        """,
    )
    sent: list[tuple[bytes, dict[str, str]]] = [
        (request(ids(), service_name=service).SerializeToString(), headers)
        for service, headers in (
            ("clerk", {}),
            ("checkout", {}),
            ("checkout", {"Prefactor-Agent-Name": "by header"}),
        )
    ]
    with running(*words) as gateway:
        for body, headers in sent:
            assert gateway.post(body, **headers).status == 200
        assert api.wait_until(lambda api: len(api.spans()) == 3)
        assert gateway.end() == 0
    assert sorted(named(api)) == ["by header", "by table", "clerk"]
