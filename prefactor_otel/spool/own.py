"""The file of this process: made when it is first needed, and made again when it has gone."""

from pathlib import Path
from typing import Final

from prefactor_otel.errors import SpoolError
from prefactor_otel.spool import folder
from prefactor_otel.spool.file import SpoolFile
from prefactor_otel.spool.identity import Identity
from prefactor_otel.stats.log import logger

_CARRIED: Final = 4 * 2**20
"""Bytes that wait in a file that has filled its disk, at most, for it to be made anew."""


class OwnFile(SpoolFile):
    """As long as it cannot be made, its changes wait in memory, and ``commit`` tries."""

    def __init__(self, path: Path, identity: Identity) -> None:
        super().__init__(folder.new_name(path), is_there=False)
        self._folder = path
        self._identity = identity
        self._noted = 0

    def commit(self) -> None:
        """Everything written so far survives the process from here on, in a file that is where
        the next process looks for it. One that has filled its disk has no room even to note what
        it need not hold any more: when that is nearly all, a new one takes its place."""
        try:
            self._commit()
        except SpoolError as error:
            if not (error.full and self.is_open and self._leave_disk(_CARRIED)):
                raise
            self._commit()

    def _commit(self) -> None:
        if not self.is_in_place:
            self._settle()
        if self._noted != self._identity.changes:
            identity, self._noted = self._identity, self._identity.changes
            self.belongs_to(identity.address, identity.hashes(self.salt), identity.agents)
        super().commit()

    def serves(self, agent: str) -> None:
        """The API says that the runs of this process belong to this agent."""
        self._identity.serves(agent)

    def _settle(self) -> None:
        was_removed, left = self.is_open, self.path
        folder.place(self._folder, self)
        if was_removed:
            logger.warning(
                "The spool's file %s was removed; what waits is in %s now", left, self.path.name
            )
