"""How far the program around us is: still importing, at work, or making processes that are."""

import os
import sys
import threading
from types import FrameType

children = 0
"""How many processes this one has forked off so far."""

generation = 0
"""How often this process has been forked off itself, since the import."""


def is_importing() -> bool:
    """Whether the main thread is importing a module, as servers do with an application: what is
    to be done with it has not begun."""
    frame: FrameType | None = sys._current_frames().get(threading.main_thread().ident or 0)
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False


def _count_child() -> None:
    global children
    children += 1


def _count_birth() -> None:
    global generation
    generation += 1


# Only counts are touched here: all else could deadlock on a lock that another thread held.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_parent=_count_child, after_in_child=_count_birth)
