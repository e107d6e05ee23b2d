"""Sends what dead processes left in the folder, one file after the other, behind the own spans."""

import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

from prefactor_otel import clock
from prefactor_otel.delivery.disk import REFILL
from prefactor_otel.delivery.lanes import FIRST
from prefactor_otel.delivery.operation import Operation, name_of
from prefactor_otel.delivery.outbox import Outbox
from prefactor_otel.delivery.rows import Damaged, Stored
from prefactor_otel.delivery.wire import Kept, RunRecord
from prefactor_otel.errors import SpoolError
from prefactor_otel.spool import SCAN_INTERVAL, folder
from prefactor_otel.spool.database import size_of
from prefactor_otel.spool.file import SpoolFile
from prefactor_otel.spool.heir import NOBODY, Heir
from prefactor_otel.spool.identity import Identity
from prefactor_otel.spool.recovery import Elsewhere, recover
from prefactor_otel.stats.counters import Counters, DropReason
from prefactor_otel.stats.log import QuietLog, logger, place_of


class Adoption:
    """The files of the dead in one folder, as far as this process sends them: those of its own
    account, or with ``everyones`` all."""

    def __init__(
        self,
        path: Path,
        identity: Identity,
        outbox: Outbox,
        runs: dict[str, RunRecord | None],
        counters: Counters,
        log: QuietLog,
        *,
        max_bytes: int,
        max_age: float,
        everyones: bool = False,
        heir: Heir = NOBODY,
    ) -> None:
        self._path = path
        self._identity = identity
        self._outbox = outbox
        self._runs = runs
        self._counters = counters
        self._log = log
        self._max_bytes = max_bytes
        self._max_age = max_age
        self._everyones = everyones
        self._heir = heir
        self.closing = False
        self._file: SpoolFile | None = None
        self._taken_over: set[str] = set()
        self._bodies: dict[bytes, bytes] = {}
        """What registers runs, by itself: large, and mostly the same."""
        self._reached = 0
        self._read_all = False
        self._next_scan = time.monotonic() + heir.waits
        self._looks = 0
        self._looked_as = 0
        self._others: dict[Path, tuple[int, float]] = {}
        self._told: set[str] = set()
        self._begun: dict[Path, set[str]] = {}
        """The names of the runs in each file of the dead, as far as it was looked at."""

    @property
    def is_idle(self) -> bool:
        """Whether the last look found nothing to adopt."""
        return self._file is None and time.monotonic() < self._next_scan

    @property
    def next_look(self) -> float:
        """When there is something to be done here, or to be looked for (monotonic seconds)."""
        return 0.0 if self._file is not None else self._next_scan

    @property
    def _is_due(self) -> bool:
        return time.monotonic() >= self._next_scan

    @property
    def _may_own_more(self) -> bool:
        """Whether this process has learnt who it is since it passed files over."""
        return bool(self._others) and self._looked_as != self._identity.changes

    @property
    def _is_through(self) -> bool:
        """Whether everything in the adopted file has been read and settled."""
        return self._read_all and not self._outbox.adopted

    def step(self) -> None:
        """Do the next small piece of work, if there is room for it in the outbox."""
        if self.closing:
            return
        if self._file is not None and self._is_through:
            self._finish(self._file)
        if self._file is None and (self._is_due or self._may_own_more):
            self._look_for_one()
        if self._file is not None and self._is_due and self._outbox.queued < REFILL:
            self._on(self._file, self._read_on)

    def close(self) -> None:
        """Let go; what has not been sent stays where it is."""
        self.closing = True
        if self._file is not None:
            self._finish(self._file)

    def _finish(self, file: SpoolFile) -> None:
        through = self._is_through
        self._outbox.disown()
        file.close(delete=through)
        if through:
            self._outbox.retry()
        for run in self._taken_over if through else ():  # else memory may hold something of it
            self._runs.pop(run, None)
        self._taken_over, self._bodies = set(), {}
        self._file = None

    def _look_for_one(self) -> None:
        self._looks, self._looked_as = self._looks + 1, self._identity.changes
        self._next_scan = 0.0
        with suppress(SpoolError):  # a disk too full to delete from: what is sent makes room
            self._make_room()
        try:
            for found in folder.dead(self._path, self._is_passed_over):
                if isinstance(found, SpoolError):
                    self._failed(found)
                elif self._on(found, self._take_up):
                    return
            self._tell_of_others()
        except SpoolError as error:
            self._failed(error)
        self._next_scan = time.monotonic() + SCAN_INTERVAL

    def _on(self, file: SpoolFile, work: Callable[[SpoolFile], bool]) -> bool:
        """Do something with a file of the dead. Where that fails the file is left as it is, for
        another time, or set aside if it is damaged."""
        try:
            return work(file)
        except SpoolError as error:
            trouble = error
        except Exception as error:  # what no process has ever written
            trouble = SpoolError(f"{file.path}: {place_of(error)}", damaged=True)
        if file is not self._file:
            file.abandon()
        elif trouble.damaged:
            self._finish(file)
        self._failed(folder.set_aside(file.path, trouble) if trouble.damaged else trouble)
        self._next_scan = time.monotonic() + SCAN_INTERVAL
        return False

    # -- which file ---------------------------------------------------------------------------

    def _make_room(self) -> None:
        """Give up the oldest spans of the dead while all in the folder takes too much. What
        counts is what waits, as far as it can be known: of the living, what their files take."""
        if folder.total_size(self._path) <= self._max_bytes:
            return
        waiting = {each: size_of(each) for each in folder.files(self._path)}
        if self._outbox.path is not None:
            waiting[self._outbox.path] = self._outbox.size
        for found in folder.dead(self._path):
            if isinstance(found, SpoolFile):
                with closing(found):
                    waiting[found.path] = found.waiting_bytes()
        excess = sum(waiting.values()) - self._max_bytes
        for found in folder.dead(self._path) if excess > 0 else ():
            if isinstance(found, SpoolFile):
                with closing(found):
                    spans, freed = found.drop_oldest(excess)
                excess -= freed
                self._lose(spans, DropReason.SPOOL_FULL, found)
            if excess <= 0:
                return

    def _is_passed_over(self, path: Path) -> bool:
        """Whether a file is known to belong to another account, and to hold nothing too old."""
        learnt, until = self._others.get(path, (-1, 0.0))
        return learnt == self._identity.changes and clock.now() < until

    def _take_up(self, file: SpoolFile) -> bool:
        """Take this file over, if it is one of ours."""
        if not self._everyones and not self._identity.owns(file.owner()):
            self._pass_over(file)
            return False
        self._others.pop(file.path, None)
        self._take_over(file)
        return True

    def _pass_over(self, file: SpoolFile) -> None:
        """Leave a file to processes of its own account, but not for ever."""
        self._others.pop(file.path, None)
        too_old = clock.longer_ago_than(self._max_age)
        expired = file.spans(too_old)
        is_spent = expired == file.spans()
        if expired and not is_spent:
            file.drop_from(too_old)
        oldest = file.oldest()
        file.close(delete=is_spent)
        self._lose(expired, DropReason.EXPIRED, file)
        if not is_spent:
            until = oldest + self._max_age if oldest is not None else clock.now()
            self._others[file.path] = (self._identity.changes, until)

    def _tell_of_others(self) -> None:
        self._others = {path: each for path, each in self._others.items() if path.exists()}
        if self._others and (self._identity.is_known or self._looks > 1):
            self._tell(
                "others",
                f"{len(self._others)} files in {self._path} are of another account or token and "
                f"are left there. `prefactor-otel spool replay {self._path}` under the settings "
                "of that account sends them; if an earlier token of this one made them, add --all",
            )

    def pass_on(self) -> None:
        """Let the heir know what waits in the files of the dead, before anything comes: what it
        waits for may be the first that does."""
        if self._heir.runs is None:
            return
        for found in folder.dead(self._path):
            if isinstance(found, SpoolFile):
                with closing(found):
                    if self._identity.owns(found.owner()):
                        self._heir.inheritance.leave(found.parked_rows())

    def _elsewhere(self, file: SpoolFile) -> Elsewhere:
        """What other files of the dead hold as well."""
        if self._heir.runs is None:
            return Elsewhere()
        keys = {row.item.key for row in file.parked_rows()}
        parked: set[str] = set()
        paths = folder.files(self._path)
        self._begun = {path: names for path, names in self._begun.items() if path in paths}
        for found in folder.dead(self._path, lambda path: not keys and path in self._begun):
            if isinstance(found, SpoolFile):
                with closing(found):
                    self._begun[found.path] = {name_of(row.run) for row in found.runs()}
                    parked |= found.holding(keys)
        names = [each for path, each in self._begun.items() if path != file.path]
        return Elsewhere(set().union(*names), parked)

    # -- one file -------------------------------------------------------------------------------

    def _take_over(self, file: SpoolFile) -> None:
        damaged = recover(file, clock.now(), self._heir, self._elsewhere(file))
        try:
            file.commit()
        except SpoolError as error:
            if error.damaged:
                raise
            # It can be read and sent all the same; the next process would recover the same again.
        rows = file.runs()
        ids = {row.run: file.server_ids(row.run) for row in rows}
        unrecorded = file.unrecorded_spans()
        self._file, self._reached, self._read_all = file, 0, False
        for row in rows:
            if row.instance_id is not None:
                record = RunRecord(row.instance_id, row.partition, row.ids_accepted)
                record.server_ids = ids[row.run]
                self._runs[row.run] = record
                self._taken_over.add(row.run)
        for span, parent in unrecorded:
            self._outbox.unrecorded.add(span, parent)
        self._lose(damaged, DropReason.SPOOL_FAILED, file)
        logger.info("Sending what a process that has died left in %s", file.path)

    def _read_on(self, file: SpoolFile) -> bool:
        reading = file.read(self._reached, REFILL)
        if reading.reached == self._reached:
            reading = file.unwritten(self._reached, REFILL)
        self._read_all = reading.reached == self._reached
        self._reached = reading.reached
        rows: list[Stored] = []
        damaged = reading.damaged
        for row in reading.rows:
            if self._is_kept(file, row):
                continue
            if self._is_of_known_run(row):
                rows.append(row)
            else:
                damaged.append(Damaged(row.seq, 0, int(row.item.ends_span)))
        file.forget([each.seq for each in damaged])
        self._lose(sum(each.spans for each in damaged), DropReason.SPOOL_FAILED, file)
        if rows:
            self._outbox.adopt(file, rows, too_old=clock.longer_ago_than(self._max_age))
        return True

    def _is_kept(self, file: SpoolFile, row: Stored) -> bool:
        """Whether a row has registered its run, and is there for the one that may follow that."""
        record = self._runs.get(row.item.run)
        if row.item.operation is not Operation.REGISTER or record is None:
            return False
        body = self._bodies.setdefault(row.item.body, row.item.body)
        record.kept = Kept(row.item._replace(body=body), file, (row.seq,))
        return True

    def _is_of_known_run(self, row: Stored) -> bool:
        """Whether the run of an item is registered, or will be: else its row was damaged."""
        run = row.item.run
        if row.item.operation in FIRST:
            self._taken_over.add(run)
        return run in self._taken_over

    def _lose(self, spans: int, reason: DropReason, file: SpoolFile) -> None:
        if spans:
            self._counters.adopt(spans)
            self._counters.drop(reason, spans)
            self._log.warn(
                reason.value, f"Spans dropped ({reason.value}): {spans} of {file.path.name}"
            )

    def _failed(self, error: SpoolError) -> None:
        self._counters.trouble(f"spool: {error}")
        self._tell(str(error), f"What a process that has died left cannot be sent: {error}")

    def _tell(self, subject: str, text: str) -> None:
        """Log a line that has not been logged yet."""
        if subject not in self._told:
            self._told.add(subject)
            self._log.warn("others" if subject == "others" else "adoption", text)
