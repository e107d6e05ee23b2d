"""The version stands in one place."""

from importlib.metadata import version

import prefactor_otel


def test_the_package_has_the_version_that_is_installed() -> None:
    assert prefactor_otel.__version__ == version("prefactor-otel")
