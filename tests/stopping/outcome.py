"""What became of an application whose run was terminated, as it is written down."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FILE: Final = Path(__file__).with_name("stopped.json")
REACTIONS: Final = ("raise", "cancel")
"""What the option ``on_terminate`` is set to, in turn."""
HANGS: Final = "nothing: it hangs"
"""How an application ended that did not."""


@dataclass(frozen=True)
class Outcome:
    """How often the model was asked, of which the first time was before; how often a tool was
    called; and the exception that the application ended with, if any."""

    asked: int
    tools: int
    ended_by: str

    @property
    def mark(self) -> str:
        """In a word: whether nothing was done any more, or only the tool that the model had asked
        for already, or more."""
        if self.ended_by == HANGS:
            return "hangs"
        if self.asked > 1:
            return "no"
        return "tool" if self.tools else "✓"


@dataclass(frozen=True)
class Trial:
    """What became of it by each reaction."""

    framework: str
    version: str
    """Of the framework's package."""
    instrumentation: str
    outcomes: Mapping[str, Outcome]


def read() -> list[Trial]:
    """Everything that was tried."""
    if not FILE.exists():
        return []
    return [
        Trial(
            each["framework"],
            each.get("version", ""),
            each["instrumentation"],
            {name: Outcome(**outcome) for name, outcome in each["outcomes"].items()},
        )
        for each in json.loads(FILE.read_text())
    ]
