"""The page in the user's browser, where there is one."""

import os
import sys
import threading
import webbrowser
from contextlib import suppress
from typing import Final

_SCREENS: Final = ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY", "WSL_DISTRO_NAME")
"""Variables of which one is set where a browser can be shown."""


def open_page(link: str) -> None:
    """Open a link; nothing happens where nothing shows it, or only the terminal would."""
    if sys.platform.startswith("linux") and not any(map(os.environ.get, _SCREENS)):
        return  # what there is for terminals would take this one
    # A browser that it does not know is waited for until it is closed.
    threading.Thread(target=_open, args=(link,), daemon=True).start()


def _open(link: str) -> None:
    with suppress(webbrowser.Error, OSError):
        webbrowser.open(link)
