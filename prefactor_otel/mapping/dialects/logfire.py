"""Logfire: the OpenAI Agents SDK's own fields without any prefix, and calls of models from before
it spoke GenAI."""

from typing import Final

from prefactor_otel.mapping.dialects.events import IN_ATTRIBUTE
from prefactor_otel.mapping.dialects.whole import calls
from prefactor_otel.mapping.rules import BOTH, INPUT, OUTPUT, Rule, types
from prefactor_otel.mapping.shapes.requests import model_in
from prefactor_otel.mapping.shapes.texts import decoded, parsed, text
from prefactor_otel.mapping.shapes.used_tools import tool_arguments
from prefactor_otel.mapping.types import (
    AGENT,
    CHAIN,
    EVIDENCE,
    FIELDS,
    GUARDRAIL,
    HANDOFF,
    LLM,
    STEP,
    TOOL,
    ByCheck,
    ByNames,
    ByValue,
)
from prefactor_otel.mapping.usage import usage_in

TEMPLATE: Final = "logfire.msg_template"
"""What the span's name is made of; on every span that Logfire makes."""
MESSAGE: Final = "logfire.msg"
"""The same with its values filled in."""


def _asks_a_model(request: object, template: object) -> bool:
    return isinstance(request, str) and '"messages":' in request and '"model":' in request


_STEP_TYPE: Final = "sdk_span_type"

TYPES: Final = (
    ByNames(FIELDS, (TEMPLATE, "name", "input", "output", "mcp_data"), TOOL),
    ByNames(FIELDS, (TEMPLATE, "name", "handoffs", "tools"), AGENT),
    ByNames(FIELDS, (TEMPLATE, "from_agent", "to_agent"), HANDOFF),
    ByNames(FIELDS, (TEMPLATE, "name", "triggered"), GUARDRAIL),
    ByValue(STEP, _STEP_TYPE, {"mcp_tools": CHAIN}, ()),  # asks for tools, and uses none
    ByNames(FIELDS, (TEMPLATE, _STEP_TYPE), CHAIN),
    ByNames(FIELDS, (TEMPLATE, "agent_trace_id"), CHAIN),
    ByCheck(EVIDENCE, ("request_data", TEMPLATE), _asks_a_model, LLM),
)


def _result(value: object) -> object:
    return decoded(value) if value != "null" else None


def _instructions(value: object) -> object:
    response = parsed(value)
    return response.get("instructions") if isinstance(response, dict) else None


RULES: Final = (
    Rule("arguments", ("input",), tool_arguments, INPUT, types(TOOL)),
    Rule("result", ("output",), _result, OUTPUT, types(TOOL)),
    *calls(("raw_input",), ("response",)),  # OpenAI's Responses
    *calls(("input",), ("output",)),  # any other of its APIs
    Rule("system", ("response",), _instructions, BOTH, types(LLM), partly=True),
    *calls(("request_data",), ("response_data",)),
    Rule("usage", ("response_data",), usage_in, OUTPUT, partly=True),
    Rule("requested", ("request_data",), model_in, INPUT, partly=True),
    Rule("name", ("name",), text, of=types(AGENT, TOOL)),
    *IN_ATTRIBUTE,
)
