"""The settings of one exporter or processor, or none, where it is to stay off."""

import os
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from prefactor_otel.config.options import Config, load_config, token_of, variable_of
from prefactor_otel.config.token import TokenSource
from prefactor_otel.config.unread import warn_of_misspelt
from prefactor_otel.errors import PrefactorConfigError
from prefactor_otel.stats.log import logger
from prefactor_otel_transport.addresses import is_exposed

_TRUE: Final = ("1", "true", "t", "yes", "y", "on")
"""What pydantic takes for true."""

_exposed: Final[set[str]] = set()
"""Hosts beyond this machine that are reached by http://, and have been named in the log."""


def settings_in_file(options: Mapping[str, object]) -> Config | None:
    """What a configuration file sets, which wins over variables; None where something of it is
    unusable: of an option that is not understood, nobody knows what it was to keep in. Raises
    ``PrefactorConfigError`` for that only with ``strict``."""
    others = {name: value for name, value in options.items() if name not in _ARGUMENTS}
    url, token = (options.get(name) for name in _ARGUMENTS)
    return settings(url, token, others, raises=False)  # type: ignore[arg-type]  # checked there


_ARGUMENTS: Final = ("api_url", "api_token")


def settings(
    api_url: str | None,
    api_token: str | TokenSource | None,
    options: dict[str, object],
    *,
    raises: bool = True,
) -> Config | None:
    """What is set, with a token; None where that is missing or unusable, which one line says.
    Raises ``PrefactorConfigError`` for that where arguments are the reason, if it ``raises``, or
    with ``strict``."""
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        logger.debug("OTEL_SDK_DISABLED is set: the Prefactor exporter stays off")
        return None
    try:
        config = load_config(api_url, api_token, **options)
        token_of(config)
    except PrefactorConfigError as error:
        is_argument = raises and error.from_arguments
        if options.get("strict") or is_argument or _strict_by_environment():
            raise
        logger.warning("The Prefactor exporter stays off: %s", error)
        return None
    _warn_if_exposed(config.api_url)
    warn_of_misspelt()
    return config


def differing(
    config: Config | None,
    api_url: str | None,
    api_token: str | TokenSource | None,
    options: dict[str, object],
) -> list[str]:
    """The names of those of these options that are not as in ``config``. Raises
    ``PrefactorConfigError`` for what could not be, either."""
    asked = load_config(api_url, api_token, **options)
    given = {"api_url": api_url, "api_token": api_token, **options}
    return [
        name
        for name, value in given.items()
        if value is not None and getattr(asked, name) != getattr(config, name)
    ]


def _warn_if_exposed(url: str) -> None:
    host = urlsplit(url).hostname or ""
    if is_exposed(url) and host not in _exposed:
        _exposed.add(host)
        logger.warning(
            "The API token and all spans go to %s unencrypted, for everybody on the way to read: "
            "let %s begin with https://",
            host,
            variable_of("api_url"),
        )


def _strict_by_environment() -> bool:
    return os.environ.get(variable_of("strict"), "").lower() in _TRUE
