"""Imports point one way; this table is the map, and a new module must find its place in it."""

import ast
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

ROOT = Path(__file__).parent.parent

# From the leaves to the doors: a module may import what stands above it, never below.
ORDER = [
    "version",
    "errors",
    "words",
    "clock",
    "living",
    "payload.repairs",
    "payload.plain",
    "payload.strict",
    "payload.media",
    "payload.size",
    "payload.encode",
    "payload",
    "stats",
    "stats.counters",
    "stats.own_logs",
    "stats.log",
    "stats.metrics",
    "host",
    "host.program",
    "host.termination",
    "host.suppress",
    "host.gevent_loop",
    "host.imports",
    "host.pace",
    "host.nesting",
    "host.first_use",
    "host.exits",
    "host.sigterm",
    "privacy",
    "privacy.content",
    "privacy.values",
    "privacy.patterns",
    "privacy.masking",
    "privacy.switches",
    "privacy.sensitivity",
    "spans",
    "spans.documents",
    "spans.view",
    "spans.times",
    "spans.source",
    "spans.logs",
    "spans.sdk",
    "spans.fields",
    "spans.otlp",
    "spans.protobuf",
    "spans.files",
    "mapping.kept",
    "mapping.types",
    "mapping.rules",
    "mapping.shapes",
    "mapping.shapes.texts",
    "mapping.shapes.blocks",
    "mapping.shapes.used_tools",
    "mapping.shapes.messages",
    "mapping.shapes.tools",
    "mapping.shapes.requests",
    "mapping.shapes.flattened",
    "mapping.shapes.vectors",
    "mapping.shapes.reasons",
    "mapping.usage",
    "mapping.errors",
    "mapping.dialects.whole",
    "mapping.dialects.own",
    "mapping.dialects.genai",
    "mapping.dialects.openinference",
    "mapping.dialects.events",
    "mapping.dialects.logfire",
    "mapping.dialects.openllmetry",
    "mapping.dialects.pydantic_ai",
    "mapping.dialects.langfuse",
    "mapping.dialects.mlflow",
    "mapping.dialects.langsmith",
    "mapping.dialects.google_adk",
    "mapping.dialects.crewai",
    "mapping.dialects.vercel",
    "mapping.dialects.anthropic",
    "mapping.dialects.agent_framework",
    "mapping.dialects.haystack",
    "mapping.dialects.livekit",
    "mapping.dialects.pipecat",
    "mapping.dialects.sentry",
    "mapping.dialects.spring_ai",
    "mapping.dialects.strands",
    "mapping.dialects.braintrust",
    "mapping.dialects.values",
    "mapping.dialects.words",
    "mapping.dialects",
    "mapping.vocabulary",
    "mapping.capture",
    "mapping.moments",
    "mapping.folding",
    "mapping.names",
    "mapping.layout",
    "mapping.plan",
    "mapping.outline",
    "mapping.telling",
    "mapping.shape",
    "mapping.kinds",
    "mapping.tokens",
    "mapping.outcome",
    "mapping.captions",
    "mapping.metadata",
    "mapping.mapper",
    "mapping.judging",
    "mapping",
    "span_types",
    "span_types.data_risk",
    "span_types.span_filter",
    "span_types.declared",
    "span_types.schemas",
    "config",
    "config.token",
    "config.options",
    "config.unread",
    "config.settings",
    "delivery",
    "delivery.budget",
    "delivery.operation",
    "delivery.continuing",
    "delivery.rows",
    "delivery.storage",
    "delivery.client",
    "delivery.verdicts",
    "delivery.joining",
    "delivery.wire",
    "delivery.direct",
    "delivery.asking",
    "delivery.poll",
    "delivery.receipt",
    "delivery.batch",
    "delivery.unrecorded",
    "delivery.lanes",
    "delivery.flights",
    "delivery.line",
    "delivery.memory",
    "delivery.disk",
    "delivery.queue",
    "delivery.outbox",
    "delivery.results",
    "delivery.run_calls",
    "delivery.bulk",
    "delivery.sender",
    "runs",
    "runs.redact",
    "runs.node",
    "runs.calls",
    "runs.inheritance",
    "runs.nodes",
    "runs.records",
    "runs.counts",
    "runs.encoding",
    "runs.parking",
    "runs.early",
    "runs.telling",
    "runs.filtering",
    "runs.showing",
    "runs.naming",
    "runs.caller",
    "runs.run",
    "runs.tenant",
    "runs.tenants",
    "runs.schedule",
    "runs.tree",
    "runs.events",
    "runs.keeping",
    "runs.router",
    "runs.agenda",
    "runs.making",
    "runs.handover",
    "runs.relief",
    "runs.explicit",
    "runs.lives",
    "runs.ends",
    "runs.intake",
    "spool",
    "spool.registrations",
    "spool.changes",
    "spool.database",
    "spool.contents",
    "spool.file",
    "spool.folder",
    "spool.identity",
    "spool.own",
    "spool.heir",
    "spool.recovery",
    "spool.adoption",
    "spool.spool",
    "pipeline",
    "pipeline.inbox",
    "pipeline.snapshot",
    "pipeline.wakeup",
    "pipeline.langchain",
    "pipeline.graphs",
    "pipeline.stops",
    "pipeline.parts",
    "pipeline.closing",
    "pipeline.loop",
    "pipeline.begun",
    "pipeline.worker",
    "pipeline.waiting",
    "pipeline.off",
    "pipeline.place",
    "pipeline.pipeline",
    "doors",
    "doors.blocks",
    "doors.generators",
    "doors.run",
    "doors.rating",
    "doors.oversight",
    "doors.approval",
    "doors.base",
    "doors.propagation",
    "doors.exporter",
    "doors.processor",
    "doors.logs",
    "doors.completion",
    "doors.provider",
    "",
    "gateway",
    "gateway.encoding",
    "gateway.shares",
    "gateway.body",
    "gateway.settings",
    "gateway.agents",
    "gateway.reader",
    "gateway.roots",
    "gateway.tallies",
    "gateway.takings",
    "gateway.records",
    "gateway.accounts",
    "gateway.exposition",
    "gateway.app",
    "gateway.server",
    "devserver.errors",
    "devserver.form",
    "devserver.reading",
    "devserver.reasons",
    "devserver.totals",
    "devserver.search",
    "devserver.sessions",
    "devserver.rules",
    "devserver.mismatch",
    "devserver.template",
    "devserver.record",
    "devserver.store",
    "devserver.declared",
    "devserver.account",
    "devserver.faults",
    "devserver.views",
    "devserver.paging",
    "devserver.agents",
    "devserver.registration",
    "devserver.alerts",
    "devserver.instances",
    "devserver.spans",
    "devserver.index",
    "devserver.operations",
    "devserver.bulk",
    "devserver.pages",
    "devserver.feed",
    "devserver.access",
    "devserver.screen",
    "devserver.app",
    "devserver.server",
    "devserver",
    "cli.browser",
    "cli.terminal",
    "cli.advice",
    "cli.tree",
    "cli.shelf",
    "cli.why",
    "cli.inspect",
    "cli.agent",
    "cli.demo",
    "cli.listening",
    "cli.devserver",
    "cli.gateway",
    "cli.probe",
    "cli.checks",
    "cli.installed",
    "cli.problem",
    "cli.platform",
    "cli.following",
    "cli.runs",
    "cli.show",
    "cli.steer",
    "cli.comparing",
    "cli.excerpts",
    "cli.mcp_server",
    "cli.doctor",
    "cli.doctor_gateway",
    "cli.spool",
    "cli.options",
    "cli.commands",
    "cli",
    "__main__",
]
PACKAGES = [
    *("payload", "stats", "host", "privacy", "spans", "mapping", "span_types", "config"),
    *("delivery", "runs", "spool", "pipeline", "doors", "gateway", "devserver", "cli"),
]
SPANS = {
    *(
        "spans.view",
        "spans.source",
        "spans.sdk",
        "runs.node",
        "runs.calls",
        "runs.nodes",
        "runs.records",
        "runs.parking",
    ),
    *("runs.early", "runs.telling", "runs.filtering", "runs.showing", "runs.tree"),
    *("runs.router", "runs.agenda", "runs.making"),
} | {name for name in ORDER if name.split(".")[0] == "mapping"}
DELIVERY = {
    "delivery.client",
    "delivery.sender",
    "delivery.verdicts",
    "delivery.wire",
    "delivery.outbox",
    "delivery.line",
    "delivery.receipt",
    "delivery.batch",
    "delivery.queue",
}


