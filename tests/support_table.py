"""Writes the table of what is supported, of docs/frameworks.md, from the recorded runs.

``python -m tests.support_table docs/frameworks.md`` replaces what stands between the markers. A
mark stands only where a recording shows it; what no recording can show is plain data: ``NOTES``.
"""

import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

from prefactor_otel.cli.inspect import agent_spans
from tests.recorded import NAMES, Recorded, recorded
from tests.stopping.outcome import REACTIONS, Trial, read

Payload = dict[str, Any]

BEGIN: Final = (
    "<!-- support: begin (written by python -m tests.support_table docs/frameworks.md) -->"
)
END: Final = "<!-- support: end -->"


class Make(NamedTuple):
    """How instrumentations of one make are called, here and as packages."""

    label: str
    package: str


MAKES: Final = {
    "native": Make("its own", ""),
    "official": Make("OpenTelemetry", "opentelemetry-instrumentation"),
    "openinference": Make("OpenInference", "openinference-instrumentation"),
    "traceloop": Make("OpenLLMetry", "opentelemetry-instrumentation"),
    "logfire": Make("Logfire", "logfire"),
}
"""By the first word of a recording's instrumentation."""

SETTINGS: Final = {
    "official_openai_v2_latest": "OpenTelemetry, opted in",
    "official_openai_v2_latest_spanonly": "OpenTelemetry, opted in",
    "official_google_genai_latest": "OpenTelemetry, opted in",
    "native_content": "its own, with content",
    "native_plus_openinference": "its own beside OpenInference",
}
"""Instrumentations that a setting makes another, and so have a row of their own."""

CONTENT_ON_SPANS: Final = ("_span_only", "_span_and_event")
"""How the names of such end that content on spans makes another."""

BY_HAND: Final = ("openinference_manual",)
"""No instrumentation at all: such spans say what their author wrote, and so prove no row."""

DISTRIBUTIONS: Final = {
    "agent_framework": "agent-framework-core",
    "ai_sdk": "ai",
    "autogen": "autogen-agentchat",
    "bedrock": "boto3",
    "claude_agent": "claude-agent-sdk",
    "haystack": "haystack-ai",
    "livekit": "livekit-agents",
    "llama_index": "llama-index-core",
    "mastra": "@mastra/core",
    "mistral": "mistralai",
    "pipecat": "pipecat-ai",
    "pydantic_ai": "pydantic-ai-slim",
    "strands": "strands-agents",
}
"""The packages of frameworks that are called otherwise."""


class Note(NamedTuple):
    """What the recordings do not tell of an instrumentation by themselves."""

    content: str
    """The setting that puts content on spans, or takes it off."""
    gaps: str = ""
    """What its spans do not say, or not where one looks."""


