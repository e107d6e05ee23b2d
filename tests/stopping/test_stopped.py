"""What is said of stopping frameworks is what was tried, and only that."""

import pytest

from tests.stopping.outcome import REACTIONS, Trial, read
from tests.stopping.trials import TRIALS
from tests.support_table import label_of, package_of, support_table, trial_of

TRIED = read()


def of(trial: Trial) -> str:
    return f"{trial.framework}-{trial.instrumentation}"


@pytest.mark.parametrize("trial", TRIED, ids=of)
def test_a_mark_says_what_was_done_after_the_run_was_terminated(trial: Trial) -> None:
    assert tuple(trial.outcomes) == REACTIONS
    for outcome in trial.outcomes.values():
        done = outcome.asked - 1, outcome.tools
        assert done >= (0, 0)
        if outcome.mark != "hangs":
            assert (outcome.mark == "✓") == (done == (0, 0))
            assert (outcome.mark == "no") == (done[0] > 0)


@pytest.mark.parametrize("trial", TRIED, ids=of)
def test_every_trial_can_be_made_again_and_stands_in_the_table(trial: Trial) -> None:
    assert trial.version
    assert any(
        (trial.framework, trial.instrumentation) == (recipe.framework, recipe.instrumentation)
        for recipe in TRIALS
    )
    package, label = package_of(trial.framework), label_of(trial.instrumentation)
    assert trial_of(package, label) is not None
    assert any(
        line.startswith(f"| {package} ") and f"| {label.partition(',')[0]}" in line
        for line in support_table().splitlines()
    )


def test_what_was_not_tried_has_no_mark() -> None:
    assert trial_of("no-framework", "OpenInference") is None
