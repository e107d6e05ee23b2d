"""The file of this process: made when it is first needed, and made again when it has gone."""

from pathlib import Path

from prefactor_otel.spool import folder
from prefactor_otel.spool.file import SpoolFile
from prefactor_otel.spool.identity import Identity
from prefactor_otel.stats.log import logger


class OwnFile(SpoolFile):
    """As long as it cannot be made, its changes wait in memory, and ``commit`` tries."""

    def __init__(self, path: Path, identity: Identity) -> None:
        super().__init__(folder.new_name(path), is_there=False)
        self._folder = path
        self._identity = identity
        self._noted = 0

    def commit(self) -> None:
        """Everything written so far survives the process from here on, in a file that is where
        the next process looks for it."""
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
        was_there, left = self.is_open, self.path
        folder.place(self._folder, self)
        if was_there:
            logger.warning(
                "The spool's file %s was removed; what waits is in %s now", left, self.path.name
            )
