"""The folder that processes share: each has a file of its own in it, and adopts those of the dead.

Who lives is told by the lock on the file, never by a process id: those are used again. A lock on
the folder makes creating a file and looking for dead ones one step each.
"""

import os
import secrets
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from prefactor_otel.errors import SpoolError
from prefactor_otel.spool.database import companions, size_of
from prefactor_otel.spool.file import SpoolFile

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
    except OSError as error:
        raise SpoolError(f"{path}: {error.strerror}") from error
    _check(path)


def is_fit(path: Path) -> bool:
    """Whether there is a folder that is ours alone, full as it may be."""
    try:
        _check(path)
    except SpoolError:
        return False
    return fcntl is not None


def _check(path: Path) -> None:
    try:
        found = path.stat()
    except OSError as error:
        raise SpoolError(f"{path}: {error.strerror}") from error
    if not stat.S_ISDIR(found.st_mode):
        raise SpoolError(f"{path} is no folder")
    if found.st_uid != os.geteuid():
        raise SpoolError(f"{path} belongs to another user; give each user a folder of their own")
    if stat.S_IMODE(found.st_mode) & 0o077:
        raise SpoolError(f"{path} is open to other users; chmod 700 it")


def new_name(path: Path) -> Path:
    """Of a file of this process."""
    return path / f"{os.getpid()}-{secrets.token_hex(6)}{SUFFIX}"


def place(path: Path, file: SpoolFile) -> None:
    """Let this process's file go on in the folder, under a new name. Raises ``SpoolError``."""
    prepare(path)
    with _locked(path):
        file.move(new_name(path))


def create(path: Path) -> SpoolFile:
    """A new file for this process, locked. Raises ``SpoolError``."""
    prepare(path)
    with _locked(path):
        return SpoolFile.create(new_name(path))


def dead(
    path: Path, skips: Callable[[Path], bool] = lambda _: False
) -> Iterator[SpoolFile | SpoolError]:
    """The files whose owner is dead, oldest first, each open and locked, to be closed by whoever
    takes it; for one that cannot be opened, why. Damaged ones are set aside. Raises ``SpoolError``
    for what is wrong with the folder."""
    for each in files(path):
        if skips(each):
            continue
        found = _taken(path, each)
        if found is not None:
            yield found


def _taken(path: Path, file: Path) -> SpoolFile | SpoolError | None:
    with _locked(path):
        with suppress(OSError):
            if not file.exists():  # its owner, or another heir, has deleted it meanwhile
                return None
        try:
            return SpoolFile(file)
        except SpoolError as error:
            if error.in_use:
                return None
            return set_aside(file, error) if error.damaged else error


def is_spool(path: Path) -> bool:
    """Whether any process has ever had its file in the folder. Raises ``SpoolError``."""
    return (path / _LOCK).exists() or bool(files(path) or aside(path))


def files(path: Path) -> list[Path]:
    """The files in the folder, of the living and the dead, oldest first. Raises ``SpoolError``."""
    return _found(path, SUFFIX)


def aside(path: Path) -> list[Path]:
    """The files that were set aside, oldest first. Raises ``SpoolError``."""
    return _found(path, UNREADABLE)


def _found(path: Path, suffix: str) -> list[Path]:
    found: list[tuple[float, Path]] = []
    try:
        for entry in path.glob(f"*{suffix}"):
            with suppress(OSError):  # its owner has deleted it meanwhile
                found.append((entry.stat().st_mtime, entry))
    except OSError as error:
        raise SpoolError(f"{path}: {error.strerror}") from error
    return [entry for _, entry in sorted(found)]


def size_on_disk(path: Path) -> int:
    """Bytes that a file takes with what SQLite keeps beside it."""
    return sum(size_of(each) for each in (path, *companions(path)))


def total_size(path: Path) -> int:
    """Bytes that all files in the folder take. Raises ``SpoolError``."""
    return sum(size_on_disk(each) for each in files(path))


def set_aside(path: Path, error: SpoolError) -> SpoolError:
    """Rename a damaged file, so that nobody tries again. Returns what to tell of it."""
    with suppress(OSError):
        for each in (path, *companions(path)):
            if each.exists():
                each.rename(each.with_name(each.name.replace(SUFFIX, UNREADABLE)))
        return SpoolError(f"{error}; set aside as {path.stem}{UNREADABLE}", damaged=True)
    return error


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
