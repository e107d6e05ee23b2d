"""How far the program around us is: still importing, at work, or making processes that are."""

import os
import sys
import threading
from types import FrameType

_forks = 0


def forks() -> int:
    """How often this process has been forked so far."""
    return _forks


def is_importing() -> bool:
    """Whether the main thread is importing a module, as servers do with an application: what is
    to be done with it has not begun."""
    frame: FrameType | None = sys._current_frames().get(threading.main_thread().ident or 0)
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False


def _count_fork() -> None:
    global _forks
    _forks += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_parent=_count_fork)