NOTES: Final = {
    "OpenInference": Note(
        "on; `OPENINFERENCE_HIDE_INPUTS=true` and `OPENINFERENCE_HIDE_OUTPUTS=true` take it off",
        "LangChain: a step says only at its end what it is, and a tool of one argument shows the "
        "value without its name. OpenAI Agents: question and answer of an agent are on its model "
        "calls. agno: no stop reasons. AutoGen: agents have no answer. DSPy: no tokens. Haystack: "
        "an `Agent` is a chain, and what it does inside makes no spans. LlamaIndex: agents are "
        "chains. CrewAI: model calls make no spans without the instrumentation of their client. "
        "LiteLLM: a model and messages that are passed by position are on no span. google-genai: "
        "the client's own loop of tools is one span",
    ),
    "Logfire": Note(
        "on",
        "OpenAI Agents: question and answer of an agent are on its model calls",
    ),
    "OpenLLMetry": Note(
        "on; `TRACELOOP_TRACE_CONTENT=false` takes it off",
        "LangChain: question and answer of a run are on its model calls, not on its agent. "
        "OpenAI: a question with an image came without its text, and streams tell no reasoning "
        "tokens. CrewAI: question and answer are on crew and task, not on the agent; model calls "
        "and tools make no spans. LlamaIndex: model calls make no spans without the "
        "instrumentation of OpenAI's client. OpenAI Agents: calls of Chat Completions have neither "
        "answer nor tokens without it. google-genai: the client's own loop of tools is one span, "
        "thoughts are not among its tokens, and of a stream only the last piece is the answer. "
        "mistralai 2 and later and haystack-ai 3 cannot be instrumented",
    ),
    "OpenTelemetry": Note(
        "off; `OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=span_only` (or `span_and_event`) "
        "puts it on spans. The packages `opentelemetry-instrumentation-genai-*` need no more; "
        "`openai-v2`, which they replace, and google-genai before 1.0 ask for "
        "`OTEL_SEMCONV_STABILITY_OPT_IN=gen_ai_latest_experimental`, too",
        "with `event_only`, and by `openai-v2` without the opt-in, content goes to log records, "
        "which the log door reads; `openai-v2` needs util-genai before 1.0, makes no spans of the "
        "Responses API and cannot be imported beside the packages that replace it; embeddings have "
        "no texts. google-genai: watched below its version 3. botocore: content goes to log "
        "records only. OpenAI Agents and smolagents: model calls make no spans without the "
        "instrumentation of OpenAI's client",
    ),
    "agent_framework": Note(
        "off; `ENABLE_INSTRUMENTATION=true` with `ENABLE_SENSITIVE_DATA=true` puts it on spans"
    ),
    "ai_sdk": Note(
        "on; version 7 makes spans once `registerTelemetry(new OpenTelemetry())` is called, "
        "version 6 with `experimental_telemetry`; `recordInputs` and `recordOutputs` take it off"
    ),
    "anthropic": Note(
        "off; `ANTHROPIC_OPEN_TELEMETRY_TRACES_CONTENT_MODE=content` puts it on spans. The client "
        "traces itself unless `ANTHROPIC_OPEN_TELEMETRY=false`; beside another instrumentation "
        "each call makes two spans, of which one counts"
    ),
    "haystack": Note("off; `HAYSTACK_CONTENT_TRACING_ENABLED=true` puts it on spans"),
    "any_agent": Note(
        "on",
        "question and answer of a run are on its model calls, not on its agent, and later calls "
        "carry no messages",
    ),
    "mastra": Note("on", "what a model was asked is on its step, not on the call"),
    "pipecat": Note("on", "arguments and results of tools are on no span of a session in text"),
    "mistral": Note("on; `MISTRAL_SDK_TELEMETRY=global` hands its spans to your provider"),
    "langfuse": Note(
        "on; `LANGFUSE_OBSERVE_DECORATOR_IO_CAPTURE_ENABLED=False` takes it off functions under "
        "`@observe`"
    ),
    "google_adk": Note(
        "on; `ADK_CAPTURE_MESSAGE_CONTENT_IN_SPANS=false` takes it off",
        "question and answer of a run are on its model calls, not on its agent",
    ),
    "pydantic_ai": Note(
        "on; `InstrumentationSettings(include_content=False)` takes it off. Its formats 2 to 6 "
        "(`version`) are read"
    ),
    "semantic_kernel": Note(
        "off; `SEMANTICKERNEL_EXPERIMENTAL_GENAI_ENABLE_OTEL_DIAGNOSTICS_SENSITIVE=true` puts the "
        "answers of agents, and arguments and results of tools on spans",
        "what agents and models were asked, and what models answered, is on no span",
    ),
    "strands": Note(
        "on; `OTEL_SEMCONV_STABILITY_OPT_IN=gen_ai_unredacted_attributes=` takes it off",
        "model calls name no tools and no reasoning tokens; the last cycle has no output; where a "
        "tool fails, agent and run are complete",
    ),
}
"""By make, or by framework where the instrumentation is the framework's own."""


@dataclass(frozen=True)
class Run:
    """A recording and the payloads that it becomes, by type; without the spans that the recorded
    program made itself."""

    case: str
    payloads: Mapping[str, list[Payload]]

    def complete(self, span_type: str) -> list[Payload]:
        """Those of this type that went well."""
        return [p for p in self.payloads.get(span_type, []) if p["status"] == "complete"]


Capability = Callable[[Run], Iterable[bool]]
"""Whether the capability shows, once for each span of a run that could show it."""

PLAIN_SCOPES: Final = ("my.app", "my.oi", "weather")
"""Of spans that the recorded programs made by hand around what was instrumented."""


def _texts(run: Run) -> Iterator[bool]:
    for call in run.complete("llm"):
        yield _said(call["inputs"], "messages", "input") and _answered(call)


def _tools(run: Run) -> Iterator[bool]:
    for tool in run.complete("tool"):
        yield bool(tool["inputs"] and tool["outputs"])


def _tokens(run: Run) -> Iterator[bool]:
    for call in run.complete("llm"):
        yield call["token_usage"] is not None


def _errors(run: Run) -> Iterator[bool]:
    for payloads in run.payloads.values():
        for payload in payloads:
            if payload["status"] == "failed":
                yield bool(payload["error"]["message"])


def _agents(run: Run) -> Iterator[bool]:
    for agent in run.complete("agent"):
        yield _said(agent["inputs"], "messages", "input") and _said(agent["outputs"], "output")


def _streams(run: Run) -> Iterator[bool]:
    if "stream" in run.case and "aborted" not in run.case:
        yield from (_answered(call) for call in run.complete("llm"))


def _embeddings(run: Run) -> Iterator[bool]:
    for embedding in run.complete("embedding"):
        yield _said(embedding["inputs"], "input")


def _retrieval(run: Run) -> Iterator[bool]:
    for search in run.complete("retriever"):
        yield _said(search["inputs"], "query") and _said(search["outputs"], "documents")


def _answered(call: Payload) -> bool:
    return _said(call["outputs"], "messages", "content")


def _said(fields: Payload, *names: str) -> bool:
    """Whether one of the fields holds something; of messages, a text or a call."""
    return any(_holds(fields.get(name)) for name in names)


