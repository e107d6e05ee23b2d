"""Every recorded run as the story that it becomes: whole payloads, reviewed, one file a run.

A change of the mapping shows as a change of these files; ``pytest --snapshot-update`` writes them
anew, and the diff is to be read before it is committed.
"""

import hashlib
from collections import defaultdict
from typing import Any

import orjson
import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from prefactor_otel.cli.inspect import agent_spans
from prefactor_otel.devserver.template import render
from prefactor_otel.span_types.schemas import DECLARED
from tests.recorded import NAMES, recorded

Row = dict[str, Any]

LONGEST_TEXT = 300
TEMPLATES = {span_type.schema_name: declared.template for span_type, declared in DECLARED.items()}


class Story(SingleFileSnapshotExtension):
    """A JSON file for each run, named after it."""

    _write_mode = WriteMode.TEXT
    file_extension = "json"

    def serialize(self, data: Any, **_: Any) -> str:
        return orjson.dumps(data, option=orjson.OPT_INDENT_2).decode() + "\n"


@pytest.mark.parametrize("name", NAMES)
def test_the_story_of(name: str, snapshot: SnapshotAssertion) -> None:
    rows = agent_spans(list(recorded(name).views))
    children: defaultdict[str | None, list[Row]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: str(row["started_at"])):
        children[row["parent_span_id"]].append(row)
    assert snapshot(extension_class=Story) == told(None, children)


def told(parent: str | None, children: dict[str | None, list[Row]]) -> list[Row]:
    """The spans under a parent, each with those below it: first the line that people read."""
    return [
        {
            "summary": render(TEMPLATES[row["schema_name"]], row["payload"]),
            "type": row["schema_name"],
            **{name: shortened(value) for name, value in row["payload"].items()},
            **({"steps": told(row["id"], children)} if row["id"] in children else {}),
        }
        for row in children[parent]
    ]


def shortened(value: Any) -> Any:
    """A long text as its beginning, its length and what makes it that text and no other."""
    if isinstance(value, dict):
        return {key: shortened(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [shortened(inner) for inner in value]
    if isinstance(value, str) and len(value) > LONGEST_TEXT:
        digest = hashlib.sha256(value.encode()).hexdigest()[:8]
        return f"{value[:LONGEST_TEXT]}… ({len(value)} characters, {digest})"
    return value
