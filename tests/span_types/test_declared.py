"""Types of the application's own are declared before a span is of one, and keep their schemas."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace.export import BatchSpanProcessor

import prefactor_otel
from prefactor_http.models.agent_instance import DataRisk
from prefactor_otel import (
    PrefactorConfigError,
    PrefactorExporter,
    PrefactorSpanProcessor,
    TracerProvider,
)
from prefactor_otel.config.options import load_config
from prefactor_otel.devserver import DevServer
from prefactor_otel.runs.run import schema_of
from prefactor_otel.span_types.schemas import schema_version
from tests.doors.test_doors import registration

ADDRESS = {"type": "object", "properties": {"to": {"type": "string"}}, "required": ["to"]}
RECEIPT = {"type": "object", "properties": {"output": {"type": "string"}}, "required": ["output"]}


def declared(**options: object) -> dict[str, dict[str, Any]]:
    version = schema_of(load_config(None, None, **options))
    types = version["span_type_schemas"]
    assert isinstance(types, list)
    assert len({each["name"] for each in types}) == len(types)
    return {each["name"]: each for each in types}


@contextmanager
def agent(api: DevServer, **options: Any) -> Iterator[TracerProvider]:
    processor = PrefactorSpanProcessor(api.url, api.token, agent_name="a", **options)
    provider = TracerProvider(span_processors=[processor], shutdown_on_exit=False)
    yield provider
    provider.shutdown()
    assert processor.stats().dropped == {}


def call(provider: TracerProvider, tool: str, arguments: str = '{"to": "anna"}') -> None:
    attributes = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": tool}
    attributes["gen_ai.tool.call.arguments"] = arguments
    attributes["gen_ai.tool.call.result"] = "done"
    tracer = provider.get_tracer("types")
    tracer.start_span(f"execute_tool {tool}", attributes=attributes).end()


def step(provider: TracerProvider, kind: str) -> None:
    tracer = provider.get_tracer("types")
    tracer.start_span(kind, attributes={"prefactor.span_type": kind}).end()


def work(api: DevServer, **options: Any) -> dict[str, dict[str, Any]]:
    """A tool, a call of another, and a step; the rows by name."""
    with agent(api, **options) as provider:
        call(provider, "send_email")
        call(provider, "look_up", '{"to": 7}')
        step(provider, "approval")
        step(provider, "never declared")
    return by_name(api)


def by_name(api: DevServer) -> dict[str, dict[str, Any]]:
    return {row["payload"]["name"]: row for row in api.spans()}


def test_a_tool_has_the_type_that_is_declared_for_it(api: DevServer) -> None:
    rows = work(api, tool_span_types={"send_email": {"inputs": ADDRESS}})
    assert rows["send_email"]["schema_name"] == "otel:tool:send_email"
    assert rows["send_email"]["schema_title"] == "send_email"
    assert rows["send_email"]["schema_mismatches"] == []
    assert rows["look_up"]["schema_name"] == "otel:tool"


def test_a_payload_that_differs_from_its_tools_schema_is_told_apart(api: DevServer) -> None:
    rows = work(api, tool_span_types={"look_up": {"inputs": ADDRESS}})
    assert rows["look_up"]["schema_mismatches"] == ["payload.inputs.to: is not of type string"]


def test_a_span_names_its_own_type_and_one_that_nobody_declared_is_a_plain_span(
    api: DevServer,
) -> None:
    rows = work(api, span_types={"approval": {"title": "Approval", "template": "yes: {{ name }}"}})
    approval = rows["approval"]
    assert approval["schema_name"] == "otel:approval"
    assert (approval["schema_title"], approval["summary"]) == ("Approval", "yes: approval")
    assert rows["never declared"]["schema_name"] == "otel:span"


@pytest.mark.parametrize("prefix", ["ai-sdk", "langchain"])
def test_another_prefix_is_in_every_name(api: DevServer, prefix: str) -> None:
    rows = work(
        api,
        span_type_prefix=prefix,
        span_types={"approval": None},
        tool_span_types={"send_email": {}},
    )
    assert {name: row["schema_name"] for name, row in rows.items()} == {
        "send_email": f"{prefix}:tool:send_email",
        "look_up": f"{prefix}:tool",
        "approval": f"{prefix}:approval",
        "never declared": f"{prefix}:span",
    }
    types = registration(api)["agent_schema_version"]["span_type_schemas"]
    assert {each["name"].partition(":")[0] for each in types} == {prefix}


def test_the_names_are_those_that_the_platforms_evaluator_knows() -> None:
    known = {f"langchain:{each}" for each in ("llm", "tool", "agent", "chain", "retriever")}
    assert known <= declared(span_type_prefix="langchain").keys()
    # Under this prefix it knows tools by name alone.
    types = declared(span_type_prefix="ai-sdk", tool_span_types={"send_email": None})
    assert {"ai-sdk:llm", "ai-sdk:agent", "ai-sdk:tool:send_email"} <= types.keys()


def test_what_is_not_said_of_a_type_of_ours_stays(api: DevServer) -> None:
    before, after = declared(), declared(span_types={"llm": {"title": "Thought"}})
    assert after["otel:llm"] == before["otel:llm"] | {"title": "Thought"}
    assert {n: t for n, t in after.items() if n != "otel:llm"} == {
        n: t for n, t in before.items() if n != "otel:llm"
    }


def test_a_tools_type_has_what_is_said_of_tools_unless_something_else_is() -> None:
    tools = {"send_email": {"description": "Sends."}}
    types = declared(span_types={"tool": {"template": "T"}}, tool_span_types=tools)
    email = types["otel:tool:send_email"]
    assert (email["template"], email["description"]) == ("T", "Sends.")


def test_an_output_is_not_demanded_of_a_span_that_is_open_or_has_failed() -> None:
    email = declared(tool_span_types={"e": {"outputs": RECEIPT}})["otel:tool:e"]
    assert "required" not in email["params_schema"]["properties"]["outputs"]
    assert "required" not in email["result_schema"]
    assert {"output", "error_type", "token_usage"} <= email["result_schema"]["properties"].keys()


def test_whole_schemas_are_declared_as_they_are() -> None:
    whole = {"params_schema": ADDRESS, "result_schema": RECEIPT}
    approval = declared(span_types={"approval": whole})["otel:approval"]
    assert (approval["params_schema"], approval["result_schema"]) == (ADDRESS, RECEIPT)


def test_a_whole_schema_of_tools_gives_way_to_what_is_said_of_one() -> None:
    of_all = {"tool": {"params_schema": ADDRESS, "result_schema": RECEIPT}}
    types = declared(span_types=of_all, tool_span_types={"a": {}, "b": {"inputs": ADDRESS}})
    assert types["otel:tool:a"]["params_schema"] == ADDRESS
    assert types["otel:tool:b"]["params_schema"]["properties"]["inputs"] == ADDRESS


def test_the_stock_door_knows_the_types_as_well(api: DevServer) -> None:
    exporter = PrefactorExporter(
        api.url, api.token, span_types={"approval": {}}, tool_span_types={"send_email": None}
    )
    provider = TracerProvider(span_processors=[BatchSpanProcessor(exporter)])
    call(provider, "send_email")
    step(provider, "approval")
    provider.shutdown()
    found = {name: row["schema_name"] for name, row in by_name(api).items()}
    assert found == {"send_email": "otel:tool:send_email", "approval": "otel:approval"}


def test_every_run_declares_its_types(api: DevServer) -> None:
    with agent(api, run_scope="trace", tool_span_types={"send_email": {}}) as provider:
        call(provider, "send_email")
        call(provider, "send_email")
    assert len(api.instances()) == 2
    assert [row["schema_name"] for row in api.spans()] == ["otel:tool:send_email"] * 2


def test_a_span_created_early_and_its_finish_are_of_its_type(api: DevServer) -> None:
    with agent(api, span_types={"approval": {}}, span_type_prefix="langchain") as provider:
        tracer = provider.get_tracer("types")
        own = {"prefactor.span_type": "approval"}
        with tracer.start_as_current_span("wait", attributes=own) as waiting:
            call(provider, "look_up")
            with tracer.start_as_current_span("below"):
                pass
            assert provider.force_flush()
            waiting.set_attribute("approver", "ada")
    row = by_name(api)["wait"]
    assert (row["schema_name"], row["status"]) == ("langchain:approval", "complete")
    assert row["result_payload"]["metadata"]["approver"] == "ada"
    assert row["schema_mismatches"] == []


def test_what_waits_on_disk_is_sent_with_the_types_it_was_written_with(
    api: DevServer, tmp_path: Path
) -> None:
    api.faults.add(status=503, times=None)
    spool = tmp_path / "spool"
    processor = PrefactorSpanProcessor(
        *(api.url, api.token),
        spool_dir=spool,
        shutdown_timeout=0.3,
        tool_span_types={"send_email": {"title": "Email"}},
        span_type_prefix="ai-sdk",
    )
    provider = TracerProvider(span_processors=[processor], shutdown_on_exit=False)
    call(provider, "send_email")
    assert processor.force_flush()
    provider.shutdown()
    api.faults.clear()
    heir = PrefactorSpanProcessor(api.url, api.token, spool_dir=spool)
    assert api.wait_until(lambda api: api.spans())
    heir.shutdown()
    (row,) = api.spans()
    assert (row["schema_name"], row["schema_title"]) == ("ai-sdk:tool:send_email", "Email")


@pytest.mark.parametrize("name", ["send email!", "a/b:c.d", "größe", "{{ x }}", '"', "x" * 300])
def test_a_tool_of_any_readable_name_has_its_type(api: DevServer, name: str) -> None:
    with agent(api, tool_span_types={name: {}}) as provider:
        call(provider, name)
    assert [row["schema_name"] for row in api.spans()] == [f"otel:tool:{name}"]


def test_a_tool_whose_name_is_masked_keeps_its_type(api: DevServer) -> None:
    with agent(api, mask="emails", tool_span_types={"mail anna@x.org": {}}) as provider:
        call(provider, "mail anna@x.org")
    assert by_name(api)["mail [email]"]["schema_name"] == "otel:tool:mail anna@x.org"


def test_marked_values_are_what_a_declared_schema_allows(api: DevServer) -> None:
    words = {"to": {"type": "string"}, "type": {"type": "string"}, "how": {"enum": ["fast"]}}
    inputs = {"type": "object", "properties": words | {"at": {"type": ["integer", "null"]}}}
    inputs |= {"x-ui": {"type": {"is": "form"}}, "$defs": {"type": {"type": "string"}}}
    email = {"inputs": inputs, "outputs": RECEIPT}
    whole = {"params_schema": {"type": "object"}, "result_schema": RECEIPT}
    with agent(
        api, sensitive=["inputs", "outputs"], tool_span_types={"a": email, "b": whole}
    ) as provider:
        call(provider, "a", '{"to": "anna", "type": "t", "how": "fast", "at": 7}')
        call(provider, "b")
    rows = by_name(api)
    assert all("$sensitive" in value for value in rows["a"]["payload"]["inputs"].values())
    assert [rows[name]["schema_mismatches"] for name in "ab"] == [[], []]


def test_schemas_of_lists_of_either_form_are_taken() -> None:
    items: list[object] = [{"type": "string"}, [{"type": "string"}, {"type": "integer"}], True]
    for each in items:
        inputs = {"properties": {"list": {"type": "array", "items": each}}}
        assert "otel:tool:a" in declared(tool_span_types={"a": {"inputs": inputs}})


def test_nothing_is_required_of_inputs_that_are_not_sent(api: DevServer) -> None:
    with agent(api, capture_inputs=False, tool_span_types={"a": {"inputs": ADDRESS}}) as provider:
        call(provider, "a")
    assert by_name(api)["a"]["schema_mismatches"] == []


def test_tokens_count_once_under_any_prefix_and_type(api: DevServer) -> None:
    llm: dict[str, str | int] = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}
    llm |= {"gen_ai.usage.input_tokens": 3, "gen_ai.usage.output_tokens": 4}
    with agent(api, span_types={"thought": {}}, span_type_prefix="ai-sdk") as provider:
        outer, inner = provider.get_tracer("outer"), provider.get_tracer("inner")
        own: dict[str, str | int] = {"prefactor.span_type": "thought"}
        with outer.start_as_current_span("chat m", attributes=llm):
            inner.start_span("chat m", attributes=llm | own).end()
    found = {row["schema_name"]: row["payload"]["token_usage"] for row in api.spans()}
    assert found["ai-sdk:thought"]["total_tokens"] == 7
    assert found["ai-sdk:llm"] is None


def test_a_declared_risk_is_checked_and_goes_before_that_of_the_option() -> None:
    paying = {"action_profile": {"financial_transactions": "allowed"}}
    secret = {"data_categories": {"classification": "secret"}}
    types = declared(
        data_risk={"*": {"data_categories": {"classification": "internal"}}, "tool": paying},
        span_types={"llm": {"data_risk": secret}, "approval": {}, "refund": {"data_risk": paying}},
        tool_span_types={"pay": {"data_risk": secret}, "free": {}},
    )
    risks = {name: each["data_risk"] for name, each in types.items()}
    assert all(DataRisk(**risk) for risk in risks.values())
    assert risks["otel:llm"]["params_data_categories"] == {"classification": "secret"}
    assert risks["otel:llm"]["action_profile"]["external_communication"] == "allowed"
    assert risks["otel:approval"]["result_data_categories"] == {"classification": "internal"}
    assert risks["otel:approval"]["action_profile"] == {}
    assert risks["otel:refund"]["action_profile"] == paying["action_profile"]
    assert risks["otel:tool:pay"]["action_profile"] == paying["action_profile"]
    assert risks["otel:tool:pay"]["params_data_categories"] == {"classification": "secret"}
    assert risks["otel:tool:free"]["params_data_categories"] == {"classification": "internal"}


@pytest.mark.parametrize("scope", ["provider", "trace", "session"])
def test_a_template_that_the_api_cannot_read_costs_its_type_and_no_span(
    api: DevServer, caplog: pytest.LogCaptureFixture, scope: Any
) -> None:
    bad = {"title": "Yes", "template": "{% nonsense %}"}
    types = {"approval": bad, "refund": {"template": "{{ name }} it"}}
    with agent(api, run_scope=scope, span_types=types) as provider:
        step(provider, "approval")
        step(provider, "refund")
    rows = by_name(api)
    assert (rows["approval"]["schema_name"], rows["approval"]["status"]) == (
        "otel:approval",
        "complete",
    )
    assert rows["refund"]["summary"] == "refund it"
    (line,) = [r.getMessage() for r in caplog.records if "span_types" in r.getMessage()]
    assert "span_type_schemas.11.template" in line
    assert "nonsense" not in line
    assert {run["status"] for run in api.instances()} == {"complete"}


@pytest.mark.parametrize(
    ("field", "kept"),
    [
        ("agent_schema_version", 0),
        ("agent_schema_version.span_type_schemas", 0),
        ("agent_schema_version.span_type_schemas.3", 11),
        ("span_type_schemas.3.params_schema.properties", 11),
        ("agent_schema_version.span_type_schemas.99.template", 12),
    ],
)
def test_a_refusal_that_names_types_leaves_the_others_as_they_are(
    api: DevServer, field: str, kept: int
) -> None:
    errors = {"status": "error", "code": "validation_errors", "errors": {field: ["is wrong"]}}
    api.faults.add(path="/register", status=422, body=json.dumps(errors))
    work(api)
    first, second = [
        request.body["agent_schema_version"]
        for request in api.requests
        if request.path.endswith("/register")
    ]
    assert sum("template" in each for each in second["span_type_schemas"]) == kept
    names = [[each["name"] for each in one["span_type_schemas"]] for one in (first, second)]
    assert names[0] == names[1]
    assert all("data_risk" in each for each in second["span_type_schemas"])
    assert first["external_identifier"] != second["external_identifier"]
    assert {row["status"] for row in api.spans()} == {"complete"}


def test_a_registration_that_is_refused_without_schemas_too_is_given_up(api: DevServer) -> None:
    errors = {"agent_schema_version.span_type_schemas.0.name": ["is wrong"]}
    body = {"status": "error", "code": "validation_errors", "errors": errors}
    api.faults.add(path="/register", status=422, body=json.dumps(body), times=None)
    processor = PrefactorSpanProcessor(api.url, api.token)
    provider = TracerProvider(span_processors=[processor], shutdown_on_exit=False)
    step(provider, "approval")
    provider.shutdown()
    assert processor.stats().dropped == {"run_refused": 1}
    assert sum(request.path.endswith("/register") for request in api.requests) == 2


def test_an_unusable_type_is_logged_and_the_agent_goes_on(
    api: DevServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFACTOR_SPAN_TYPES", '{"approval": {"titel": "Yes"}}')
    processor = PrefactorSpanProcessor(api.url, api.token)
    provider = TracerProvider(span_processors=[processor], shutdown_on_exit=False)
    step(provider, "approval")
    provider.shutdown()
    assert "'titel' of 'approval' must be one of title" in caplog.text
    assert processor.stats().dropped == {"not_configured": 1}


def test_a_session_and_an_explicit_run_have_the_types(api: DevServer) -> None:
    types: Any = {"span_types": {"approval": {}}, "tool_span_types": {"send_email": {}}}
    with agent(api, run_scope="session", span_type_prefix="langchain", **types) as provider:
        tracer = provider.get_tracer("types")
        for name in ("first", "second"):
            with tracer.start_as_current_span(name, attributes={"session.id": "anna"}):
                call(provider, "send_email")
        with prefactor_otel.run("own"):
            step(provider, "approval")
    assert len(api.instances()) == 2
    found = sorted(row["schema_name"] for row in api.spans())
    assert found == [
        "langchain:approval",
        *["langchain:span"] * 2,
        *["langchain:tool:send_email"] * 2,
    ]
    assert all(row["schema_title"] != row["schema_name"] for row in api.spans())


def test_equal_types_are_one_version_and_others_another() -> None:
    def version(**options: object) -> object:
        return schema_of(load_config(None, None, **options))["external_identifier"]

    own = version(span_types={"refund": {}})
    assert version() == schema_version()["external_identifier"] != own
    assert own == version(span_types={"refund": {}}) != version(span_type_prefix="ai-sdk")


def test_what_changes_in_a_type_changes_the_version(api: DevServer) -> None:
    for title in ("A", "B", "B"):
        work(api, tool_span_types={"send_email": {"title": title}})
    bodies = [r.body for r in api.requests if r.path.endswith("/register")]
    versions = [body["agent_schema_version"]["external_identifier"] for body in bodies]
    assert versions[0] != versions[1] == versions[2]


def test_a_declaration_is_taken_as_it_was_given() -> None:
    title = {"title": "A"}
    config = load_config(span_types={"approval": title})
    title["title"] = "B"
    assert config.span_types == {"approval": {"title": "A"}}


def test_the_prefix_stands_in_a_variable(
    api_environment: DevServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFACTOR_SPAN_TYPE_PREFIX", "langchain")
    monkeypatch.setenv("PREFACTOR_SPAN_TYPES", json.dumps({"approval": {"title": "Yes"}}))
    provider = TracerProvider(span_processors=[PrefactorSpanProcessor()], shutdown_on_exit=False)
    step(provider, "approval")
    provider.shutdown()
    (row,) = api_environment.spans()
    assert (row["schema_name"], row["schema_title"]) == ("langchain:approval", "Yes")


def test_types_stand_in_variables_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFACTOR_TOOL_SPAN_TYPES", '{"send email!": {"title": "Mail"}}')
    assert declared()["otel:tool:send email!"]["title"] == "Mail"


@pytest.mark.parametrize(
    ("option", "given", "words"),
    [
        ("span_type_prefix", "a:b", "letters, digits"),
        ("span_type_prefix", "", "letters, digits"),
        ("span_type_prefix", 7, "letters, digits"),
        ("span_types", "{", "plain JSON"),
        ("span_types", [], "must be an object"),
        ("span_types", {"otel:llm": {}}, "'otel:llm' must be of letters.*span_type_prefix"),
        ("span_types", {"a": 7}, "must hold an object for 'a', with any of title"),
        ("span_types", {"a": {"titel": "A"}}, "'titel' of 'a' must be one of title"),
        ("span_types", {"a": {"template": "{{ name"}}, "template of 'a' must close each"),
        ("span_types", {"a": {"template": 7}}, "template of 'a' must be a text"),
        ("span_types", {"a": {"data_risk": []}}, "must hold an object for a.data_risk"),
        (
            "span_types",
            {"a": {"data_risk": {"action_profile": {"read_data": "yes"}}}},
            "'yes' is not a value of a.data_risk.action_profile.read_data; there are unknown",
        ),
        ("tool_span_types", {"a": {"title": 7}}, "title of 'a' must be a text"),
        ("tool_span_types", {"a": {"inputs": "x"}}, "inputs of 'a' must be a JSON schema"),
        ("tool_span_types", {"a": {"inputs": {"to": {}}}}, "inputs of 'a' must be a JSON schema"),
        ("tool_span_types", {"a": {"inputs": {"type": "array"}}}, "must be the schema of an obj"),
        ("tool_span_types", {"a": {"inputs": {"type": "dict"}}}, "not 'dict'"),
        ("tool_span_types", {"a": {"outputs": {"required": "b"}}}, "must be a list of names"),
        ("tool_span_types", {"a": {"outputs": {"properties": []}}}, "properties in outputs of 'a'"),
        ("tool_span_types", {"a": {"outputs": {"properties": {"b": "string"}}}}, "each property"),
        ("tool_span_types", {"a": {"inputs": {"properties": {"b": object()}}}}, "plain JSON"),
        ("tool_span_types", {"": {}}, "must be a tool's name"),
        ("tool_span_types", {"a\n": {}}, "must be a tool's name"),
        ("tool_span_types", {" a": {}}, "must be a tool's name"),
        ("tool_span_types", {"\ud800": {}}, "plain JSON"),
    ],
)
def test_what_is_no_type_is_refused_in_words(option: str, given: object, words: str) -> None:
    with pytest.raises(PrefactorConfigError, match=f"option {option} .*{words}"):
        load_config(None, None, **{option: given})
