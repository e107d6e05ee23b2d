"""What cannot be done yet, because the SDK is amid setting itself up."""

import os
import time
from collections.abc import Callable
from typing import Final

from prefactor_otel.stats.log import logger
from prefactor_otel_transport.daemon import in_daemon

_FIRST_PAUSE: Final = 0.001
_LONGEST_PAUSE: Final = 0.25
_GIVEN_UP_AFTER: Final = 30.0
"""Seconds; a set-up that takes longer than that does not set what is waited for."""


def soon(attempt: Callable[[], bool]) -> None:
    """Try on a thread until it is done, as there is nobody who tells when the time has come. Each
    pause is as long as all before it, so it is done before twice the time has passed that the
    set-up takes, and that is long before the application works."""
    try:
        in_daemon(lambda: _keep_trying(attempt), "prefactor-bind")
    except RuntimeError as error:
        logger.debug("No thread can be had: %s", error)


def _keep_trying(attempt: Callable[[], bool]) -> None:
    pause, until = _FIRST_PAUSE, time.monotonic() + _GIVEN_UP_AFTER
    while time.monotonic() < until:
        time.sleep(pause)
        if attempt():
            return
        pause = min(2 * pause, _LONGEST_PAUSE)


def is_set_up_by_file() -> bool:
    """Whether a file configures the SDK: then global providers are set after what they hold has
    been made, and what is set before is not that."""
    return bool(os.environ.get("OTEL_CONFIG_FILE"))
