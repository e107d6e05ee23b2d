"""Whose runs the spans of a request are."""

import secrets
from pathlib import Path
from typing import Any

import pytest

from prefactor_otel.devserver import DevServer
from tests.gateway.made import encoded, ids, in_json, request, response, saying
from tests.gateway.process import before, running
from tests.gateway.test_accounts import config
from tests.patience import comes_true
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


CLERK = {"key": "prefactor.agent_name", "value": {"stringValue": "clerk"}}


def by_name(api: DevServer) -> dict[str, list[str]]:
    """The names of the spans of each run, by that of its agent."""
    names = {run["id"]: name for run, name in zip(api.instances(), named(api), strict=True)}
    found: dict[str, list[str]] = {}
    for row in api.spans():
        found.setdefault(names[row["agent_instance_id"]], []).append(row["payload"]["name"])
    return {name: sorted(spans) for name, spans in found.items()}


def trace_in_protobuf(agent: str) -> bytes:
    """A trace as senders have it, its root last, which alone names an agent."""
    (trace, root), step = ids(), secrets.token_bytes(8)
    made = request((trace, step), parent=root, service_name="shop")
    made.MergeFrom(
        saying(request((trace, root), name="task", service_name="shop"), prefactor_agent_name=agent)
    )
    return made.SerializeToString()


def trace_in_json() -> bytes:
    """The same in the other encoding."""
    (trace, root), step = ids(), secrets.token_bytes(8)
    made = in_json((trace, step), parentSpanId=root.hex())
    made["resourceSpans"] += in_json((trace, root), name="task", attributes=[CLERK])[
        "resourceSpans"
    ]
    return encoded(made)


@pytest.mark.parametrize("encoding", ["application/x-protobuf", "application/json"])
def test_the_root_of_a_trace_names_its_agent_though_it_comes_last(
    encoding: str, api: DevServer, tmp_path: Path
) -> None:
    body = trace_in_json() if encoding.endswith("json") else trace_in_protobuf("clerk")
    with before(api, tmp_path / "spool") as gateway:
        assert gateway.post(body, content_type=encoding).status == 200
        assert gateway.post(request(ids(), service_name="shop").SerializeToString()).status == 200
        assert gateway.end() == 0
    assert by_name(api)["clerk"] == ["step", "task"]
    assert len(api.instances()) == 2


def test_what_a_root_says_wins_over_its_resource_and_the_header(
    api: DevServer, tmp_path: Path
) -> None:
    (trace, root), step = ids(), secrets.token_bytes(8)
    made = request((trace, step), parent=root)
    made.MergeFrom(saying(request((trace, root), name="task"), prefactor_agent_name="clerk"))
    for of_resource in made.resource_spans:
        said = of_resource.resource.attributes.add(key="prefactor.agent_name")
        said.value.string_value = "by resource"
    with before(api, tmp_path / "spool") as gateway:
        answer = gateway.post(made.SerializeToString(), Prefactor_Agent_Name="by header")
        assert answer.status == 200
        assert gateway.end() == 0
    assert by_name(api) == {"clerk": ["step", "task"]}


def test_a_run_is_of_the_service_of_its_root_and_not_of_one_that_was_called(
    api: DevServer, tmp_path: Path
) -> None:
    (trace, root), called = ids(), secrets.token_bytes(8)
    made = request((trace, called), parent=root, name="GET /", service_name="weather")
    made.resource_spans[0].scope_spans[0].spans[0].flags = 0x300
    made.MergeFrom(request((trace, root), name="task", service_name="clerk"))
    with before(api, tmp_path / "spool") as gateway:
        assert gateway.post(made.SerializeToString()).status == 200
        assert gateway.end() == 0
    assert by_name(api) == {"clerk": ["GET /", "task"]}


def test_where_no_root_has_come_the_first_span_says_whose_the_run_is(
    api: DevServer, tmp_path: Path
) -> None:
    (trace, root), step = ids(), secrets.token_bytes(8)
    first = request((trace, step), parent=root, service_name="shop")
    last = saying(
        request((trace, root), name="task", service_name="till"), prefactor_agent_name="clerk"
    )
    with before(api, tmp_path / "spool") as gateway:
        for body in (first, last):
            assert gateway.post(body.SerializeToString()).status == 200
        assert gateway.end() == 0
    assert by_name(api) == {"shop": ["step", "task"]}


def test_an_agent_that_a_root_names_and_prefactor_does_not_know_is_refused_at_the_door(
    api: DevServer, tmp_path: Path
) -> None:
    unknown = "0" * 32

    def rejected() -> int:
        (trace, root), step = ids(), secrets.token_bytes(8)
        made = request((trace, step), parent=root)
        made.MergeFrom(saying(request((trace, root)), prefactor_agent_id=unknown))
        answer = gateway.post(made.SerializeToString())
        assert answer.status == 200
        return response(answer.body).partial_success.rejected_spans

    with before(api, tmp_path / "spool", PREFACTOR_RUN_LINGER="0") as gateway:
        assert rejected() == 0  # nobody knows yet
        assert comes_true(lambda: rejected() == 2)
        gateway.end()


def test_a_run_is_the_same_whichever_service_a_gateway_has_heard_of_first(
    api: DevServer, tmp_path: Path
) -> None:
    body = trace_in_protobuf("shop")
    other = request(ids(), service_name="shop").SerializeToString()
    for number, bodies in enumerate(([other, body], [body])):
        with before(api, tmp_path / f"spool {number}") as gateway:
            for each in bodies:
                assert gateway.post(each).status == 200
            assert gateway.end() == 0
    assert len(api.instances()) == 2
    assert len(api.spans()) == 3
