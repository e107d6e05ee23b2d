"""A vocabulary is a file of data, and each name that it knows stands in one place."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any, Final

from prefactor_otel.mapping.dialects import DIALECTS
from prefactor_otel.mapping.rules import Together, Under
from prefactor_otel.mapping.shapes.flattened import Indexed
from prefactor_otel.mapping.types import ByCheck, ByNames, ByValue

ROOT: Final = Path(__file__).parent.parent.parent
PACKAGE: Final = ROOT / "prefactor_otel"
APPLICATIONS: Final = ("cli/agent.py",)
"""What plays an application, and so writes attributes as one does."""


def known_names() -> set[str]:
    """The names and prefixes of attributes that rules name, as far as they are no plain words."""
    found = set[str]()
    for dialect in DIALECTS:
        for rule in dialect.RULES:
            if isinstance(rule.names, tuple):
                found.update(rule.names)
            elif isinstance(rule.names, Under):
                found.update(rule.names.prefixes)
            elif isinstance(rule.names, Indexed):
                found.add(rule.names.prefix)
            elif isinstance(rule.names, Together):
                found.update(rule.names.names)
        for type_rule in dialect.TYPES:
            if isinstance(type_rule, ByValue):
                found.add(type_rule.name)
            elif isinstance(type_rule, (ByNames, ByCheck)):
                found.update(type_rule.names)
    return {name for name in found if "." in name}


def texts_in(path: Path) -> set[str]:
    """Every text that stands in a source, but for what documents it."""
    return {
        node.value
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def test_no_name_of_an_attribute_stands_in_two_modules() -> None:
    known, modules = known_names(), defaultdict[str, set[str]](set)
    for path in PACKAGE.rglob("*.py"):
        name = path.relative_to(PACKAGE).as_posix()
        if name not in APPLICATIONS:
            for text in texts_in(path) & known:
                modules[text].add(name)
    assert len(known) > 100
    assert {text: found for text, found in modules.items() if len(found) > 1} == {}


SPANS: Final = [
    {
        "trace_id": f"{1:032x}",
        "span_id": f"{number:016x}",
        "name": "step",
        "start_time_unix_nano": 1,
        "end_time_unix_nano": 2,
        "attributes": attributes,
    }
    for number, attributes in enumerate(
        [
            {
                "acme.step": "ask",
                "acme.llm": "rocket-1",
                "acme.chat.asked": '[{"role": "user", "content": "Up?"}]',
                "acme.chat.said": "Up.",
                "acme.knob.heat": 0.5,
            },
            {"acme.step": "use", "acme.tool": "ignite", "acme.given": '{"now": true}'},
        ],
        start=1,
    )
]


def test_the_dialect_that_the_guide_shows_is_read_by_adding_a_file_and_a_line(
    tmp_path: Path,
) -> None:
    guide = (ROOT / "CONTRIBUTING.md").read_text()
    shown = re.search(r"<!-- dialect: begin.*?```python\n(.*?)```\n<!-- dialect: end", guide, re.S)
    assert shown is not None
    dialects = tmp_path / "prefactor_otel" / "mapping" / "dialects"
    shutil.copytree(PACKAGE, tmp_path / "prefactor_otel")
    (dialects / "acme.py").write_text(shown[1])
    table = dialects / "__init__.py"
    added = table.read_text().replace("    values,\n", "    acme,\n    values,\n")
    table.write_text(added)
    rows = inspected(tmp_path, {"spans": SPANS})
    call, tool = sorted(rows, key=lambda row: str(row["payload"]["span_id"]))
    assert call["schema_name"] == "otel:llm"
    assert call["payload"]["inputs"] == {
        "model": "rocket-1",
        "messages": [{"role": "user", "content": "Up?"}],
        "parameters": {"heat": 0.5},
    }
    assert call["payload"]["outputs"] == {"messages": [{"role": "assistant", "content": "Up."}]}
    assert (tool["payload"]["name"], tool["payload"]["inputs"]) == ("ignite", {"now": True})


def inspected(root: Path, recording: dict[str, object]) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "prefactor_otel", "inspect", "--json", "-"],
        input=json.dumps(recording),
        capture_output=True,
        text=True,
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(root)},
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    return rows
