"""``prefactor-otel gateway``: OTLP over HTTP in, agent spans out, in the foreground."""

import asyncio
import gc
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import Final, TextIO

import click

from prefactor_otel.cli.listening import explained
from prefactor_otel.errors import PrefactorConfigError
from prefactor_otel.gateway import server
from prefactor_otel.gateway.settings import Settings, load
from prefactor_otel.host.pace import STRETCH
from prefactor_otel.spans.documents import Documents
from prefactor_otel.spans.files import Unread, read_spans
from prefactor_otel.stats.log import logger
from prefactor_otel.words import counted

_LOOKS: Final = 10_000, 10, 100
"""Objects that come to be, and stay, between two looks for garbage among these; of so many looks
one is among what has stayed, and of so many of those one among all."""
_TOLD: Final = 10
"""Documents that cannot be read of which is said why."""


def run_gateway(
    config: Path | None,
    host: str | None,
    port: int | None,
    spool_dir: Path | None,
    *,
    allow_anonymous: bool | None,
    replay: str | None,
) -> int:
    """Serve until interrupted, or send what a file holds; the exit code. Raises
    ``click.ClickException`` when that cannot be begun."""
    given = {"host": host, "port": port, "spool_dir": spool_dir, "allow_anonymous": allow_anonymous}
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        settings = load(config, given)
        settings.own_config()
        settings.prepare_folder()
        if idle := settings.idle_options:
            logger.warning("These options change nothing in a gateway: %s", ", ".join(idle))
        if replay is not None:
            return _replay(settings, replay)
        _serve(settings)
    except PrefactorConfigError as error:
        raise click.ClickException(str(error)) from None
    return 0


def _serve(settings: Settings) -> None:
    own = settings.own_config()
    tokens = "its own token" if own.api_token is not None else "its senders' tokens"

    def ready(url: str) -> None:
        logger.info("OTLP/HTTP on %s, for %s with %s", url, own.api_url, tokens)
        logger.info("What is acknowledged waits in %s", settings.folder)
        _take_the_process()

    try:
        asyncio.run(server.serve(settings, ready))
    except OSError as error:
        raise click.ClickException(explained(error, settings.host, settings.port)) from None
    logger.info("Ended")


def _take_the_process() -> None:
    """What an exporter leaves to its application. Busy threads let others in without pauses; and
    garbage is looked for in what comes from now on, and less often: spans leave none, and while
    many wait each look walks all of them."""
    sys.setswitchinterval(STRETCH)
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_LOOKS)


def _replay(settings: Settings, source: str) -> int:
    """Send the spans of a file. 1 when some of it could not be read, or is not delivered."""
    unread: list[Unread] = []
    try:
        with _opened(source) as file:
            found = read_spans(Documents(file.read), unread.append)
            sent = server.replay(settings, (each.view for each in found))
    except OSError as error:
        raise click.ClickException(f"{source}: {error.strerror}") from None
    for each in unread[:_TOLD]:
        click.echo(f"{source}: {each.why}", err=True)
    click.echo(
        f"{counted(sent.spans, 'span')} of {source}: {sent.acknowledged} acknowledged"
        + (f", {sent.waiting} waiting in {settings.folder}" if sent.waiting else ""),
        err=True,
    )
    return int(bool(unread) or sent.acknowledged < sent.spans)


@contextmanager
def _opened(source: str) -> Iterator[TextIO]:
    """A file, or the standard input; bytes that are no text come as lone surrogates."""
    if source == "-":
        if isinstance(sys.stdin, TextIOWrapper):
            sys.stdin.reconfigure(encoding="utf-8", errors="surrogateescape")
        yield sys.stdin
        return
    with Path(source).open(encoding="utf-8", errors="surrogateescape") as file:
        yield file
