"""Whose ``prefactor_http`` is on the disk: several distributions bring one, and the last wins."""

from importlib import import_module
from typing import Final

from prefactor_otel.version import PACKAGE, __version__

RESTORE: Final = (
    f"install {PACKAGE} again, from where it came: pip install --force-reinstall --no-deps SOURCE"
)
"""What puts ours in the place of whatever is there."""


def installed_client() -> str:
    """Whose it is, in words. Raises ``ImportError`` where none can be imported."""
    try:  # by name: the exporter itself must not need it
        version = import_module("prefactor_http._version")
    except Exception as error:
        raise ImportError(type(error).__name__) from None
    stands_in_for = getattr(version, "PACKAGE_VERSION", None)
    if getattr(version, "DISTRIBUTION", None) == PACKAGE:
        return f"the drop-in of {PACKAGE} {__version__} for prefactor-http {stands_in_for}"
    name = getattr(version, "PACKAGE_NAME", None)
    if isinstance(name, str) and isinstance(stands_in_for, str):
        return f"that of {name} {stands_in_for}; the exporter does without it"
    return "that of an unknown version; the exporter does without it"
