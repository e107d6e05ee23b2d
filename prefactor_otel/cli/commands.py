"""The commands and their options."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click

from prefactor_otel.cli.terminal import ending_with_its_reader
from prefactor_otel.errors import SpoolError
from prefactor_otel.version import __version__


class _Group(click.Group):
    """Lists its commands with whole sentences, which click cuts at the edge of the terminal."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list."""
        sentences = {
            name: command.get_short_help_str(limit=_WHOLE)
            for name, command in self.commands.items()
        }
        with formatter.section("Commands"):
            formatter.write_dl([*sentences.items()])


class _Main(_Group):
    """All commands. Click would end with an error where the reader of the output has gone."""

    def make_context(self, *words: Any, **more: Any) -> click.Context:
        """Read the arguments, and show the help that they ask for."""
        with ending_with_its_reader():
            return super().make_context(*words, **more)

    def invoke(self, ctx: click.Context) -> object:
        """Run the command."""
        with ending_with_its_reader():
            return super().invoke(ctx)


_WHOLE: Final = 1000
"""Characters of a help text's first sentence that are shown in a list: all."""


@click.group(cls=_Main, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def commands() -> None:
    """OpenTelemetry agents as governed runs on Prefactor."""


_OPEN: Final = click.option(
    "--open", "opens", is_flag=True, help="Open the page of the runs in a browser."
)


@commands.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a picture.")
@click.option("--keep", is_flag=True, help="Keep the data in a file, and say how to look at it.")
@_OPEN
def demo(as_json: bool, keep: bool, opens: bool) -> None:
    """Run a small instrumented agent against a local API and show what arrives.

    It needs no account, key or network, ignores your settings, and leaves nothing behind. With
    --open it goes on serving the page until interrupted.
    """
    from prefactor_otel.cli.demo import run_demo

    sys.exit(run_demo(as_json=as_json, keep=keep, opens=opens))


@commands.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of lines.")
@click.option(
    "--probe", is_flag=True, help="Send a small run too, and show what the platform stored of it."
)
@click.option(
    "--gateway",
    default=None,
    metavar="URL",
    help="Check instead whether a gateway there takes the spans of a sender on this machine.",
)
def doctor(as_json: bool, probe: bool, gateway: str | None) -> None:
    """Check settings, reachability, token and the right to register runs."""
    from prefactor_otel.cli.doctor import run_doctor
    from prefactor_otel.cli.doctor_gateway import run_gateway_doctor

    if gateway is not None:
        sys.exit(run_gateway_doctor(gateway, as_json=as_json))

    sys.exit(run_doctor(as_json=as_json, with_probe=probe))


@commands.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8787,
    show_default=True,
    help="Port to listen on; 0: a free one.",
)
@click.option("--db", default=":memory:", show_default=True, help="Database file, or :memory:.")
@click.option(
    "--token", default=None, help="API token to accept; without one, that of the database."
)
@click.option("--faults", is_flag=True, help="Allow scripted faults at /__faults.")
@click.option(
    "--lenient-cancel", is_flag=True, help="Let runs and spans that have begun be cancelled."
)
@_OPEN
def devserver(
    host: str,
    port: int,
    db: str,
    token: str | None,
    faults: bool,
    lenient_cancel: bool,
    opens: bool,
) -> None:
    """Serve a local Prefactor API, and a page of its runs, until interrupted."""
    from prefactor_otel.cli.devserver import run_devserver

    run_devserver(host, port, db, token, faults=faults, lenient_cancel=lenient_cancel, opens=opens)


@commands.command()
@click.option("--host", default=None, help="Address to listen on.  [default: 127.0.0.1]")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=None,
    help="Port to listen on; 0: a free one.  [default: 4318]",
)
@click.option(
    "--spool-dir",
    metavar="DIR",
    type=click.Path(path_type=Path),
    default=None,
    help="Folder in which what was acknowledged waits for the platform.",
)
@click.option(
    "--config",
    metavar="FILE",
    type=click.Path(path_type=Path),
    default=None,
    help="Settings in TOML: senders, agents, and any option of the exporter.",
)
@click.option(
    "--allow-anonymous",
    is_flag=True,
    default=None,
    help="Take spans of anybody who reaches the port, also from other machines.",
)
@click.option(
    "--replay",
    metavar="FILE|-",
    default=None,
    help="Send the spans of a file, in OTLP/JSON as the Collector writes it, and end.",
)
def gateway(
    host: str | None,
    port: int | None,
    spool_dir: Path | None,
    config: Path | None,
    allow_anonymous: bool | None,
    replay: str | None,
) -> None:
    """Take OTLP over HTTP from any language, and send agent spans, until interrupted.

    Spans are acknowledged once they are on disk; they outlive the process there.
    """
    from prefactor_otel.cli.gateway import run_gateway

    given = (config, host, port, spool_dir)
    sys.exit(run_gateway(*given, allow_anonymous=allow_anonymous, replay=replay))


@commands.command()
@click.argument("source", metavar="FILE|-")
@click.option("--json", "as_json", is_flag=True, help="The agent spans as a JSON array.")
@click.option("--payloads", is_flag=True, help="Inputs, outputs and metadata under each span.")
@click.option("--why", is_flag=True, help="For each span: which attribute is shown where.")
def inspect(source: str, as_json: bool, payloads: bool, why: bool) -> None:
    """Show the agent spans that the OpenTelemetry spans of a file would become.

    Reads OTLP/JSON, the JSON of the SDK's console exporter, or a recorded run; - is standard
    input. Nothing is sent.
    """
    from prefactor_otel.cli.inspect import run_inspect

    sys.exit(run_inspect(source, as_json=as_json, payloads=payloads, why=why))


