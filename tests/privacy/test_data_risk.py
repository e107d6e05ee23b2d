"""What a run declares of the risk of its span types."""

import json
from typing import Any

import pytest

from prefactor_http.models.agent_instance import ActionProfile, DataCategories, DataRisk
from prefactor_otel import PrefactorConfigError, PrefactorSpanProcessor
from prefactor_otel.config.options import load_config
from prefactor_otel.devserver import DevServer
from prefactor_otel.mapping import SpanType
from prefactor_otel.span_types import data_risk

PAYING = {
    "*": {"data_categories": {"classification": "confidential"}},
    "tool": {
        "action_profile": {"financial_transactions": "allowed"},
        "data_categories": {"financial_information": "included"},
        "result_data_categories": {"classification": "secret"},
    },
    "llm": {"action_profile": {"external_communication": "disallowed"}},
}


def declared(api: DevServer, **options: object) -> dict[str, dict[str, Any]]:
    """The risk of every span type by its name, as a run registered it."""
    PrefactorSpanProcessor(api.url, api.token, **options).shutdown()  # type: ignore[arg-type]
    (registration,) = (r.body for r in api.requests if r.path.endswith("/register"))
    types = registration["agent_schema_version"]["span_type_schemas"]
    return {each["name"].removeprefix("otel:"): each["data_risk"] for each in types}


def test_every_span_type_declares_a_risk_that_the_api_takes(api: DevServer) -> None:
    risks = declared(api)
    assert set(risks) == set(SpanType)
    for each in risks.values():
        assert DataRisk(**each).action_profile.read_data != "disallowed"
    assert api.instances()[0]["status"] == "complete"


def test_by_default_models_send_and_retrievers_read_and_of_tools_nothing_is_known(
    api: DevServer,
) -> None:
    risks = declared(api)
    assert risks["llm"]["action_profile"]["external_communication"] == "allowed"
    assert risks["llm"]["action_profile"]["destroy_data"] == "disallowed"
    assert risks["retriever"]["action_profile"]["read_data"] == "allowed"
    assert risks["tool"]["action_profile"] == {}


def test_what_is_declared_wins_over_the_defaults_and_one_type_over_all(api: DevServer) -> None:
    risks = declared(api, data_risk=PAYING)
    assert risks["tool"] == {
        "action_profile": {"financial_transactions": "allowed"},
        "params_data_categories": {
            "classification": "confidential",
            "financial_information": "included",
        },
        "result_data_categories": {"classification": "secret", "financial_information": "included"},
    }
    assert risks["llm"]["action_profile"]["external_communication"] == "disallowed"
    assert risks["llm"]["action_profile"]["create_data"] == "disallowed"
    assert risks["span"]["params_data_categories"] == {"classification": "confidential"}


def test_another_risk_is_another_schema_version(api: DevServer) -> None:
    for given in ({}, PAYING, PAYING):
        PrefactorSpanProcessor(api.url, api.token, data_risk=given).shutdown()
    bodies = [r.body for r in api.requests if r.path.endswith("/register")]
    versions = [body["agent_schema_version"]["external_identifier"] for body in bodies]
    assert versions[0] != versions[1] == versions[2]


def test_it_can_be_set_by_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFACTOR_DATA_RISK", json.dumps(PAYING))
    assert load_config(None, "pf_token").data_risk == PAYING


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("{", "JSON object"),
        ([], "member for each span type"),
        ({"tol": {}}, "'tol' is not a span type"),
        ({"tool": 1}, "must hold an object for tool"),
        ({"tool": {"actions": {}}}, "'actions' is not a part of tool"),
        ({"tool": {"action_profile": []}}, "must hold an object for tool.action_profile"),
        ({"tool": {"action_profile": {"read": "allowed"}}}, "'read' is not a name in"),
        ({"tool": {"action_profile": {"read_data": "yes"}}}, "'yes' is not a value of"),
        ({"tool": {"data_categories": {"classification": "hot"}}}, "'hot' is not a value of"),
    ],
)
def test_a_word_that_the_api_does_not_know_is_refused_by_name(given: object, told: str) -> None:
    with pytest.raises(PrefactorConfigError, match=told):
        load_config(None, "pf_token", data_risk=given)


def test_the_words_are_those_of_the_client_and_the_types_those_of_the_spans() -> None:
    assert set(data_risk.DEFAULTS) == set(SpanType)
    assert set(data_risk.ACTIONS) == set(ActionProfile.model_fields)
    assert {*data_risk.CATEGORIES, "classification"} == set(DataCategories.model_fields)
