"""Names that are loaded late are there for everybody who asks."""

import subprocess
import sys
from importlib import import_module

import pytest

PACKAGES = ("prefactor_http", "prefactor_http.models", "prefactor_http.endpoints")


def in_a_fresh_interpreter(source: str) -> str:
    command = [sys.executable, "-c", source]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


@pytest.mark.parametrize("package", PACKAGES)
def test_every_declared_name_is_listed_and_comes_with_a_star(package: str) -> None:
    source = (
        f"import {package} as package\n"
        "assert set(package.__all__) <= set(dir(package))\n"
        f"from {package} import *\n"
        "print(set(package.__all__) - set(globals()))\n"
    )
    assert in_a_fresh_interpreter(source) == "set()"


@pytest.mark.parametrize(
    "path",
    ["models.Agent", "models.agent_instance.AgentInstance", "endpoints.AgentClient", "BulkItem"],
)
def test_a_name_is_reached_from_the_package_alone(path: str) -> None:
    source = f"import prefactor_http; print(prefactor_http.{path}.__name__)"
    assert in_a_fresh_interpreter(source) == path.split(".")[-1]


@pytest.mark.parametrize("package", PACKAGES)
def test_a_name_that_does_not_exist_is_an_attribute_error(package: str) -> None:
    module = import_module(package)
    assert not hasattr(module, "Agnet")
    with pytest.raises(AttributeError, match=f"'{package}' has no attribute 'Agnet'"):
        module.Agnet  # noqa: B018
