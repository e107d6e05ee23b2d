"""Who is looked at again and again is left alone in between."""

from prefactor_otel.cli.following import LONGEST, SHORTEST, Pace, Seen


def test_looks_grow_rare_while_nothing_happens_and_frequent_when_something_does() -> None:
    pace = Pace()
    pauses = [pace.after(Seen.NOTHING_NEW, 0.0) for _ in range(20)]
    assert pauses == sorted(pauses)
    assert (pauses[0] > SHORTEST, pauses[-1]) == (True, LONGEST)
    assert pace.after(Seen.CHANGES, 0.0) == SHORTEST


def test_a_look_that_takes_long_is_followed_by_a_longer_pause() -> None:
    assert Pace().after(Seen.CHANGES, 30.0) > 100


def test_an_api_in_trouble_is_left_alone_for_as_long_as_it_asks_for() -> None:
    pace = Pace()
    assert pace.after_trouble(300.0) == 300.0
    waits = [pace.after_trouble(None) for _ in range(10)]
    assert waits == sorted(waits)
    assert waits[-1] == 60.0
