"""The page on frameworks says of each recorded instrumentation what its recordings show."""

import json
from collections import defaultdict
from pathlib import Path

import pytest

from tests.recorded import FOLDER, NAMES, Recorded, recorded
from tests.support_table import (
    BY_HAND,
    CAPABILITIES,
    MAKES,
    NOTES,
    SETTINGS,
    framework_of,
    label_of,
    run_of,
    version_of,
    with_table,
)

PAGE = (Path(__file__).parent.parent / "docs" / "frameworks.md").read_text()
QUESTION = "What is the weather in Paris?"


def test_the_page_has_the_current_support_table() -> None:
    assert with_table(PAGE) == PAGE, "run: python -m tests.support_table docs/frameworks.md"


def test_a_text_without_markers_is_left_alone() -> None:
    with pytest.raises(ValueError, match="no markers"):
        with_table("# A page without a table")


@pytest.mark.parametrize("name", NAMES)
def test_the_version_of_every_recorded_instrumentation_is_known(name: str) -> None:
    run = recorded(name)
    _, version = framework_of(run)
    assert version_of(run) or run.instrumentation.startswith("native"), (
        f"{name}: no package of {run.instrumentation} among its versions; see MAKES"
    )
    assert version


def test_a_framework_whose_package_is_called_otherwise_is_asked_for() -> None:
    odd = Recorded("odd__native__run", "odd", "native", "run", {"odd-core": "1.0"}, [])
    with pytest.raises(ValueError, match="name the package of odd in DISTRIBUTIONS"):
        framework_of(odd)


def test_an_instrumentation_of_an_unknown_make_has_its_own_name_and_version() -> None:
    run = Recorded("", "odd", "novel_odd_v2", "run", {"novel-odd": "3.1", "novel": "9"}, [])
    assert (label_of(run.instrumentation), version_of(run)) == ("novel_odd_v2", "3.1")


def test_notes_are_of_makes_and_frameworks_that_are_recorded() -> None:
    runs = [recorded(name) for name in NAMES]
    labels = {label_of(run.instrumentation) for run in runs}
    known = labels | {run.framework for run in runs}
    assert NOTES.keys() <= known
    assert SETTINGS.keys() | set(BY_HAND) <= {run.instrumentation for run in runs}
    assert {make.label for make in MAKES.values()} <= labels


def test_whoever_gets_no_text_is_told_why_or_which_setting_brings_it() -> None:
    texts: defaultdict[tuple[str, str], list[bool]] = defaultdict(list)
    for run in map(recorded, NAMES):
        own = run.instrumentation.startswith("native")
        key = run.framework if own else label_of(run.instrumentation)
        texts[run.framework, key] += CAPABILITIES["text"](run_of(run.name))
    silent = {key for (_, key), shown in texts.items() if shown and not any(shown)}
    told = {key for key, note in NOTES.items() if note.gaps or note.content.startswith("off")}
    assert "OpenTelemetry" in silent
    assert silent <= told, "say in NOTES what puts content on the spans of these"


@pytest.mark.parametrize(
    "name", [name for name in NAMES if "official_openai_v2__chat_tool" in name]
)
def test_without_the_opt_in_content_is_in_log_records_and_on_no_span(name: str) -> None:
    data = json.loads((FOLDER / f"{name}.json").read_text())
    assert "content" in json.dumps(data["otel_log_records"])
    assert QUESTION not in json.dumps(data["spans"])


@pytest.mark.parametrize(
    ("runs", "types"),
    [
        ("official_openai_v2_latest__responses", {"llm"}),
        ("crewai__traceloop_crewai", {"llm", "tool"}),
        ("llama_index__traceloop_llamaindex", {"llm"}),
    ],
)
def test_what_is_said_to_make_no_spans_makes_none(runs: str, types: set[str]) -> None:
    names = [name for name in NAMES if runs in name]
    assert names
    assert not any(types & run_of(name).payloads.keys() for name in names)
