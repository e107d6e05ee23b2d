"""What comes of a trace whose root has ended."""

from pathlib import Path

from prefactor_otel.devserver import DevServer
from tests.gateway.made import ids, request
from tests.gateway.process import before

IN_2033 = 2_000_000_000 * 10**9
DROPPED = b'prefactor_spans_dropped_total{account="own",reason="run_terminated"}'


def test_a_stop_reaches_a_run_that_only_waits_for_late_spans(
    api: DevServer, tmp_path: Path
) -> None:
    trace, root = ids()
    with before(api, tmp_path / "spool", PREFACTOR_RUN_LINGER="3600") as gateway:
        assert gateway.post(request((trace, root)).SerializeToString()).status == 200
        assert api.wait_until(lambda a: len(a.spans()) == 1)
        [run] = api.instances()
        api.terminate(run["id"], "enough")
        for number in range(1, 200):
            late = request((trace, number.to_bytes(8, "big")), parent=root)
            span = late.resource_spans[0].scope_spans[0].spans[0]
            span.start_time_unix_nano = span.end_time_unix_nano = IN_2033
            assert gateway.post(late.SerializeToString()).status == 200
            if DROPPED in gateway.ask("/metrics").body:
                break
        assert DROPPED in gateway.ask("/metrics").body
        assert f"Run {run['id']} was terminated" in gateway.told