def modules(package: str) -> Iterator[tuple[str, Path]]:
    for path in sorted((ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT / package).with_suffix("").parts
        yield ".".join(part for part in parts if part != "__init__"), path


def imported(path: Path) -> set[str]:
    """The full names of the modules that a file imports, at any depth."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            assert node.module is not None
            found.update(_named(node.module, alias.name) for alias in node.names)
    return found


def _named(module: str, name: str) -> str:
    path = ROOT / Path(*module.split("."), name)
    is_module = path.with_suffix(".py").exists() or (path / "__init__.py").exists()
    return f"{module}.{name}" if is_module else module


def inside(package: str, names: set[str]) -> set[str]:
    prefix = f"{package}."
    return {
        n.removeprefix(prefix) if n != package else ""
        for n in names
        if n == package or n.startswith(prefix)
    }


def test_every_module_has_its_place() -> None:
    assert {name for name, _ in modules("prefactor_otel")} == set(ORDER)


def test_every_package_is_one_stage() -> None:
    """What imports downwards within the table does so between packages: none stands in two
    places."""
    stages = [
        name.split(".")[0]
        for name in ORDER
        if (ROOT / "prefactor_otel" / name.split(".")[0]).is_dir() and name
    ]
    assert [stage for stage, _ in groupby(stages)] == PACKAGES


def test_imports_point_one_way() -> None:
    place = {name: number for number, name in enumerate(ORDER)}
    for name, path in modules("prefactor_otel"):
        for other in inside("prefactor_otel", imported(path)):
            assert place[other] < place[name], f"{name} imports {other}, which lies below it"


def reached_by(name: str) -> set[str]:
    """Every module that importing this one loads, whoever asks for it."""
    paths = dict(modules("prefactor_otel"))
    found, new = set[str](), {name}
    while new:
        found |= new
        new = set().union(*(inside("prefactor_otel", imported(paths[n])) for n in new)) - found
    return found


def test_delivery_never_sees_a_span() -> None:
    for name in DELIVERY:
        assert not reached_by(name) & SPANS, name


def test_spans_never_see_the_delivery() -> None:
    for name, path in modules("prefactor_otel"):
        if name in SPANS:
            assert not inside("prefactor_otel", imported(path)) & DELIVERY, name


def test_only_the_doors_know_the_sdk() -> None:
    """Whatever makes spans, what is behind the doors takes them as values and by a reader. What
    stands before our doors in a provider is found in one place; commands are applications."""
    for name, path in modules("prefactor_otel"):
        if name.split(".")[0] in ("doors", "cli") or name in ("spans.sdk", "host.nesting"):
            continue
        known = {other for other in imported(path) if other.startswith("opentelemetry.sdk")}
        assert not known | inside("prefactor_otel", imported(path)) & {"spans.sdk"}, name


def test_the_client_knows_neither_opentelemetry_nor_us() -> None:
    for name, path in modules("prefactor_http"):
        for other in imported(path):
            assert not is_of(other, "opentelemetry", "prefactor_otel", "threading"), name


def test_the_transport_knows_nobody_who_uses_it() -> None:
    for name, path in modules("prefactor_otel_transport"):
        for other in imported(path):
            assert not is_of(other, "opentelemetry", "prefactor_otel", "prefactor_http"), name
            assert name == "daemon" or not is_of(other, "threading"), name


def test_the_exporter_does_not_need_the_client() -> None:
    """Another distribution may bring its own ``prefactor_http``, or take ours away with it.
    Commands that read and steer runs are users of the API as others are."""
    for name, path in modules("prefactor_otel"):
        if name not in ("cli.platform", "cli.problem"):
            assert not any(is_of(other, "prefactor_http") for other in imported(path)), name


def is_of(module: str, *packages: str) -> bool:
    return module.split(".")[0] in packages


def test_the_api_is_called_from_one_place() -> None:
    users = {
        name for name, path in modules("prefactor_otel") if "ApiClient" in path.read_text()
    } - {"delivery.client"}
    assert users == {
        "pipeline.loop",
        "cli.spool",
        "delivery.sender",
        "delivery.bulk",
        "delivery.run_calls",
        "delivery.asking",
        "delivery.direct",
        "delivery.joining",
        "delivery.poll",
        "cli.doctor",
        "cli.probe",
        "doors.oversight",
    }
