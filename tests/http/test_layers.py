"""Which module may know of which."""

import ast
from pathlib import Path

import pytest

import prefactor_http

ROOT = Path(prefactor_http.__file__).parent
LAYERS = (
    {"_lazy"},
    {"exceptions", "pfid", "config", "models", "_json", "_version"},
    {"replies", "retry"},
    {"endpoints"},
    {"client"},
    {"__init__"},
)
"""From the leaves up; a module imports from lower layers, or from its own package."""

FOREIGN = {
    "aiohttp": {"exceptions.py"},
    "tenacity": {"retry.py"},
    "orjson": {"_json.py"},
    "prefactor_otel": set(),
    "opentelemetry": set(),
    "threading": set(),
}


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def part(path: Path) -> str:
    return path.relative_to(ROOT).with_suffix("").parts[0]


def level(name: str) -> int:
    return next(index for index, layer in enumerate(LAYERS) if name in layer)


MODULES = sorted(ROOT.rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=[str(m.relative_to(ROOT)) for m in MODULES])
def test_imports_point_one_way(path: Path) -> None:
    own = {name.split(".")[1] for name in imports(path) if name.startswith("prefactor_http.")}
    for name in own - {part(path)}:
        above = level(name) > level(part(path))
        assert not above, f"{path.name} imports {name}, which is above it"


@pytest.mark.parametrize("package", FOREIGN)
def test_a_foreign_package_is_known_in_one_place(package: str) -> None:
    users = {m.name for m in MODULES if package in {n.split(".")[0] for n in imports(m)}}
    assert users == FOREIGN[package]
