"""The metrics tell what ``stats`` tells, and keep nothing alive."""

import gc
import weakref
from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from prefactor_otel import PrefactorExporter, PrefactorSpanProcessor, TracerProvider
from prefactor_otel.devserver import DevServer
from tests.made_spans import Recorder

EXPORTED = "otel.sdk.exporter.span.exported"
INFLIGHT = "otel.sdk.exporter.span.inflight"
QUEUE_SIZE = "otel.sdk.processor.span.queue.size"
QUEUE_CAPACITY = "otel.sdk.processor.span.queue.capacity"


def numbers(data: Any) -> Any:
    """The points of a sum; the type of a metric's data leaves open which kind it is."""
    return data.data_points


class Metrics:
    """A meter provider and what it collects."""

    def __init__(self) -> None:
        self._reader = InMemoryMetricReader()
        self.provider = MeterProvider([self._reader], shutdown_on_exit=False)

    def points(self) -> dict[tuple[str, str, str | None], int]:
        """Values by metric, component and error."""
        data = self._reader.get_metrics_data()
        found: dict[tuple[str, str, str | None], int] = {}
        for resource in data.resource_metrics if data is not None else ():
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    assert metric.unit == "{span}"
                    found |= {self._key(metric.name, p): p.value for p in numbers(metric.data)}
        return found

    def _key(self, name: str, point: Any) -> tuple[str, str, str | None]:
        assert point.attributes["otel.component.type"] == "prefactor_span_exporter"
        component = point.attributes["otel.component.name"]
        return (
            name,
            component.removeprefix("prefactor_span_exporter"),
            point.attributes.get("error.type"),
        )


def test_the_metrics_are_the_numbers_of_stats(api_environment: DevServer) -> None:
    api_environment.faults.add(bulk_error="validation_errors", item='"bad"')
    metrics = Metrics()
    processor = PrefactorSpanProcessor(
        meter_provider=metrics.provider, schedule_delay=0.05, max_queue_size=1000
    )
    provider = TracerProvider(span_processors=[processor], shutdown_on_exit=False)
    for name in ("a", "bad", "b"):
        provider.get_tracer("agent").start_span(name).end()
    processor.force_flush()
    api_environment.faults.add(path="/bulk", status=503, times=None)
    provider.get_tracer("agent").start_span("waits").end()
    assert processor.force_flush(200) is False
    stats = processor.stats()
    assert metrics.points() == {
        (EXPORTED, "/0", None): stats.acknowledged,
        (EXPORTED, "/0", "refused"): 1,
        (INFLIGHT, "/0", None): stats.waiting,
        (QUEUE_SIZE, "/0", None): stats.waiting_items,
        (QUEUE_CAPACITY, "/0", None): 1000,
    }
    assert (stats.acknowledged, stats.waiting, stats.waiting_items) == (2, 1, 1)
    api_environment.faults.clear()
    provider.shutdown()
    assert metrics.points()[EXPORTED, "/0", None] == 3
    metrics.provider.shutdown()


def test_two_exporters_are_told_apart(api_environment: DevServer) -> None:
    metrics, recorder = Metrics(), Recorder()
    first = PrefactorExporter(meter_provider=metrics.provider)
    second = PrefactorExporter(meter_provider=metrics.provider)
    recorder.tracer.start_span("one").end()
    first.export(recorder.spans)
    points = metrics.points()
    assert (points[EXPORTED, "/0", None], points[EXPORTED, "/1", None]) == (1, 0)
    first.shutdown()
    second.shutdown()
    metrics.provider.shutdown()


def test_an_exporter_that_is_off_counts_what_it_drops() -> None:
    metrics, recorder = Metrics(), Recorder()
    exporter = PrefactorExporter(meter_provider=metrics.provider)
    recorder.tracer.start_span("one").end()
    exporter.export(recorder.spans)
    assert metrics.points()[EXPORTED, "/0", "not_configured"] == 1
    metrics.provider.shutdown()


def test_metrics_keep_no_exporter_alive(api_environment: DevServer) -> None:
    metrics = Metrics()
    born: list[weakref.ref[PrefactorExporter]] = []
    for _ in range(100):
        exporter = PrefactorExporter(meter_provider=metrics.provider)
        exporter.shutdown()
        born.append(weakref.ref(exporter))
        del exporter
    gc.collect()
    assert [ref for ref in born if ref() is not None] == []
    assert metrics.points() == {}
    metrics.provider.shutdown()
