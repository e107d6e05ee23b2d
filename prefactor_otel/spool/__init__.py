"""What waits for the API, on disk: one file a process, so that what was accepted outlives it.

``rows`` are what is kept, ``file`` has those of one process, ``folder`` the files of all, and
``recovery`` makes a run whole whose process has died.
"""

from typing import Final

SCAN_INTERVAL: Final = 15.0
"""Seconds between two looks for files whose owner has died."""
