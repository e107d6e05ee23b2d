"""``prefactor-otel terminate`` and ``quality``: what is done to a run from outside of it."""

import sys
from pathlib import Path

import orjson

from prefactor_otel.cli.platform import LAST, Platform, platform
from prefactor_otel.cli.problem import Problem, exit_code_of
from prefactor_otel.cli.terminal import on_one_line
from prefactor_otel.cli.tree import Row


def run_terminate(name: str, reason: str) -> int:
    """Stop a run, and say so. The exit code is 0, 1 when the API refuses or cannot be reached, 2
    for what cannot be asked."""
    return exit_code_of(_terminate(name, reason))


async def _terminate(name: str, reason: str) -> int:
    if not reason.strip():
        raise Problem("--reason is blank", "Say why: the reason stays with the run.", exit_code=2)
    async with platform() as api:
        run = await api.terminate(await _id(api, name), reason)
    print(on_one_line(f"Run {run['id']} is {run.get('status')}: {reason}"))
    return 0


def run_quality(name: str, quality: str, source: str) -> int:
    """Record what was found of a run, and say so. The exit code is as of ``run_terminate``."""
    return exit_code_of(_quality(name, quality, source))


async def _quality(name: str, quality: str, source: str) -> int:
    payload = _payload(source)
    async with platform() as api:
        run = await api.record_quality(await _id(api, name), quality, payload)
    done = "removed from" if payload is None else "recorded for"
    print(on_one_line(f"{quality} {done} run {run['id']}."))
    return 0


async def _id(api: Platform, name: str) -> str:
    return name if name != LAST else str((await api.run(name))["id"])


def _payload(source: str) -> Row | None:
    """The object that is meant: the JSON itself, ``@FILE``, or ``-`` for the standard input."""
    try:
        if source == "-":
            text: str | bytes = sys.stdin.buffer.read()
        else:
            text = Path(source[1:]).read_bytes() if source.startswith("@") else source
    except OSError as error:
        raise Problem(f"{source} cannot be read: {error.strerror}", exit_code=2) from None
    try:
        payload = orjson.loads(text)
    except ValueError as error:
        found = f"JSON cannot be read: {error}"
        remedy = """In a shell it stands in quotes: '{"score": 1}'."""
        raise Problem(found, remedy, exit_code=2) from None
    if payload is not None and not isinstance(payload, dict):
        raise Problem("JSON must be an object, or null to remove what is there", exit_code=2)
    return payload
