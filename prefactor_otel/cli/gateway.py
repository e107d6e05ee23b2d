"""``prefactor-otel gateway``: OTLP over HTTP in, agent spans out, in the foreground."""

import asyncio
import logging
from pathlib import Path

import click

from prefactor_otel.cli.listening import explained
from prefactor_otel.errors import PrefactorConfigError
from prefactor_otel.gateway import server
from prefactor_otel.gateway.settings import load
from prefactor_otel.stats.log import logger


def run_gateway(
    config: Path | None,
    host: str | None,
    port: int | None,
    spool_dir: Path | None,
    *,
    allow_anonymous: bool | None,
) -> None:
    """Serve until interrupted. Raises ``click.ClickException`` when that cannot be begun."""
    given = {"host": host, "port": port, "spool_dir": spool_dir, "allow_anonymous": allow_anonymous}
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        settings = load(config, given)
    except PrefactorConfigError as error:
        raise click.ClickException(str(error)) from None
    try:
        own = settings.own_config()
        tokens = "its own token" if own.api_token is not None else "its senders' tokens"

        def ready(url: str) -> None:
            logger.info("OTLP/HTTP on %s, for %s with %s", url, own.api_url, tokens)
            logger.info("What is acknowledged waits in %s", settings.folder)

        asyncio.run(server.serve(settings, ready))
    except PrefactorConfigError as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(explained(error, settings.host, settings.port)) from None
    logger.info("Ended")
