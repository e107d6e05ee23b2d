"""Recorded runs of real frameworks, as the views that the exporter would have seen."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from prefactor_otel.cli.spanfile import read_spans
from prefactor_otel.span import SpanView

FOLDER = Path(__file__).parent / "spans"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))


@dataclass(frozen=True)
class Recorded:
    """One run: its spans in the order in which they ended."""

    name: str
    framework: str
    instrumentation: str
    case: str
    versions: dict[str, str]
    views: list[SpanView]

    def named(self, name: str) -> list[SpanView]:
        """The spans of this name."""
        return [view for view in self.views if view.name == name]


@cache
def recorded(name: str) -> Recorded:
    """The run in the file of this name."""
    text = (FOLDER / f"{name}.json").read_text()
    data = json.loads(text)
    return Recorded(
        name,
        data["framework"],
        data["instrumentation"],
        data["case"],
        data["versions"],
        read_spans(text),
    )
