"""Behind its door nothing knows what a span is: the door's reader tells."""

from dataclasses import dataclass, replace

from prefactor_otel.devserver import DevServer
from prefactor_otel.pipeline.pipeline import Pipeline
from prefactor_otel.spans.source import Reader
from prefactor_otel.spans.view import Attributes, SpanKey, SpanView
from tests.made_spans import Recorder
from tests.registrations import registrations


@dataclass(frozen=True)
class Told:
    """A span of another kind than the SDK's."""

    view: SpanView

    @property
    def key(self) -> SpanKey:
        return self.view.key

    @property
    def parent(self) -> SpanKey | None:
        return self.view.local_parent

    @property
    def name(self) -> str:
        return self.view.name

    @property
    def attributes(self) -> Attributes:
        return self.view.attributes

    @property
    def scope_name(self) -> str:
        return self.view.scope_name

    @property
    def resource(self) -> Attributes:
        return self.view.resource

    @property
    def start_ns(self) -> int:
        return self.view.start_ns

    @property
    def has_ended(self) -> bool:
        return self.view.end_ns is not None

    def read(self) -> SpanView:
        if self.view.name == "unreadable":
            raise ValueError("nobody can read this")
        return self.view


READER = Reader[Told](
    source=lambda told: told,
    key=lambda told: told.key,
    view=Told.read,
    weight=lambda told: len(told.name),
    resource=lambda: {"service.name": "nobody has said"},
)


def family(resource: Attributes) -> tuple[SpanView, SpanView]:
    """A child and its parent, as the end of each tells."""
    recorder = Recorder()
    with (
        recorder.tracer.start_as_current_span("parent"),
        recorder.tracer.start_as_current_span("child"),
    ):
        pass
    child, parent = (replace(view, resource=resource) for view in recorder.views)
    return child, parent


def version(api: DevServer) -> tuple[object, object]:
    """The agent's name and version, as the run was registered with them."""
    [registration] = registrations(api)
    described = registration["agent_version"]
    return described["name"], described["external_identifier"]


def test_spans_of_any_kind_arrive_as_their_reader_reads_them(api: DevServer) -> None:
    child, parent = family({"service.name": "weather", "service.version": "7"})
    pipeline = Pipeline(READER, api.url, api.token)
    assert pipeline.deliver([Told(child), Told(parent)])
    assert pipeline.shutdown()
    records = {row["payload"]["name"]: row for row in api.spans()}
    assert records["child"]["parent_span_id"] == records["parent"]["id"]
    assert pipeline.stats().acknowledged == 2


def test_a_span_of_any_kind_is_seen_while_it_is_open(api: DevServer) -> None:
    child, parent = family({})
    is_open = Told(replace(parent, end_ns=None))
    pipeline = Pipeline(READER, api.url, api.token)
    pipeline.started(is_open, None)
    pipeline.ended([Told(child)])
    assert pipeline.flush(60_000)
    states = {row["payload"]["name"]: row["status"] for row in api.spans()}
    assert states == {"parent": "active", "child": "complete"}
    pipeline.ended([Told(parent)])
    assert pipeline.shutdown()
    assert {row["status"] for row in api.spans()} == {"complete"}


def test_a_run_is_described_by_what_its_first_span_says_it_comes_from(api: DevServer) -> None:
    child, parent = family({"service.name": "weather", "service.version": "7"})
    pipeline = Pipeline(READER, api.url, api.token)
    pipeline.deliver([Told(child), Told(parent)])
    pipeline.shutdown()
    assert version(api) == ("weather", "7")


def test_a_run_of_which_nobody_has_said_anything_is_described_by_the_reader(api: DevServer) -> None:
    Pipeline(READER, api.url, api.token).shutdown()
    assert version(api) == ("nobody has said", "1.0.0")


def test_a_span_that_its_reader_cannot_read_costs_itself_alone(api: DevServer) -> None:
    child, parent = family({})
    pipeline = Pipeline(READER, api.url, api.token)
    assert not pipeline.deliver([Told(replace(child, name="unreadable")), Told(parent)])
    pipeline.shutdown()
    stats = pipeline.stats()
    assert (stats.accepted, stats.acknowledged, stats.dropped) == (2, 1, {"unreadable": 1})


def test_spans_of_any_kind_are_counted_where_nothing_is_sent() -> None:
    child, parent = family({})
    pipeline = Pipeline(READER)
    assert not pipeline.deliver([Told(child), Told(parent)])
    stats = pipeline.stats()
    assert (stats.state, stats.accepted, stats.dropped) == ("off", 2, {"not_configured": 2})
    assert pipeline.is_closing
    assert not pipeline.flush(1000)
