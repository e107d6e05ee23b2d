"""``prefactor-otel runs``: the newest runs of the account, and those that come."""

from dataclasses import dataclass
from typing import Final

from rich.console import Console
from rich.text import Text

from prefactor_otel.cli.following import Seen, follow
from prefactor_otel.cli.platform import PAGE, Platform, moment, platform
from prefactor_otel.cli.problem import Problem, exit_code_of
from prefactor_otel.cli.terminal import json_of, new_console, on_one_line
from prefactor_otel.cli.tree import Row, seconds, status_of

_HEAD: Final = f"{'run':<32}  {'status':<10}  {'started':<20}  {'took':>9}  agent"
_LISTED: Final = 20
"""Agents that a message names."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Which runs: those with one of these statuses (none: any), this purpose, this agent's, by its
    id or name; the newest ``limit`` of them."""

    statuses: tuple[str, ...]
    purpose: str | None
    agent: str | None
    limit: int

    def fits(self, run: Row) -> bool:
        """Whether a run of such an agent is asked for; one that says no purpose is live."""
        purpose = run.get("purpose") or "live"
        is_asked = not self.statuses or run.get("status") in self.statuses
        return is_asked and self.purpose in (None, purpose)

    async def agents(self, api: Platform) -> list[Row]:
        """The agents whose runs are asked for. Raises ``Problem`` where there is none."""
        known = await api.agents()
        found = [each for each in known if self.agent in (None, each["id"], each.get("name"))]
        if self.agent is not None and not found:
            names = ", ".join(on_one_line(each.get("name")) for each in known[:_LISTED])
            more = ", ..." if len(known) > _LISTED else ""
            raise Problem(f"there is no agent {self.agent}", f"There are: {names or 'none'}{more}.")
        return found


def run_runs(asked: Asked, *, follow: bool, as_json: bool) -> int:
    """Print them. The exit code is 0, 1 when the API refuses or cannot be reached, 2 for settings
    that cannot work."""
    if not follow:
        return exit_code_of(_list(asked, as_json=as_json))
    try:
        return exit_code_of(_follow(asked, as_json=as_json))
    except KeyboardInterrupt:
        return 0  # there is no other end


async def _list(asked: Asked, *, as_json: bool) -> int:
    async with platform() as api:
        runs = await api.runs(await asked.agents(api), asked.fits, asked.limit)
    if as_json:
        print(json_of([_named(*each) for each in runs], indent=2))
    elif not runs:
        print("There is no such run.")
    else:
        console = new_console()
        console.print(_HEAD, style="dim", soft_wrap=True)
        for each in runs:
            console.print(line_of_run(*each), soft_wrap=True)
    return 0


async def _follow(asked: Asked, *, as_json: bool) -> int:
    """Print the newest, and then each that is new or in another state, the last at the end."""
    console = new_console()
    async with platform(retries=0) as api:
        known: dict[str, object] = {}

        async def look() -> Seen:
            agents = await asked.agents(api)
            runs = await api.runs(agents, lambda run: True, max(PAGE, asked.limit))
            news = [each for each in runs if known.get(each[0]["id"]) != each[0].get("status")]
            shown = [each for each in news if asked.fits(each[0])]
            if not known:
                shown = await api.runs(agents, asked.fits, asked.limit)
            for each in reversed(shown):
                _tell(console, *each, as_json=as_json)
            known.update((run["id"], run.get("status")) for run, _ in runs + shown)
            return Seen.CHANGES if shown else Seen.NOTHING_NEW

        await follow(look)
    return 0


def _tell(console: Console, run: Row, agent: Row, *, as_json: bool) -> None:
    if as_json:
        print(json_of(_named(run, agent)), flush=True)
    else:
        console.print(line_of_run(run, agent), soft_wrap=True)


def _named(run: Row, agent: Row) -> Row:
    return run | {"agent_name": agent.get("name")}


def line_of_run(run: Row, agent: Row) -> Text:
    """A run and its agent in a line."""
    began, taken = moment(run.get("started_at")), seconds(run)
    purpose = run.get("purpose") or "live"
    status, style = status_of(run)
    line = Text.assemble(
        (f"{run['id']:<32}  ", "bold"),
        (f"{status:<10}  ", style),
        f"{began.strftime('%Y-%m-%d %H:%M:%SZ') if began is not None else '':<20}  ",
        f"{f'{taken:.2f} s' if taken is not None else '...':>9}  ",
        str(agent.get("name") or agent["id"]),
    )
    if purpose != "live":
        line.append(f"  ({purpose})", "dim")
    if reason := run.get("termination_reason"):
        line.append(f"  {reason}", "red")
    line.plain = on_one_line(line.plain)
    return line
