"""The environments, made beside each other once, and each story, told once for all its tests."""

import functools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.http import environments
from tests.live.frameworks import ENVIRONMENTS, Framework
from tests.live.stories import Story, tell

Tell = Callable[[Framework, str, str], Story]


@pytest.fixture(scope="session")
def pythons(tmp_path_factory: pytest.TempPathFactory) -> dict[Framework, Path]:
    """The interpreter of each framework, with this package installed as a user would; one for all
    its doors."""
    folder = tmp_path_factory.mktemp("frameworks")
    wheel = environments.build_wheel(folder)

    def make(framework: Framework) -> Path:
        packages = (f"{wheel}[local]", *framework.requirements)
        return environments.make(folder / framework.name, *packages)

    apart = {framework.name: framework for framework in ENVIRONMENTS}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        made = dict(zip(apart, pool.map(make, apart.values()), strict=True))
    return {framework: made[framework.name] for framework in ENVIRONMENTS}


@pytest.fixture(scope="session")
def ask(pythons: dict[Framework, Path]) -> Tell:
    """Ask the agent of a framework about the weather in a city, whole or streamed."""

    @functools.cache
    def story(framework: Framework, way: str, city: str) -> Story:
        return tell(framework, pythons[framework], way, f"What is the weather in {city}?")

    return story
