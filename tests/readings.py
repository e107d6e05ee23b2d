"""Both readings of what the API lets be cancelled: whatever is cancelled is tested under either."""

import pytest

from prefactor_otel.devserver import DevServer

under_either_reading = pytest.mark.parametrize(
    "lenient_cancel", [False, True], ids=["strict", "lenient"]
)
"""Runs a test against a strict and against a lenient API (fixtures ``api`` and ``cancelled``)."""


def left_open(api: DevServer) -> list[str]:
    """The ids of runs and spans that the API still takes for open."""
    rows = [*api.instances(), *api.spans()]
    return [row["id"] for row in rows if row["status"] in ("pending", "active")]
