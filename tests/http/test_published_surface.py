"""The published client's public surface is a part of ours, name by name."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.http import environments

SCRIPT = Path(__file__).with_name("surface.py")


def differences(published: Any, ours: Any, where: str) -> list[str]:
    """What is missing here or not the same; ours may have more."""
    if not isinstance(published, dict) or not isinstance(ours, dict):
        return [] if published == ours else [f"{where}: {published} there, {ours} here"]
    found = [f"{where}.{name}: missing" for name in published.keys() - ours.keys()]
    for name in sorted(published.keys() & ours.keys()):
        found += differences(published[name], ours[name], f"{where}.{name}")
    return found


@pytest.mark.slow
def test_nothing_of_the_published_surface_is_missing_or_different(tmp_path: Path) -> None:
    python = environments.make(tmp_path / "published", "prefactor-http==0.4.3")
    published = json.loads(environments.run(python, str(SCRIPT)))
    ours = json.loads(
        environments.run(sys.executable, str(SCRIPT), PYTHONPATH=str(environments.CHECKOUT))
    )
    assert len(published) > 15
    assert differences(published, ours, "") == []
    assert published["prefactor_http"]["all"] == ours["prefactor_http"]["all"]
