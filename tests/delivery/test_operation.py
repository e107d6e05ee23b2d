"""Ids and keys: the same for the same span for ever, different for every other."""

import dataclasses

import pfid as reference  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from prefactor_otel.delivery.operation import Operation
from prefactor_otel.runs.encoding import span_idempotency_key, span_ref
from prefactor_otel.runs.run import Run
from prefactor_otel.spans.view import SpanKey
from prefactor_otel_transport import pfid
from tests.made_spans import one_view

VIEW = one_view()
keys = st.builds(SpanKey, st.integers(1, 2**128 - 1), st.integers(1, 2**64 - 1))


@given(keys, st.integers(0, 2**63), st.integers(0, pfid.MAX_PARTITION))
def test_a_span_id_is_a_pfid_of_the_partition_at_the_spans_start(
    key: SpanKey, start_ns: int, partition: int
) -> None:
    view = dataclasses.replace(VIEW, key=key, start_ns=start_ns)
    made = span_ref(Run().key, view.key, view.start_ns).pfid(partition)
    assert reference.is_pfid(made)
    assert pfid.decode(made)[:2] == (start_ns // 1_000_000, partition)


def test_the_same_span_of_the_same_run_has_the_same_id_and_another_run_another() -> None:
    run, other = Run().key, Run().key
    assert span_ref(run, VIEW.key, VIEW.start_ns) == span_ref(run, VIEW.key, VIEW.start_ns)
    assert span_ref(run, VIEW.key, VIEW.start_ns) != span_ref(other, VIEW.key, VIEW.start_ns)


def test_a_start_before_the_epoch_or_after_the_year_10000_still_gives_an_id() -> None:
    for start_ns in (-(10**18), 2**90):
        view = dataclasses.replace(VIEW, start_ns=start_ns)
        assert pfid.is_pfid(span_ref("run", view.key, view.start_ns).pfid(1))


@given(keys)
def test_an_idempotency_key_fits_the_bulk_endpoint_and_differs_by_operation(key: SpanKey) -> None:
    run = Run().key
    made = {span_idempotency_key(run, key, op) for op in (Operation.CREATE, Operation.FINISH_SPAN)}
    assert len(made) == 2
    assert all(8 <= len(text) <= 64 for text in made)


def test_run_keys_come_from_the_system_and_not_from_a_seed() -> None:
    import random

    random.seed(1)
    first = Run().key
    random.seed(1)
    assert Run().key != first
