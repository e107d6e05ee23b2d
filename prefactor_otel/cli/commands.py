"""The commands and their options."""

import sys

import click

from prefactor_otel.run import package_version


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_version())
def commands() -> None:
    """OpenTelemetry agents as governed runs on Prefactor."""


@commands.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a picture.")
def demo(as_json: bool) -> None:
    """Run a small instrumented agent against a local API and show what arrives."""
    from prefactor_otel.cli.demo import run_demo

    sys.exit(run_demo(as_json=as_json))


@commands.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of lines.")
def doctor(as_json: bool) -> None:
    """Check settings, reachability, token and the right to register runs."""
    from prefactor_otel.cli.doctor import run_doctor

    sys.exit(run_doctor(as_json=as_json))


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
@click.option("--token", default=None, help="API token to accept; without one, one is made.")
@click.option("--faults", is_flag=True, help="Allow scripted faults at /__faults.")
def devserver(host: str, port: int, db: str, token: str | None, faults: bool) -> None:
    """Serve a local Prefactor API until interrupted."""
    from prefactor_otel.cli.devserver import run_devserver

    run_devserver(host, port, db, token, faults=faults)


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
