"""What comes after the end of its run is sent at once, and a stop reaches also that."""

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from prefactor_otel import PrefactorExporter
from prefactor_otel.devserver import DevServer
from tests.patience import PATIENCE, comes_true
from tests.runs.test_runs import finished


def test_a_child_that_ends_after_its_run_is_sent_without_waiting_for_its_parent(
    api: DevServer,
) -> None:
    exporter = PrefactorExporter(api.url, api.token, run_scope="trace", shutdown_timeout=PATIENCE)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("agent")
    root = tracer.start_span("root")
    children = [
        tracer.start_span(name, trace.set_span_in_context(root)) for name in ("stream", "later")
    ]
    root.end()
    assert comes_true(lambda: len(finished(api)) == 1)
    for done, child in enumerate(children):
        child.end()
        assert exporter.force_flush()
        assert comes_true(lambda done=done: len(finished(api)) == 2 + done)  # type: ignore[misc]
    rows = {row["payload"]["name"]: row for row in api.spans()}
    for name in ("stream", "later"):
        assert rows[name]["parent_span_id"] is None
        assert rows[name]["payload"]["parent_span_id"] == rows["root"]["payload"]["span_id"]
    assert {run["status"] for run in api.instances()} == {"complete"}
    stats = exporter.stats()
    assert (stats.acknowledged, stats.waiting, stats.orphaned) == (3, 0, 2)
    provider.shutdown()
