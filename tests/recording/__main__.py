"""``python -m tests.recording [NAME ...]``."""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from tests.http import environments
from tests.model import FakeModel
from tests.recorded import FOLDER
from tests.recording.recipes import RECIPES, Recipe

_HERE: Final = Path(__file__).parent
_APPS: Final = _HERE / "apps"
_NODE: Final = ("@opentelemetry/api@1", "@opentelemetry/sdk-trace-node@2")


def record(recipe: Recipe, folder: Path) -> str:
    """Make one recording; its text, with nothing of this machine in it."""
    made = environment(recipe, folder)
    out = folder / f"{recipe.name}.json"
    with FakeModel() as model:
        subprocess.run(
            [*_command(recipe, made, out), *recipe.arguments],
            env=variables(recipe, model, folder),
            cwd=made,
            check=True,
            timeout=300,
        )
        told = json.loads(out.read_text().replace(str(model.port), "8000"))
    if not told["spans"]:
        raise SystemExit(f"{recipe.name}: nothing was recorded")
    return _document(recipe, told, str(folder))


def environment(recipe: Recipe, folder: Path) -> Path:
    """The folder with these packages; recipes with the same ones share it."""
    known_by = hashlib.sha256("\n".join(recipe.requirements).encode()).hexdigest()[:12]
    made = folder / known_by
    if not (made / "complete").exists():
        if recipe.is_node:
            made.mkdir(parents=True, exist_ok=True)
            options = ("--silent", "--no-save", "--legacy-peer-deps", "--prefix", str(made))
            subprocess.run(["npm", "install", *options, *_NODE, *recipe.requirements], check=True)
        else:
            environments.make(made, "opentelemetry-sdk", *recipe.requirements)
        (made / "complete").touch()
    return made


def _command(recipe: Recipe, made: Path, out: Path) -> list[str | Path]:
    application = _APPS / recipe.app
    if not recipe.is_node:
        return [made / "bin" / "python", _HERE / "recorder.py", out, application]
    # Node.js looks for packages beside the module that asks for them.
    for source in (_HERE / "recorder.mjs", application):
        shutil.copy(source, made)
    return ["node", made / "recorder.mjs", out, made / recipe.app]


def variables(recipe: Recipe, model: FakeModel, folder: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    addresses = {
        "MODEL_HOST": model.host,
        "OPENAI_BASE_URL": model.url,
        "ANTHROPIC_BASE_URL": model.host,
        "OPENAI_API_KEY": "none",
        "ANTHROPIC_API_KEY": "none",
        "GEMINI_API_KEY": "none",
        "MISTRAL_API_KEY": "none",
    }
    words = [*recipe.versions_of]
    if not recipe.is_node:
        words += ["opentelemetry", "openinference", "pydantic", "httpx"]
    return {
        **kept,
        "HOME": str(folder / "home"),  # some leave files there
        **addresses,
        "OTEL_RESOURCE_ATTRIBUTES": "service.name=recorded",
        "VERSIONS_OF": " ".join(words),
        **recipe.environment,
    }


def _document(recipe: Recipe, told: dict[str, Any], folder: str) -> str:
    head = {
        "framework": recipe.framework,
        "instrumentation": recipe.instrumentation,
        "case": recipe.case,
        "note": recipe.note,
    }
    text = json.dumps({**head, **told}, indent=1, ensure_ascii=True, default=str)
    return text.replace(folder, "/app").replace(str(_APPS), "/app") + "\n"


def main() -> None:
    """List the recordings, or make those that are named."""
    by_name = {recipe.name: recipe for recipe in RECIPES}
    parser = argparse.ArgumentParser(prog="python -m tests.recording", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="what to record anew")
    parser.add_argument("--environments", type=Path, default=Path("build/recording"))
    parser.add_argument("--out", type=Path, default=FOLDER)
    args = parser.parse_args()
    unknown = sorted(set(args.names) - by_name.keys())
    if unknown:
        parser.error(f"there is no recipe for {', '.join(unknown)}")
    if not args.names:
        print("\n".join(by_name))
    folder = args.environments.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    for name in args.names:
        (args.out / f"{name}.json").write_text(record(by_name[name], folder))
        print(name, file=sys.stderr)


if __name__ == "__main__":
    main()
