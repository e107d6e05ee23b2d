"""What a person would call a step, out of the name of its span."""

import re
from typing import Final

from prefactor_otel.mapping.dialects.crewai import OWN_TEXT
from prefactor_otel.mapping.dialects.genai import OPERATION_NAME
from prefactor_otel.mapping.dialects.logfire import MESSAGE
from prefactor_otel.mapping.types import AGENT, RERANKER, SPAN, TOOL, SpanType
from prefactor_otel.spans.view import Attributes, SpanView

INVOKE: Final = "invoke_agent "
"""Before the agent's name in that of its span, by the GenAI conventions."""
_AROUND_AGENTS: Final = ((INVOKE, ""), ("agent_run [", "]"), ("", ".run"))
_AROUND_TOOLS: Final = (
    ("execute_tool ", ""),
    ("tools/call ", ""),
    ("MCP send tools/call ", ""),
    ("running tool: ", ""),
    ("Tool: ", ""),
    ("", ".__call__"),
    ("", ".tool"),
)


Models = tuple[str | None, str | None]
"""The model that was asked for and the one that answered, as far as they are named."""


LONGEST_KEPT: Final = 256
"""Characters of the longest name that is kept for the next span: others may hold anything."""


def usual_name(name: str, kind: SpanType, told: str | None, models: Models) -> str | None:
    """What a person would call a step whose span has this name: what it tells, else what stands in
    the span's; a model call is named by its model. None where its attributes have a say in it."""
    if told is not None:
        return without_ids(told, kind)
    if kind is AGENT:
        return without_ids(agent_in(name), kind)
    if kind is TOOL:
        return without_ids(tool_in(name), kind)
    requested, answering = models
    model = requested or answering
    if model is None or kind is RERANKER or "{" in name:
        return None
    called = name if model in name or (answering or model) in name else model
    return called if called == requested else without_ids(called, kind)


def own_name(view: SpanView, kind: SpanType, models: Models, *, shows_texts: bool) -> str:
    """The span's own name, filled in where it is a template, without ids and users' texts.
    ``shows_texts``: it may hold what somebody has said."""
    name, attributes = view.name, view.attributes
    model = models[0] or models[1] if kind is not RERANKER else None
    if model is not None:
        name = f"{attributes.get(OPERATION_NAME, 'call')} {model}"
    elif "{" in name and kind is not SPAN and shows_texts:  # Logfire
        name = str(attributes.get(MESSAGE, name))
    else:
        name = without_identity(name, attributes)
    return without_ids(name, kind)


_IDS: Final = re.compile(
    r"[-_.:/ ]?(?<![0-9A-Za-z])("
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
    r"|(?=[0-9a-f]*[a-f])(?=[0-9a-f]*\d)[0-9a-f]{12,}"
    r"|\d{10,})(?![0-9A-Za-z])",
    re.IGNORECASE,
)
"""A uuid, a long hexadecimal or a long number, with the separator before it."""


def without_ids(name: str, kind: SpanType) -> str:
    """A name without the ids in it; if nothing else is left, what kind of step it is."""
    if _IDS.search(name) is None:
        return name
    return _IDS.sub("", name).strip("-_.:/ []()") or kind.value


def agent_in(name: str) -> str:
    """The agent's name in that of its span, where an instrumentation writes it nowhere else:
    ``invoke_agent weather_agent`` (the GenAI conventions), ``weather_agent.run`` (smolagents),
    ``agent_run [weather_agent]`` (Google's ADK)."""
    return _between(name, _AROUND_AGENTS)


def tool_in(name: str) -> str:
    """The same of a tool: ``execute_tool get_weather``, ``get_weather.__call__`` (DSPy),
    ``tools/call get_weather`` (MCP)."""
    return _between(name, _AROUND_TOOLS)


def _between(name: str, around: tuple[tuple[str, str], ...]) -> str:
    for before, after in around:
        if name.startswith(before) and name.endswith(after):
            return name[len(before) : len(name) - len(after)] or name
    return name


def without_identity(name: str, attributes: Attributes) -> str:
    """A span's name without the id or user text that its attributes hold as well."""
    for key in OWN_TEXT:
        value = attributes.get(key)
        if isinstance(value, str) and value and value in name:
            return name.replace(value, "").replace("_.", ".").strip("._ ") or name
    return name