def _holds(value: object) -> bool:
    if isinstance(value, list) and value and isinstance(value[0], dict) and "role" in value[0]:
        return any(message.get("content") or message.get("tool_calls") for message in value)
    return bool(value)


CAPABILITIES: Final[Mapping[str, Capability]] = {
    "text": _texts,
    "tools": _tools,
    "tokens": _tokens,
    "errors": _errors,
    "agents": _agents,
    "streams": _streams,
    "embeddings": _embeddings,
    "retrieval": _retrieval,
}


def label_of(instrumentation: str) -> str:
    """What the tables call an instrumentation: its make, and the setting that matters."""
    make = MAKES.get(instrumentation.partition("_")[0])
    label = SETTINGS.get(instrumentation) or (make.label if make else instrumentation)
    on_spans = instrumentation.endswith(CONTENT_ON_SPANS)
    return f"{label}, content on spans" if on_spans else label


def framework_of(run: Recorded) -> tuple[str, str]:
    """Package and version of the framework."""
    package = package_of(run.framework)
    if package not in run.versions:
        raise ValueError(
            f"{run.name}: its versions have no {package}; name the package of {run.framework} "
            f"in DISTRIBUTIONS of {__name__}"
        )
    return package, run.versions[package]


def version_of(run: Recorded) -> str:
    """The version of the instrumentation's package, the longest of its name that was installed;
    nothing where it is the framework's own or unknown."""
    make, _, rest = run.instrumentation.partition("_")
    words = rest.split("_")
    base = MAKES[make].package if make in MAKES else make
    if not base:
        return ""
    names = ["-".join([base, *words[:count]]) for count in range(len(words), -1, -1)]
    return next((run.versions[name] for name in names if name in run.versions), "")


def support_table() -> str:
    """In Markdown: what arrives, and below it what to know of each instrumentation."""
    return f"{_marks()}\n\n{_notes()}"


def _marks() -> str:
    rows: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for run in map(recorded, NAMES):
        if run.instrumentation not in BY_HAND:
            rows[framework_of(run)[0], label_of(run.instrumentation)].append(run.name)
    head = ("framework", "instrumentation", *CAPABILITIES, *REACTIONS)
    return _table(head, [_row(label, names) for (_, label), names in sorted(rows.items())])


def _notes() -> str:
    notes = {package_of(key): note for key, note in NOTES.items()}
    return "\n".join(_note(name, notes[name]) for name in sorted(notes, key=str.lower))


def _note(name: str, note: Note) -> str:
    gaps = f" Gaps: {note.gaps}." if note.gaps else ""
    return f"- **{name}**: content is {note.content}.{gaps}"


def _row(label: str, names: list[str]) -> list[str]:
    runs = [recorded(name) for name in names]
    package, _ = framework_of(runs[0])
    frameworks = _versions(framework_of(run)[1] for run in runs)
    own = _versions(version_of(run) for run in runs)
    marks = [_mark(capability, names) for capability in CAPABILITIES.values()]
    stops = [_stop(trial_of(package, label), reaction) for reaction in REACTIONS]
    return [f"{package} {frameworks}", f"{label} {own}".strip(), *marks, *stops]


def trial_of(package: str, label: str) -> Trial | None:
    """What was tried of a row. Whether content is on spans does not matter."""
    make = label.partition(",")[0]
    for trial in read():
        tried = package_of(trial.framework), label_of(trial.instrumentation).partition(",")[0]
        if tried == (package, make):
            return trial
    return None


def _stop(trial: Trial | None, reaction: str) -> str:
    return trial.outcomes[reaction].mark if trial is not None else ""


def _mark(capability: Capability, names: Iterable[str]) -> str:
    shown = [answer for name in names for answer in capability(run_of(name))]
    return "✓" if any(shown) else "no" if shown else ""


@cache
def run_of(name: str) -> Run:
    """The recording of this name, mapped."""
    run = recorded(name)
    payloads: defaultdict[str, list[Payload]] = defaultdict(list)
    for row in agent_spans(list(run.views)):
        scope = row["payload"]["metadata"].get("scope", {})
        if scope.get("name") not in PLAIN_SCOPES:
            payloads[row["schema_name"].removeprefix("otel:")].append(row["payload"])
    return Run(run.case, payloads)


def package_of(framework: str) -> str:
    """The package of a framework."""
    return DISTRIBUTIONS.get(framework, framework.replace("_", "-"))


def _versions(found: Iterable[str]) -> str:
    return ", ".join(sorted(set(found)))


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = (head, ["---"] * len(head), *rows)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def with_table(text: str) -> str:
    """The text with the current table between its markers. Raises ``ValueError`` without them."""
    before, _, rest = text.partition(BEGIN)
    _, marker, after = rest.partition(END)
    if not marker:
        raise ValueError("the text has no markers for the support table")
    return f"{before}{BEGIN}\n{support_table()}\n{END}{after}"


if __name__ == "__main__":
    page = Path(sys.argv[1])
    page.write_text(with_table(page.read_text()))
