"""Bad data never costs more than itself."""

import json
from collections.abc import Sequence
from typing import Any

import orjson
import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from prefactor_otel import PrefactorExporter, PrefactorSpanProcessor, TracerProvider
from prefactor_otel.devserver import DevServer
from prefactor_otel.payload.repairs import Repair
from prefactor_otel.stats.counters import Stats
from tests.faults.poison import PHOTO, POISONED, POISONS, Poison, batch, span_of
from tests.patience import PATIENCE

Details = dict[str, Any]


def strict(raw: bytes) -> Any:
    """What a strict parser reads: no NaN, no infinity, no lone surrogate."""

    def refuse(constant: str) -> object:
        raise ValueError(f"{constant} is no JSON")

    content = json.loads(raw.decode("utf-8"), parse_constant=refuse)
    json.dumps(content, ensure_ascii=False).encode("utf-8")
    return content


def delivered(api: DevServer, spans: Sequence[ReadableSpan]) -> tuple[dict[str, Details], Stats]:
    """What the API was sent of a batch, by OTel span id, and what the exporter says of it."""
    exporter = PrefactorExporter(api.url, api.token, shutdown_timeout=PATIENCE)
    exporter.export(spans)
    exporter.force_flush()
    exporter.shutdown()
    sent: dict[str, Details] = {}
    for request in api.requests:
        content = strict(request.raw) if request.raw else {}
        for item in content.get("items", ()):
            assert item["_type"] == "agent_spans/create"
            sent[item["details"]["payload"]["span_id"]] = item["details"]
    assert len(api.spans()) == exporter.stats().acknowledged
    return sent, exporter.stats()


def unnamed(details: Details) -> bytes:
    """Everything but the ids that belong to one run."""
    ids = ("id", "agent_instance_id", "parent_span_id")
    return orjson.dumps({name: value for name, value in details.items() if name not in ids})


@pytest.fixture(scope="module")
def clean() -> dict[str, bytes]:
    """What a batch without poison becomes."""
    with DevServer() as api:
        sent, stats = delivered(api, batch())
    assert stats.acknowledged == 100
    return {key: unnamed(details) for key, details in sent.items()}


ODD = f"{POISONED:016x}"


@pytest.mark.parametrize("poison", POISONS, ids=str)
def test_one_odd_span_goes_out_repaired_and_the_others_as_they_are(
    api: DevServer, clean: dict[str, bytes], poison: Poison
) -> None:
    sent, stats = delivered(api, batch(**poison.changes))
    assert (stats.accepted, stats.acknowledged, stats.dropped) == (100, 100, {})
    odd = sent[ODD]
    others = {key: unnamed(details) for key, details in sent.items() if key != ODD}
    assert others == {key: body for key, body in clean.items() if key != ODD}
    assert set(odd["payload"]["metadata"].get("repaired", [])) >= set(poison.told)
    assert bool(odd["payload"]["metadata"].get("repaired")) == bool(poison.told)
    assert odd["status"] == odd["payload"]["status"] != "active"
    assert odd["started_at"] <= odd["finished_at"]
    attributes = poison.changes.get("attributes")
    if isinstance(attributes, dict) and "before" in attributes:
        assert odd["payload"]["metadata"]["after"] == "ok"


def test_all_odd_spans_in_one_batch_all_arrive(api: DevServer) -> None:
    spans = []
    for number, poison in enumerate(POISONS, start=1):
        changes = {name: value for name, value in poison.changes.items() if name != "parent"}
        spans.append(span_of(number, **changes))
    sent, stats = delivered(api, [*spans, span_of(0xFFFF)])
    assert stats.acknowledged == len(sent) == len(POISONS) + 1


