"""What the words of a name mean, whichever vocabulary has it: trusted least.

A vendor whom nobody here knows is read by these: a word for a kind of step under whatever prefix
says the type, the last words of a name what its value is.
"""

from typing import Final

from prefactor_otel.mapping.dialects.whole import steps
from prefactor_otel.mapping.errors import fails
from prefactor_otel.mapping.rules import INPUT, OUTPUT, Ending, Rule, Told, types
from prefactor_otel.mapping.shapes.requests import documents, model_in
from prefactor_otel.mapping.shapes.texts import (
    decoded,
    milliseconds,
    model_name,
    number_in,
    parsed,
    seconds,
    settings,
    text,
)
from prefactor_otel.mapping.shapes.tools import declared
from prefactor_otel.mapping.shapes.used_tools import literal, tool_arguments
from prefactor_otel.mapping.types import (
    AGENT,
    CHAIN,
    EMBEDDING,
    EVIDENCE,
    GUARDRAIL,
    HANDOFF,
    LLM,
    RERANKER,
    RETRIEVER,
    SPAN,
    STEP,
    TOOL,
    ByEnding,
    ByValue,
    SpanType,
    TypeRule,
)
from prefactor_otel.mapping.usage import usage_in

_BARE: Final = {
    **{kind.value: kind for kind in SpanType if kind is not SPAN},
    **dict.fromkeys(("generation", "llm_call", "model_call"), LLM),
    **dict.fromkeys(("tool_call", "function_call"), TOOL),
    **dict.fromkeys(("workflow", "step"), CHAIN),
}
"""What a bare word for a kind has to be, because others call other things a type."""

TYPES: Final[tuple[TypeRule | ByEnding, ...]] = (
    ByEnding(
        STEP + 0.1,
        Ending(
            *("span kind", "span type", "observation type", "observation kind"),
            *("entity type", "entity kind", "component type", "step type", "node type", "run type"),
        ),
    ),
    ByEnding(STEP + 0.2, Ending("subtype")),
    *(ByValue(STEP + 0.3, name, _BARE, ()) for name in ("type", "kind")),
    ByEnding(EVIDENCE + 1, Ending("tool name", but=("traceloop.",)), TOOL),
)


def _reason(value: object) -> object:
    """Why a model stopped; of several answers the first is shown, and the others stay."""
    told = decoded(value)
    if isinstance(told, str):
        told = literal(told)  # a list as Python writes it
    several = isinstance(told, (list, tuple)) and len(told) > 1
    reason = told
    if isinstance(told, (list, tuple)):
        reason = next((each for each in told if each is not None), None)
    if reason is None or reason in ("", [], ()):
        return None
    return Told({"stop_reason": reason}, whole=False) if several else reason


def _failed(value: object) -> object:
    return True if fails(value) else None


def _word(value: object) -> object:
    """A value that is one word or number, and no object of JSON."""
    return value if isinstance(value, (int, float)) else text(value)


def _cost(value: object) -> object:
    """What a provider or framework says that it cost, never worked out; of a cost with its parts
    these stay where they are."""
    told = parsed(value)
    if isinstance(told, dict):
        amount = _amount(told.get("total", told.get("total_cost")))
        return Told({"cost": amount}, whole=False) if amount is not None else None
    return _amount(told)


def _amount(value: object) -> dict[str, object] | None:
    told = number_in(value)
    is_cost = isinstance(told, (int, float)) and not isinstance(told, bool) and told >= 0
    return {"amount": told} if is_cost else None


def _dollars(value: object) -> object:
    told = _amount(value)
    return {**told, "currency": "USD"} if told is not None else None


_KNOWN: Final = frozenset(SpanType) - types(SPAN)
_NOT_A_SESSION: Final = ("mcp.", "http.", "db.", "rpc.", "messaging.", "browser.", "net.")
_GIVEN: Final = Ending(
    *("input", "input value", "input data", "input text", "user input", "question"),
    *("request", "prompt", "user message", "query"),
    *("input json", "request json", "prompt json"),
    but=("http.", "db.", "rpc.", "url.", "gen_ai.request", "llm.request"),
)
_GOT: Final = Ending(
    *("output", "output value", "output data", "output text", "answer", "reply"),
    *("response", "result", "completion", "return value", "returned"),
    *("output json", "response json", "result json"),
    but=("http.", "db.", "rpc.", "gen_ai.evaluation"),
)
_ARGUMENTS: Final = Ending(
    *("argument", "arg", "kwarg", "tool parameter", "tool input", "parameter", "param"),
    *("argument json", "arg json", "param json", "parameter json"),
    but=("llm.", "gen_ai.request", "db.", "process.", "http.", "url.", "rpc."),
)

