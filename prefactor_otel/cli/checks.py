"""What checks have found, and how that is told."""

import json
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Literal

from rich.text import Text

from prefactor_otel.cli.probe import Stored
from prefactor_otel.cli.terminal import new_console
from prefactor_otel.cli.tree import digest, run_tree

Outcome = Literal["ok", "warning", "failed"]
"""A warning is no failure: all may be well."""

_SIGNS: Final = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "failed": ("✗", "bold red")}


@dataclass(frozen=True, slots=True)
class Check:
    """One check: what was found, and what to do where it is not as it should be."""

    name: str
    outcome: Outcome
    found: str
    remedy: str = ""
    stored: Stored | None = None
    """The run of the probe, as the platform shows it."""


def told(checks: list[Check], *, as_json: bool) -> int:
    """Print them; the exit code: 0 when all are well."""
    healthy = all(check.outcome != "failed" for check in checks)
    stored = next((check.stored for check in checks if check.stored is not None), None)
    with suppress(BrokenPipeError):  # the exit code tells it, too
        if as_json:
            print(json.dumps(_as_json(checks, stored, healthy=healthy), indent=2))
        else:
            _show(checks, stored)
    return 0 if healthy else 1


def _as_json(checks: list[Check], stored: Stored | None, *, healthy: bool) -> dict[str, object]:
    document: dict[str, object] = {
        "healthy": healthy,
        "checks": [
            {"name": c.name, "outcome": c.outcome, "found": c.found, "remedy": c.remedy}
            for c in checks
        ],
    }
    if stored is not None:
        document["probe"] = {
            "run": {name: stored.run.get(name) for name in ("id", "status", "purpose")},
            "spans": [digest(span) for span in stored.spans],
        }
    return document


def _show(checks: list[Check], stored: Stored | None) -> None:
    console = new_console()
    for check in checks:
        line = Text.assemble(_SIGNS[check.outcome], f" {check.name}: {check.found}")
        console.print(line, soft_wrap=True)
        if check.remedy:
            console.print(Text(f"  {check.remedy}", "yellow"), soft_wrap=True)
    if stored is not None and stored.run:
        console.print(run_tree(stored.run, stored.spans), soft_wrap=True)
