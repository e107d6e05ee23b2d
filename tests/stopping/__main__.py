"""``python -m tests.stopping [NAME ...]``: try what stops, and write down how that went."""

import argparse
import json
import subprocess
import sys
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Final

from prefactor_otel.devserver import DevServer
from tests.http import environments
from tests.model import FakeModel
from tests.process.scripts import environment_of
from tests.recording.__main__ import environment, variables
from tests.recording.recipes import Recipe
from tests.stopping.outcome import FILE, HANGS, REACTIONS, Outcome, Trial, read
from tests.stopping.trials import APPS, TRIALS
from tests.support_table import package_of

_HERE: Final = Path(__file__).parent
_RECORDED: Final = _HERE.parent / "recording" / "apps"
_LONGEST: Final = 300.0
_LEFT: Final = 60.0
"""Seconds that an application has to end after it was told; then it hangs."""


def attempt(recipe: Recipe, made: Path, folder: Path, reaction: str) -> Outcome:
    """Terminate the run when its model is asked for the first time; let that answer when the
    application has learnt of it."""
    heard = threading.Event()

    def think() -> None:
        if not heard.is_set():
            assert server.wait_until(lambda api: [r for r in api.instances() if r["started_at"]])
            server.terminate(server.instances()[0]["id"], "enough")
            assert heard.wait(_LONGEST)

    def listen() -> None:
        for line in process.stderr or ():
            sys.stderr.write(line)
            if "was terminated on the platform" in line:
                heard.set()
                hanging.start()

    with DevServer() as server, FakeModel(think) as model:
        own = environment_of(server.url, server.token)
        settings = {"PREFACTOR_ON_TERMINATE": reaction, "PREFACTOR_POLL_INTERVAL": "0.1"}
        ours = {name: text for name, text in own.items() if name.startswith("PREFACTOR_")}
        process = subprocess.Popen(
            [
                made / "bin" / "python",
                _HERE / "stopper.py",
                _RECORDED,
                _app(recipe),
                *recipe.arguments,
            ],
            env=variables(recipe, model, folder) | ours | settings,
            cwd=made,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        hanging = threading.Timer(_LEFT, process.kill)
        with process:
            listening = threading.Thread(target=listen)
            listening.start()
            said = (process.stdout.read() if process.stdout else "").splitlines()
            listening.join()
            hanging.cancel()
        ended = next((line for line in said if line.startswith("ended")), HANGS)
        calls, tools = model.answered, said.count("tool called")
        assert heard.is_set(), f"{recipe.name}: the model was never asked"
        return Outcome(calls, tools, ended.removeprefix("ended").removeprefix(" by "))


def _app(recipe: Recipe) -> Path:
    own = APPS / recipe.app
    return own if own.exists() else _RECORDED / recipe.app


def tried(recipe: Recipe, folder: Path, wheel: Path) -> Trial:
    """Try one, by every reaction."""
    made = environment(recipe, folder)
    environments.run(made / "bin" / "python", "-m", "pip", "install", "--quiet", str(wheel))
    goes_on = attempt(recipe, made, folder, "")
    if goes_on.asked < 2:
        raise SystemExit(f"{recipe.name} does nothing that could be stopped: {goes_on}")
    outcomes = {reaction: attempt(recipe, made, folder, reaction) for reaction in REACTIONS}
    return Trial(recipe.framework, _version(recipe, made), recipe.instrumentation, outcomes)


def _version(recipe: Recipe, made: Path) -> str:
    package = package_of(recipe.framework)
    asked = f"import importlib.metadata; print(importlib.metadata.version({package!r}))"
    return environments.run(made / "bin" / "python", "-c", asked).strip()


def main() -> None:
    """List the trials, or make those that are named."""
    by_name = {recipe.name: recipe for recipe in TRIALS}
    parser = argparse.ArgumentParser(prog="python -m tests.stopping", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="what to try anew")
    parser.add_argument("--environments", type=Path, default=Path("build/stopping"))
    args = parser.parse_args()
    if not args.names:
        print("\n".join(by_name))
        return
    folder = args.environments.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    wheel = environments.build_wheel(folder)
    for name in args.names:
        made = tried(by_name[name], folder, wheel)
        known = {(trial.framework, trial.instrumentation): trial for trial in read()}
        known[made.framework, made.instrumentation] = made
        FILE.write_text(json.dumps([asdict(known[key]) for key in sorted(known)], indent=1) + "\n")
        print(name, made, file=sys.stderr)


if __name__ == "__main__":
    main()
