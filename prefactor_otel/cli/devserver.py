"""``prefactor-otel devserver``: the local API in the foreground, and how to use it."""

import os
import shlex
import sqlite3
import sys
from contextlib import suppress
from itertools import chain, islice, repeat
from pathlib import Path

import click

from prefactor_otel.cli.browser import open_page
from prefactor_otel.cli.listening import explained
from prefactor_otel.devserver import serve


def run_devserver(
    host: str,
    port: int,
    db: str,
    token: str | None,
    *,
    faults: bool,
    lenient_cancel: bool,
    opens: bool,
) -> None:
    """Serve until interrupted. Standard output gets two ``export`` lines and then its end, so that
    a shell can evaluate it; links to the page go to the standard error. ``opens`` opens the first.
    Raises ``click.ClickException`` when that cannot be begun."""
    if token is not None and not (token.isascii() and token.isprintable() and token.strip()):
        raise click.BadParameter("must be printable ASCII", param_hint="--token")

    def ready(url: str, token: str) -> None:
        _say(f"Prefactor API on {url} (data: {db}). Stop it with Ctrl+C or kill {os.getpid()}.")
        click.echo(f"export PREFACTOR_API_URL={shlex.quote(url)}")
        click.echo(f"export PREFACTOR_API_TOKEN={shlex.quote(token)}")
        _end_output()

    words = chain(["The page, for one browser"], repeat("For another browser"))
    to_open = iter([open_page] if opens else [])

    def linked(link: str) -> None:
        _say(f"{next(words)}: {link}")
        for show in islice(to_open, 1):
            show(link)

    try:
        serve(
            host,
            port,
            db,
            token,
            allow_faults=faults,
            on_ready=ready,
            on_link=linked,
            on_run=lambda run, agent, purpose: _say(f"Run {run} of {agent!r} ({purpose})"),
            lenient_cancel=lenient_cancel,
        )
    except sqlite3.Error as error:
        raise click.ClickException(f"--db {db} cannot be used: {error}") from None
    except UnicodeError:
        raise click.ClickException(f"--host {host} is no name of a host") from None
    except OSError as error:
        raise click.ClickException(_explained(error, host, port, db)) from None
    except ValueError as error:
        raise click.ClickException(str(error)) from None


def _say(line: str) -> None:
    with suppress(OSError):  # a terminal that has gone is no reason to stop serving
        click.echo(line, err=True)


def _end_output() -> None:
    """Let whoever reads the standard output see its end while this process goes on."""
    with suppress(OSError, ValueError), Path(os.devnull).open("wb") as nothing:
        sys.stdout.flush()
        os.dup2(nothing.fileno(), sys.stdout.fileno())


def _explained(error: OSError, host: str, port: int, db: str) -> str:
    """What is wrong, and what to do about it."""
    if isinstance(error, FileNotFoundError):
        return f"--db {db}: there is no folder {Path(db).absolute().parent}; make it first"
    if error.filename is not None:
        return f"--db {db}: {error.strerror}"
    return explained(error, host, port)