SESSION_KEYS: Final = ("session.id", "gen_ai.conversation.id")
"""How a session is called by most: also in contexts (OpenInference) and in baggage."""

_SEARCHES: Final = types(RETRIEVER, RERANKER)

RULES: Final = (
    Rule("stop_reason", Ending("finish reason", "stop reason"), _reason, of=types(LLM)),
    Rule("session_id", SESSION_KEYS, _word),
    Rule(
        "session_id",
        Ending("session id", "thread id", "conversation id", "trace session", but=_NOT_A_SESSION),
        _word,
    ),
    Rule("user_id", ("gen_ai.user", "mlflow.trace.user"), _word),
    Rule(
        "user_id",
        Ending("user id", "enduser id", "enduser pseudo id", "property customer id"),
        _word,
    ),
    Rule("prompt_name", Ending("prompt name", "prompt key"), text),
    Rule("prompt_version", Ending("prompt version", "prompt template version"), _word),
    Rule("prompt_id", Ending("prompt id"), _word),
    Rule(
        "first_token",
        Ending("ms to first chunk", "ms to first token", "ttft ms", "time to first token ms"),
        milliseconds,
    ),
    Rule("first_token", Ending("time to first token", "time to first chunk", "ttft"), seconds),
    Rule("cost", Ending("cost usd"), _dollars),
    Rule(
        "cost",
        Ending(
            "usage cost", "operation cost", "total cost", "cost total", "cost detail", "llm cost"
        ),
        _cost,
    ),
    Rule("tags", Ending("tag", but=("http.", "db.", "container.", "aws.", "cloud.", "k8s."))),
    Rule("answering", Ending("model name", "response model"), model_name),
    Rule("requested", Ending("request model"), model_name),
    Rule("requested", ("model",), model_name, of=types(LLM, EMBEDDING)),
    Rule("parameters", Ending("model config", "model setting"), settings, of=types(LLM)),
    Rule("name", Ending("tool name", "function name", "entity name"), text, of=types(TOOL)),
    Rule("name", Ending("agent name", "entity name"), text, of=types(AGENT)),
    Rule("name", Ending("guardrail name"), text, of=types(GUARDRAIL)),
    Rule(
        "from_agent",
        Ending("from agent", "source agent", "handoff source name"),
        text,
        of=types(HANDOFF),
    ),
    Rule(
        "to_agent",
        Ending("to agent", "target agent", "handoff target name"),
        text,
        of=types(HANDOFF),
    ),
    Rule("triggered", Ending("triggered"), of=types(GUARDRAIL)),
    Rule(
        "failed",
        Ending("is error", "tool status", "result status", "call status"),
        _failed,
        of=types(TOOL),
    ),
    Rule(
        "tools",
        Ending("available tool", "tool definition", "request tool", "chat tool"),
        declared,
        INPUT,
        types(LLM, AGENT),
    ),
    Rule("system", Ending("instruction", "system prompt"), text, INPUT, types(LLM, AGENT)),
    Rule("query", Ending("query text", "search query"), side=INPUT, of=_SEARCHES),
    Rule(
        "documents",
        Ending("document", "retrieved context"),
        documents,
        OUTPUT,
        types(RETRIEVER),
    ),
    Rule("usage_at_last", _GOT, usage_in, OUTPUT, partly=True),
    Rule("requested", _GIVEN, model_in, INPUT, partly=True),
    Rule("arguments", _ARGUMENTS, tool_arguments, INPUT, types(TOOL)),
    *(
        rule if rule.of is not None else Rule(rule.slot, rule.names, rule.read, rule.side, _KNOWN)
        for rule in steps(_GIVEN, _GOT)
    ),
)
