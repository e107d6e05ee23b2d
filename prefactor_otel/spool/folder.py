"""The folder that processes share: each has a file of its own in it, and adopts those of the dead.

Who lives is told by the lock on the file, never by a process id: those are used again. A lock on
the folder makes creating a file and looking for dead ones one step each.
"""

import os
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from prefactor_otel.errors import SpoolError
from prefactor_otel.spool.file import SpoolFile, companions

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows
    fcntl = None  # type: ignore[assignment]

SUFFIX: Final = ".spool"
UNREADABLE: Final = ".unreadable"
_LOCK: Final = ".lock"
_LOCK_WAIT: Final = 1.0


def prepare(path: Path) -> None:
    """Make the folder, mode 0700, or check the one that is there: a folder of ours that nobody
    else can look into. Raises ``SpoolError`` with the reason and the remedy."""
    if fcntl is None:  # pragma: no cover - Windows
        raise SpoolError("this system has no file locks of the POSIX kind")
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = path.stat()
    except OSError as error:
        raise SpoolError(f"{path}: {error.strerror}") from error
    if not stat.S_ISDIR(found.st_mode):
        raise SpoolError(f"{path} is no folder")
    if found.st_uid != os.geteuid():
        raise SpoolError(f"{path} belongs to another user; give each user a folder of their own")
    if stat.S_IMODE(found.st_mode) & 0o077:
        raise SpoolError(f"{path} is open to other users; chmod 700 it")


def create(path: Path) -> SpoolFile:
    """A new file for this process, locked. Raises ``SpoolError``."""
    prepare(path)
    with _locked(path):
        return SpoolFile.create(path / f"{os.getpid()}-{secrets.token_hex(6)}{SUFFIX}")


def adopt_one(path: Path) -> SpoolFile | None:
    """The oldest file whose owner is dead, locked; None where there is none. A file that cannot
    be read is set aside. Raises ``SpoolError`` for what is wrong with the folder."""
    with _locked(path):
        for found in files(path):
            try:
                return SpoolFile(found)
            except SpoolError as error:
                if not error.in_use:
                    set_aside(found)
                    raise
    return None


def files(path: Path) -> list[Path]:
    """The files in the folder, of the living and the dead, oldest first."""
    found: list[tuple[float, Path]] = []
    for entry in path.glob(f"*{SUFFIX}"):
        with suppress(OSError):  # its owner has deleted it meanwhile
            found.append((entry.stat().st_mtime, entry))
    return [entry for _, entry in sorted(found)]


def size_on_disk(path: Path) -> int:
    """Bytes that a file takes with what SQLite keeps beside it."""
    return sum(_size(each) for each in (path, *companions(path)))


def total_size(path: Path) -> int:
    """Bytes that all files in the folder take."""
    return sum(size_on_disk(each) for each in files(path))


def set_aside(path: Path) -> None:
    """Rename a file that cannot be read, so that nobody tries again."""
    for each in (path, *companions(path)):
        if each.exists():
            each.rename(each.with_name(each.name.replace(SUFFIX, UNREADABLE)))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # its owner has deleted it meanwhile
        return 0


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the folder's lock; wait a second for it at most."""
    try:
        descriptor = os.open(path / _LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise SpoolError(f"{path}: {error.strerror}") from error
    try:
        _lock(descriptor, path)
        try:
            yield
        finally:
            # Not left to close(): a child forked meanwhile has a copy of the descriptor.
            fcntl.flock(descriptor, fcntl.LOCK_UN)
    finally:
        os.close(descriptor)


def _lock(descriptor: int, path: Path) -> None:
    deadline = time.monotonic() + _LOCK_WAIT
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if time.monotonic() > deadline:
                raise SpoolError(f"{path}: {error.strerror}", in_use=True) from error
            time.sleep(0.01)
        else:
            return
