"""An id out of an answer names a run, whatever it is, and never leads a request elsewhere."""

import json

import pytest

from prefactor_otel import PrefactorSpanProcessor, TracerProvider
from prefactor_otel.devserver import DevServer
from tests.patience import PATIENCE

BELOW = "/api/v1/agent_instance/"


def registered_as(api: DevServer, id: object, times: int | None) -> None:
    answer = json.dumps({"status": "success", "details": {"id": id}})
    api.faults.add(path="/register", body=answer, times=times)


def one_span(api: DevServer) -> PrefactorSpanProcessor:
    processor = PrefactorSpanProcessor(
        api.url, api.token, poll_interval=0.01, schedule_delay=0.0, shutdown_timeout=PATIENCE
    )
    provider = TracerProvider(span_processors=[processor], shutdown_on_exit=False)
    with provider.get_tracer("agent").start_as_current_span("a"):
        provider.force_flush()
    provider.shutdown()
    return processor


@pytest.mark.parametrize(
    "id",
    [
        "../agent/x/delete",
        "x/../../agent",
        "x?y=z#",
        "%2e%2e",
        "a b",
        "x\r\nHost: y",
        "\\..\\",
        "ä",
    ],
)
def test_an_id_that_is_no_pfid_stays_one_part_of_the_path(api: DevServer, id: str) -> None:
    registered_as(api, id, times=1)
    one_span(api)
    about_runs = [request.path for request in api.requests if BELOW in request.path]
    assert {path.removeprefix(BELOW) for path in about_runs} >= {f"{id}/start", f"{id}/finish"}
    assert {path for path in (request.path for request in api.requests) if id not in path} <= {
        f"{BELOW}register",
        "/api/v1/bulk",
    }


@pytest.mark.parametrize("id", ["", ".", "..", "\ud800", None, 5, ["x"]])
def test_what_cannot_be_an_id_is_no_registration(api: DevServer, id: object) -> None:
    registered_as(api, id, times=2)
    assert one_span(api).stats().acknowledged == 1
    [run] = api.instances()
    assert run["status"] == "complete"
    assert {request.path for request in api.requests} <= {
        "/api/v1/bulk",
        *(f"{BELOW}{part}" for part in ("register", f"{run['id']}/start", f"{run['id']}/finish")),
        f"{BELOW}{run['id']}",
    }