_RUN = click.argument("run", metavar="RUN|last")
_STATUSES: Final = ("pending", "active", "complete", "failed", "cancelled", "terminated")
_PURPOSES: Final = ("live", "smoke_test", "eval")


@commands.command()
@click.option("--follow", is_flag=True, help="Go on with those that come, until Ctrl+C.")
@click.option(
    "--status",
    "statuses",
    type=click.Choice(_STATUSES),
    multiple=True,
    metavar="STATUS",
    help=f"One of {', '.join(_STATUSES)}; may be repeated.",
)
@click.option(
    "--purpose",
    type=click.Choice(_PURPOSES),
    metavar="PURPOSE",
    help=f"One of {', '.join(_PURPOSES)}.",
)
@click.option("--agent", default=None, metavar="ID|NAME", help="Those of one agent.")
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="The newest."
)
@click.option("--json", "as_json", is_flag=True, help="A JSON array; with --follow, lines.")
def runs(
    follow: bool,
    statuses: tuple[str, ...],
    purpose: str | None,
    agent: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """List the newest runs that the token may read."""
    from prefactor_otel.cli.runs import Asked, run_runs

    sys.exit(run_runs(Asked(statuses, purpose, agent, limit), follow=follow, as_json=as_json))


@commands.command()
@_RUN
@click.option("--follow", is_flag=True, help="Go on until the run ends.")
@click.option("--payloads", is_flag=True, help="Inputs, outputs and metadata under each span.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object; with --follow, lines.")
def show(run: str, follow: bool, payloads: bool, as_json: bool) -> None:
    """Show a run and its steps as a tree."""
    from prefactor_otel.cli.show import run_show

    sys.exit(run_show(run, follow=follow, payloads=payloads, as_json=as_json))


@commands.command()
@_RUN
@click.option("--reason", required=True, help="Why; it stays with the run.")
def terminate(run: str, reason: str) -> None:
    """Stop an active run for good.

    Its agent learns of it with its next spans, and stops as its own settings say.
    """
    from prefactor_otel.cli.steer import run_terminate

    sys.exit(run_terminate(run, reason))


@commands.command()
@_RUN
@click.argument("name")
@click.argument("payload", metavar="JSON|@FILE|-")
def quality(run: str, name: str, payload: str) -> None:
    """Record what was found of a run, during it or later, as one of the qualities it declared.

    The JSON is an object; null removes what was recorded under that name, - is standard input.
    """
    from prefactor_otel.cli.steer import run_quality

    sys.exit(run_quality(run, name, payload))


@commands.command()
@click.option(
    "--allow-terminate", is_flag=True, help="Offer the tool that stops runs; without it, none does."
)
def mcp(allow_terminate: bool) -> None:
    """Let a coding agent read runs, by the Model Context Protocol on standard input and output."""
    from prefactor_otel.cli.mcp_server import run_mcp

    sys.exit(run_mcp(allow_terminate=allow_terminate))


_FOLDER = click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))


@commands.group(cls=_Group)
def spool() -> None:
    """What waits on disk (option spool_dir): look at it, send it, delete it.

    Files of living processes are theirs alone, and left to them.
    """


@spool.command("list")
@_FOLDER
@click.option("--json", "as_json", is_flag=True, help="A JSON array instead of a table.")
def spool_list(folder: Path, as_json: bool) -> None:
    """List the files, their owners and what they hold."""
    from prefactor_otel.cli.spool import run_list

    _exit_with(lambda: run_list(folder, as_json=as_json))


@spool.command("show")
@_FOLDER
@click.option("--payloads", is_flag=True, help="With what will be sent: prompts, outputs, all.")
@click.option("--json", "as_json", is_flag=True, help="A JSON array instead of lines.")
def spool_show(folder: Path, payloads: bool, as_json: bool) -> None:
    """Show what dead processes have left, in the order in which it will be sent."""
    from prefactor_otel.cli.spool import run_show

    _exit_with(lambda: run_show(folder, payloads=payloads, as_json=as_json))


@spool.command("replay")
@_FOLDER
@click.option("--all", "everyones", is_flag=True, help="Also what another token's have left.")
def spool_replay(folder: Path, everyones: bool) -> None:
    """Send what dead processes have left, now.

    That is, those of the same API and token, or of the agent that PREFACTOR_AGENT_ID names.
    """
    from prefactor_otel.cli.spool import run_replay

    _exit_with(lambda: run_replay(folder, everyones=everyones))


@spool.command("clear")
@_FOLDER
@click.option("--yes", is_flag=True, help="Really delete.")
def spool_clear(folder: Path, yes: bool) -> None:
    """Delete what dead processes have left."""
    from prefactor_otel.cli.spool import run_clear

    _exit_with(lambda: run_clear(folder, sure=yes))


def _exit_with(run: Callable[[], int]) -> None:
    try:
        code = run()
    except SpoolError as error:
        print(error, file=sys.stderr)
        code = 2
    sys.exit(code)
