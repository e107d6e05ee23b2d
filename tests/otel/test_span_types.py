"""Types of the application's own are declared before a span is of one, and keep their schemas."""

from typing import Any

import pytest

from prefactor_otel import PrefactorConfigError, PrefactorSpanProcessor, TracerProvider
from prefactor_otel.config import load_config
from prefactor_otel.devserver import DevServer
from prefactor_otel.run import schema_of
from prefactor_otel.schemas import schema_version
from tests.otel.test_doors import registration

ADDRESS = {"type": "object", "properties": {"to": {"type": "string"}}, "required": ["to"]}
RECEIPT = {"type": "object", "properties": {"output": {"type": "string"}}, "required": ["output"]}


def declared(**options: object) -> dict[str, dict[str, Any]]:
    version = schema_of(load_config(None, None, **options))
    types = version["span_type_schemas"]
    assert isinstance(types, list)
    assert len({each["name"] for each in types}) == len(types)
    return {each["name"]: each for each in types}


def work(api: DevServer, **options: Any) -> dict[str, dict[str, Any]]:
    """A tool, a call of another, and a step; the rows by name."""
    processor = PrefactorSpanProcessor(api.url, api.token, agent_name="a", **options)
    provider = TracerProvider(span_processors=[processor], shutdown_on_exit=False)
    tracer = provider.get_tracer("types")
    for name, arguments in (("send_email", '{"to": "anna"}'), ("look_up", '{"to": 7}')):
        tool = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": name}
        tool["gen_ai.tool.call.arguments"] = arguments
        tracer.start_span(f"execute_tool {name}", attributes=tool).end()
    for kind in ("approval", "never declared"):
        tracer.start_span(kind, attributes={"prefactor.span_type": kind}).end()
    provider.shutdown()
    assert processor.stats().acknowledged == 4
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


def test_equal_types_are_one_version_and_others_another() -> None:
    def version(**options: object) -> object:
        return schema_of(load_config(None, None, **options))["external_identifier"]

    own = version(span_types={"approval": {}})
    assert version() == schema_version()["external_identifier"] != own
    assert own == version(span_types={"approval": {}}) != version(span_type_prefix="ai-sdk")


def test_types_stand_in_variables_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFACTOR_TOOL_SPAN_TYPES", '{"send email!": {"title": "Mail"}}')
    assert declared()["otel:tool:send email!"]["title"] == "Mail"


@pytest.mark.parametrize(
    ("option", "given", "words"),
    [
        ("span_type_prefix", "a:b", "letters, digits"),
        ("span_type_prefix", 7, "letters, digits"),
        ("span_types", "{", "plain JSON"),
        ("span_types", [], "must be an object"),
        ("span_types", {"a:b": {}}, "letters, digits"),
        ("span_types", {"a": 7}, "must be an object"),
        ("span_types", {"a": {"titel": "A"}}, "'titel' of 'a' must be one of title"),
        ("tool_span_types", {"a": {"title": 7}}, "title of 'a' must be a text"),
        ("tool_span_types", {"a": {"inputs": "x"}}, "inputs of 'a' must be an object"),
        ("tool_span_types", {"a": {"inputs": {"x": object()}}}, "plain JSON"),
        ("tool_span_types", {"": {}}, "empty name"),
    ],
)
def test_what_is_no_type_is_refused_in_words(option: str, given: object, words: str) -> None:
    with pytest.raises(PrefactorConfigError, match=f"option {option} .*{words}"):
        load_config(None, None, **{option: given})
