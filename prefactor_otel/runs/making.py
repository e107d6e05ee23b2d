"""What each run of a process is made of: an identity, and a tree for its spans."""

import hashlib
import secrets
import time
from typing import Final

from prefactor_otel.config.options import Config, types_of
from prefactor_otel.delivery.budget import Budget
from prefactor_otel.mapping import Capture
from prefactor_otel.privacy.masking import Masking
from prefactor_otel.runs.agenda import Agenda
from prefactor_otel.runs.router import OpenRun
from prefactor_otel.runs.run import About, Run
from prefactor_otel.runs.tree import SpanTree
from prefactor_otel.span_types.span_filter import CompiledFilter
from prefactor_otel.stats.log import QuietLog

REQUEST_OVERHEAD: Final = 4096
"""Bytes that a request takes besides one item's body."""


def capture_of(config: Config, log: QuietLog | None = None) -> Capture:
    """What these settings let out of the process; a mask that raises is told to the log."""

    def warn(error: type[BaseException]) -> None:
        if log is not None:
            log.warn("mask", f"A mask raised {error.__name__}: such values are left out")

    return Capture(
        config.capture_inputs,
        config.capture_outputs,
        config.max_input_length,
        config.max_output_length,
        Masking(config.mask, warn) if config.mask else None,
        config.sensitive or (),
    )


class RunMaker:
    """Makes the runs of one process. Their trees share its settings and its budget."""

    def __init__(
        self,
        config: Config,
        run: Run,
        capture: Capture,
        span_filter: CompiledFilter | None,
        budget: Budget,
        agenda: Agenda,
    ) -> None:
        self.run = run
        """The run of the process, where there is one."""
        self._config = config
        self._capture = capture
        self._span_filter = span_filter
        self._types = types_of(config)
        self._budget = budget
        self._agenda = agenda
        self._make_tree = self._new_tree  # one method for all runs

    def new_run(self, about: About, handle: str | None) -> OpenRun:
        """The run of the process, where all spans go there; else one with a key of its own."""
        key = self.run.key
        if handle is not None:  # of this process: a forked child has a run of its own for it
            key = hashlib.blake2b(f"{key}{handle}".encode(), digest_size=16).hexdigest()
        elif self._config.run_scope != "provider":
            key = secrets.token_hex(16)
        run = self.run if key == self.run.key else Run(key)
        now = time.monotonic()
        opened = OpenRun(run, self._make_tree, about, opened=now, touched=now)
        self._agenda.changed[opened] = None
        return opened

    def _new_tree(self, run: str) -> SpanTree:
        config = self._config
        return SpanTree(
            run=run,
            capture=self._capture,
            max_item_bytes=max(
                config.max_request_bytes - REQUEST_OVERHEAD, config.max_request_bytes // 2
            ),
            parent_timeout=config.parent_timeout,
            notes_parked=config.spool_dir is not None,
            span_filter=self._span_filter,
            types=self._types,
            budget=self._budget,
        )
