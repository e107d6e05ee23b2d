"""``prefactor-otel devserver``: the local API in the foreground, and how to use it."""

import shlex
import sqlite3

import click

from prefactor_otel.devserver import serve


def run_devserver(
    host: str, port: int, db: str, token: str | None, *, faults: bool, lenient_cancel: bool
) -> None:
    """Serve until interrupted. Raises ``click.ClickException`` when that cannot be begun."""
    if token is not None and not (token.isascii() and token.isprintable() and token.strip()):
        raise click.BadParameter("must be printable ASCII", param_hint="--token")

    def ready(url: str, token: str) -> None:
        click.echo(f"Prefactor API on {url} (data: {db}). Stop with Ctrl+C.")
        click.echo(f"export PREFACTOR_API_URL={url}")
        click.echo(f"export PREFACTOR_API_TOKEN={shlex.quote(token)}")

    try:
        serve(
            host,
            port,
            db,
            token,
            allow_faults=faults,
            on_ready=ready,
            lenient_cancel=lenient_cancel,
        )
    except sqlite3.Error as error:
        raise click.ClickException(f"{db} cannot be used: {error}") from None
    except (OSError, ValueError) as error:
        raise click.ClickException(str(error)) from None
