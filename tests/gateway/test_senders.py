"""What real senders send arrives as what the exporter in their process would have made of it."""

from pathlib import Path
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace.export import SpanExportResult

from prefactor_otel import PrefactorExporter
from prefactor_otel.devserver import DevServer
from tests.gateway.process import before
from tests.patience import PATIENCE
from tests.recorded import NAMES, readable

RECORDINGS = NAMES[:: len(NAMES) // 12]


def told(api: DevServer) -> dict[str, Any]:
    """What is known of each span: all but what differs from run to run."""
    rows = api.spans()
    names = {row["id"]: row["payload"]["span_id"] for row in rows}
    return {
        row["payload"]["span_id"]: (
            names.get(row["parent_span_id"]),
            row["schema_name"],
            row["status"],
            row["started_at"],
            row["finished_at"],
            row["payload"],
            row["result_payload"],
        )
        for row in rows
    }


@pytest.mark.parametrize("name", RECORDINGS)
def test_what_pythons_otlp_exporter_sends_becomes_what_the_exporter_in_process_makes_of_it(
    name: str, tmp_path: Path
) -> None:
    spans = readable(name)
    with DevServer() as theirs, DevServer() as ours:
        exporter = PrefactorExporter(ours.url, ours.token, run_scope="trace")
        exporter.export(spans)
        exporter.shutdown(timeout_millis=PATIENCE * 1000)
        with before(theirs, tmp_path / "spool") as gateway:
            sender = OTLPSpanExporter(
                f"{gateway.url}/v1/traces", timeout=PATIENCE, compression=Compression.Gzip
            )
            assert sender.export(spans) is SpanExportResult.SUCCESS
            assert gateway.end() == 0
        assert told(theirs) == told(ours)
        assert len(told(theirs)) > 0
