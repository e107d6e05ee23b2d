"""Virtual environments of the peers that cannot live in ours, kept from run to run."""

import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.benchmarks.peers import Peer
from tests.http import environments

FOLDER: Final = environments.CHECKOUT / ".benchmarks"


class Environments:
    """Makes an environment when its peer is first asked for."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._folder = folder
        self._pythons: dict[str, Path | None] = {}

    def python(self, peer: Peer) -> Path | None:
        """The interpreter that has the peer; None where its packages cannot be installed."""
        if not peer.requirements:
            return Path(sys.executable)
        if peer.name not in self._pythons:
            self._pythons[peer.name] = self._made(peer)
        return self._pythons[peer.name]

    def _made(self, peer: Peer) -> Path | None:
        folder = self._folder / peer.name
        complete = folder / "complete"
        wanted = "\n".join(peer.requirements)
        if complete.exists() and complete.read_text() == wanted:
            return folder / "bin" / "python"
        try:
            python = environments.make(folder, *peer.requirements)
        except (AssertionError, OSError, subprocess.CalledProcessError):
            return None
        complete.write_text(wanted)
        return python
