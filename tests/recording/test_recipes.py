from pathlib import Path

from tests.recorded import NAMES
from tests.recording.recipes import RECIPES

APPS = Path(__file__).with_name("apps")
SHARED = {"weather.py"}


def test_every_recipe_has_its_recording() -> None:
    names = [recipe.name for recipe in RECIPES]
    assert len(names) == len(set(names))
    assert set(names) <= set(NAMES)


def test_every_application_is_recorded() -> None:
    assert {recipe.app for recipe in RECIPES} == {
        path.name for path in APPS.glob("*.[mp]*")
    } - SHARED
