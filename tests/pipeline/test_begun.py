"""The runs that others are told of before the worker knows them."""

from prefactor_otel.pipeline.begun import MOST, Begun


def test_the_latest_runs_are_known_by_their_traces_and_the_oldest_forgotten() -> None:
    begun = Begun()
    keys = [begun.begin(trace) for trace in range(MOST + 1)]
    assert begun.of(0) is None
    assert [begun.of(trace) for trace in range(1, MOST + 1)] == keys[1:]
    assert len(set(keys)) == len(keys)