@pytest.mark.parametrize(
    "unreadable",
    [
        None,
        object(),
        span_of(POISONED, context=None),
        span_of(POISONED, attributes=[1]),
        span_of(POISONED, events=None),
        span_of(POISONED, status=None),
    ],
    ids=["None", "an object", "no context", "attributes of a list", "no events", "no status"],
)
def test_what_is_no_span_is_counted_and_costs_no_other(
    api: DevServer, clean: dict[str, bytes], unreadable: Any
) -> None:
    spans = [*batch(), unreadable]
    spans[POISONED - 1], spans[-1] = spans[-1], spans[POISONED - 1]
    del spans[-1]
    sent, stats = delivered(api, spans)
    assert (stats.accepted, stats.acknowledged) == (100, 99)
    assert stats.dropped == {"unreadable": 1}
    assert {key: unnamed(details) for key, details in sent.items()} == {
        key: body for key, body in clean.items() if key != ODD
    }


def test_two_spans_of_one_id_both_arrive_and_the_same_one_twice_is_counted(
    api: DevServer, clean: dict[str, bytes]
) -> None:
    twin = span_of(POISONED, name="twin", start_time=1_800_000_000 * 10**9, end_time=None)
    _, stats = delivered(api, [twin, span_of(7), *batch()])
    assert (stats.acknowledged, stats.dropped) == (101, {"duplicate": 1})
    assert {row["payload"]["name"] for row in api.spans()} >= {"twin", f"step {POISONED}"}


def test_a_photo_leaves_its_type_size_and_hash_and_every_text(api: DevServer) -> None:
    content = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PHOTO}"}},
    ]
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "m",
        "gen_ai.usage.input_tokens": 12,
        "gen_ai.input.messages": json.dumps([{"role": "user", "content": content}]),
        "gen_ai.output.messages": json.dumps([{"role": "assistant", "content": content}]),
    }
    sent, _ = delivered(api, batch(attributes=attributes))
    payload = sent[ODD]["payload"]
    assert len(orjson.dumps(payload)) < 2_000
    assert payload["metadata"]["repaired"] == [Repair.MEDIA]
    assert payload["token_usage"]["prompt_tokens"] == 12
    told = json.dumps(payload["inputs"])
    assert "What is this?" in told
    assert "[media: image/png, 30008 bytes, sha256 " in told


THROUGH_THE_SDK: list[tuple[Any, Repair]] = [
    ("lone \ud83e surrogate", Repair.SURROGATE),
    (float("nan"), Repair.NOT_FINITE),
    ([1.0, float("inf")], Repair.NOT_FINITE),
    (2**70, Repair.INTEGER),
    ("word " * 500_000, Repair.SIZE),
    (f"data:image/png;base64,{PHOTO}", Repair.MEDIA),
]


@pytest.mark.parametrize("live", [True, False], ids=["processor", "exporter"])
@pytest.mark.parametrize(("value", "told"), THROUGH_THE_SDK, ids=lambda value: str(value)[:24])
def test_what_the_sdk_lets_through_is_repaired_too(
    api: DevServer, live: bool, value: Any, told: Repair
) -> None:
    processor = (
        PrefactorSpanProcessor(api.url, api.token)
        if live
        else BatchSpanProcessor(PrefactorExporter(api.url, api.token))
    )
    provider = TracerProvider(span_processors=[processor], shutdown_on_exit=False)
    tracer = provider.get_tracer("agent")
    with tracer.start_as_current_span("root"):
        tracer.start_span("odd", attributes={"odd": value, "kept": "ok"}).end()
    provider.shutdown()
    metadata = {row["payload"]["name"]: row["payload"]["metadata"] for row in api.spans()}
    assert "repaired" not in metadata["root"]
    assert metadata["odd"]["repaired"] == [told]
    assert metadata["odd"]["kept"] == "ok"
    for request in api.requests:
        strict(request.raw)


def test_an_open_span_tells_what_of_its_end_was_repaired(api: DevServer) -> None:
    processor = PrefactorSpanProcessor(api.url, api.token)
    provider = TracerProvider(span_processors=[processor], shutdown_on_exit=False)
    root = provider.get_tracer("agent").start_span("root")
    assert api.wait_until(lambda api: api.spans())
    root.set_attributes({"late": "\ud83e", "photo": PHOTO})
    root.end()
    provider.shutdown()
    [row] = api.spans()
    late = row["result_payload"]["metadata"]
    assert late["repaired"] == sorted([Repair.MEDIA, Repair.SURROGATE])
    assert late["late"] == "\ufffd"
