"""The pages' tables and lists are those of the code, word for word."""

from pathlib import Path
from typing import get_args

import pytest

from prefactor_otel.cli.options import with_table
from prefactor_otel.stats.counters import DropReason, State

ROOT = Path(__file__).parent.parent
RELIABILITY = (ROOT / "docs" / "reliability.md").read_text()


@pytest.mark.parametrize("name", ["docs/configuration.md", "docs/gateway.md"])
def test_a_page_has_the_current_table(name: str) -> None:
    page = (ROOT / name).read_text()
    assert with_table(page) == page, f"run: python -m prefactor_otel.cli.options {name}"


def test_a_text_without_markers_is_left_alone() -> None:
    with pytest.raises(ValueError, match="no markers"):
        with_table("# A page without options")


@pytest.mark.parametrize("word", [*get_args(State), *(reason.value for reason in DropReason)])
def test_every_state_and_every_reason_for_a_loss_is_told(word: str) -> None:
    assert f"`{word}`" in RELIABILITY
