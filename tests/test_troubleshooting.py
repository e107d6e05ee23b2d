"""The page on troubleshooting has every log line of the packages, by its words."""

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = " ".join((ROOT / "docs" / "troubleshooting.md").read_text().split())
SAYING = {
    "warning": 0,
    "error": 0,
    "critical": 0,
    "info": 0,
    "warn": -1,
    "recovered": -1,
    "_tell": -1,
}
"""What is called to write a log line, and which of their arguments is the text."""
LEAST, MOST = 12, 40
"""Fixed characters in a row by which a line is known: so many at least, and the first of these."""


def test_the_page_has_every_log_line() -> None:
    found = {text for path in _sources() for text in _lines(ast.parse(path.read_text()))}
    assert len(found) > 50  # of all packages
    missing = sorted(text for text in found if text not in PAGE)
    assert not missing, "say in docs/troubleshooting.md what they mean, and what to do"


def _sources() -> Iterator[Path]:
    """What runs in an agent's process or in a gateway."""
    for package in ("prefactor_otel", "prefactor_http", "prefactor_otel_transport"):
        for path in sorted((ROOT / package).rglob("*.py")):
            if path.relative_to(ROOT).parts[1] not in ("cli", "devserver"):
                yield path


def _lines(module: ast.Module) -> Iterator[str]:
    """The fixed words by which each log line of a module is known."""
    said = dict(_assigned(module))
    for node in ast.walk(module):
        place = SAYING.get(_name_of(node.func)) if isinstance(node, ast.Call) else None
        if isinstance(node, ast.Call) and place is not None and node.args:
            yield from _fixed(node.args[place], said)


def _name_of(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _assigned(module: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    for node in ast.walk(module):
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for name in (each for target in targets for each in ast.walk(target)):
                if isinstance(name, ast.Name):
                    yield name.id, node.value


def _fixed(said: ast.AST, known: dict[str, ast.expr]) -> Iterator[str]:
    """The first fixed words of what is said, here or where it was assigned."""
    if isinstance(said, ast.Name):
        others = {name: value for name, value in known.items() if name != said.id}
        yield from _fixed(known.get(said.id, ast.Constant(None)), others)
    elif isinstance(said, ast.JoinedStr):
        yield from _known_by(part.value for part in said.values if isinstance(part, ast.Constant))
    elif isinstance(said, ast.Constant):
        yield from _known_by([said.value])
    else:
        for node in ast.iter_child_nodes(said):
            yield from _fixed(node, known)


def _known_by(parts: Iterable[object]) -> Iterator[str]:
    pieces = [piece for part in parts for piece in re.split(r"%s|%d|\{\}", str(part))]
    words = (" ".join(piece.split()) for piece in pieces)
    first = next((each for each in words if len(each) >= LEAST and " " in each), None)
    if first is not None:
        yield first[:MOST].strip()
