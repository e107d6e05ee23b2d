"""Whose spans a request carries, and one pipeline for each of these accounts."""

import asyncio
import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Final, TypeVar

from prefactor_otel.delivery.receipt import Receipt
from prefactor_otel.gateway.reader import READER, Entry
from prefactor_otel.gateway.records import Records
from prefactor_otel.gateway.roots import Root, agent_of, counted, roots_of
from prefactor_otel.gateway.settings import Settings
from prefactor_otel.gateway.shares import Parts, Turns, may_have_more
from prefactor_otel.gateway.takings import Sent, Taking, Takings
from prefactor_otel.gateway.tallies import Tallies
from prefactor_otel.pipeline.pipeline import Pipeline
from prefactor_otel.runs.events import Foretold
from prefactor_otel.spans.logs import OtlpRecord
from prefactor_otel.spans.otlp import Received
from prefactor_otel.spans.protobuf import ProtobufSpan
from prefactor_otel.spans.source import Whose
from prefactor_otel.spans.view import SpanView

R = TypeVar("R")

AT_ONCE: Final = 1024
"""Spans of a request that are handed over together: of a large one the first are on disk while the
last are not read yet, and its answer tells of all of them."""
_AT_WORK: Final = 2 * AT_ONCE
"""Spans of one account that are handed over and not on disk, at most, but for a single request;
and as many KiB of them, for what these take is not known to have filled the spool before."""
_LONGEST_SERVICE: Final = 64
"""Characters of a service's name in a log line."""
OWN: Final = "own"
"""What the account of the gateway's own token is called."""
_LOOK: Final = 1.0
"""Seconds between two looks whether the thread lives that somebody waits for."""


class RefusedError(Exception):
    """A request is not taken: by whose fault that is, the status says. The text holds no secret."""

    def __init__(
        self, status: int, text: str, retry_after: int | None = None, whose: str = ""
    ) -> None:
        super().__init__(text)
        self.status = status
        self.retry_after = retry_after
        self.whose = whose
        """Whom it is about, as log lines tell it, where that is known."""


class Account:
    """One Prefactor token's pipeline, made with what log lines say of it; ``name`` is for these and
    for metrics. ``repr`` shows no token."""

    def __init__(
        self,
        name: str,
        new_pipeline: Callable[[Whose], Pipeline],
        records: Records,
        token_from: str,
        agent_id: str | None,
        *,
        is_senders: bool,
    ) -> None:
        self.name = name
        self._agent_id = agent_id
        self._service = ""
        self.pipeline = new_pipeline(Whose(lambda: self.called, token_from))
        self._records = records
        self._turns = Turns(_AT_WORK)
        self._parts = Parts()
        self._takings = Takings()
        self.tallies = Tallies()
        """What has become of the spans of its tenants."""
        self.is_senders = is_senders
        """Whether the sender has brought the token."""
        self.is_own = name == OWN
        """Whether it is the gateway's own."""
        self.used = time.monotonic()
        self.taking = 0
        """Requests that wait for what becomes of their spans."""

    def __repr__(self) -> str:
        return f"<Account {self.name}>"

    @property
    def called(self) -> str:
        """What log lines call it: who brings a token has no name but that of his service."""
        return f"{self.name} ({self._service})" if self._service else self.name

    @property
    def is_refused(self) -> bool:
        """Whether Prefactor refuses its token."""
        return self.pipeline.stats().state == "paused"

    @property
    def is_idle(self) -> bool:
        """Whether nothing of it is open or waits."""
        stats = self.pipeline.stats()
        return not (self.taking or stats.waiting or stats.waiting_items or stats.runs)

    @property
    def can_go(self) -> bool:
        """Whether it may make room for another. What a token has left that Prefactor refuses stays
        on disk for whoever shows it again; the gateway's own tokens keep their places."""
        is_left = self.is_refused and not self.taking
        return self.is_senders and (is_left or self.is_idle)

    def check_room(self) -> None:
        """Raises ``RefusedError`` where spans would be lost, or never be sent."""
        if self.is_senders and self.is_refused:
            why = "Prefactor refuses the token that this request brings"
            raise RefusedError(401, why, whose=self.called)
        if not self.pipeline.has_room:
            why = "more waits for Prefactor than there is room for"
            raise RefusedError(429, why, 5, self.called)

    def admitted(self, received: Received[ProtobufSpan] | Received[SpanView]) -> Received[Entry]:
        """Of what has come all that can have a run: Prefactor has said of some agents that it does
        not know them."""
        came: list[Entry] = [*received.spans]
        refused = self.pipeline.refused_agents
        if not refused:
            return Received(came, received.rejected, received.why)
        roots = roots_of(came)
        agents = [agent_of(span, roots).id or self._agent_id for span in came]
        unknown = [agent for agent in agents if agent in refused]
        if not unknown:
            return Received(came, received.rejected, received.why)
        spans = [span for span, agent in zip(came, agents, strict=True) if agent not in refused]
        gone = [span for span, agent in zip(came, agents, strict=True) if agent in refused]
        self.tallies.note("rejected", counted(gone, roots))
        why = f"Prefactor registers no run of the agent {unknown[0]} ({refused[str(unknown[0])]})"
        return Received(spans, received.rejected + len(unknown), why)

    def hear(self, records: Sequence[OtlpRecord]) -> None:
        """Hand over what log records tell of spans."""
        for record in records:
            self.pipeline.logged(record)
        self._records.note(records)

    async def take(self, spans: Sequence[Entry], within: float, sent: Sent | None = None) -> None:
        """Hand over ended spans, when log records have told of those of which they are expected
        to. Returns once all of them are on disk or acknowledged; raises ``RefusedError`` where some
        are not, or that is not known within so many seconds after those before them: then what
        comes behind these was not taken. Of a large one that is ``sent`` again nothing is
        taken twice: it goes on where the first is, which may take longer than senders wait."""
        if self.is_senders and not self._service and spans:
            self._service = str(spans[0].resource.get("service.name") or "")[:_LONGEST_SERVICE]
        if sent is None or len(spans) <= AT_ONCE:
            await self._take_all(spans, within, Taking())
            return
        await self._takings.go_on(sent, partial(self._take_all, spans, within))

    async def _take_all(self, spans: Sequence[Entry], within: float, taking: Taking) -> None:
        roots = roots_of(spans)
        self.taking += 1
        try:
            await self._records.wait_for(spans)
            while taking.taken < len(spans):
                some = spans[taking.taken : taking.taken + AT_ONCE]
                await self._take_in_turn(some, roots, within)
                taking.taken += len(some)
        except RefusedError:
            self.tallies.note("refused", counted(spans[taking.taken :], roots))
            raise
        finally:
            self.taking -= 1

    def stop_taking(self) -> None:
        """Of large requests no more is taken: senders that have not heard send them again."""
        self._takings.stop()

    async def _take_in_turn(
        self, spans: Sequence[Entry], roots: Mapping[int, Root], within: float
    ) -> None:
        """They count for the tenant that has most of them."""
        counts = counted(spans, roots)
        tenant = max(counts, key=counts.__getitem__)
        whose = f"{self.called}, {self.tallies.name_of(tenant)}"
        try:
            async with self._turns.turn(tenant, _weight_of(spans), within):
                self._check_part(tenant, whose)
                self._parts.add(counts, self.pipeline.stats().waiting)
                self.tallies.note("accepted", counts)
                is_safe = await self._take(spans, roots, time.monotonic() + within)
        except TimeoutError:
            raise RefusedError(429, "more comes than can be taken", 5, whose) from None
        if not is_safe:
            raise RefusedError(503, "neither the disk nor Prefactor has taken the spans", 5, whose)

    def _check_part(self, tenant: str, whose: str) -> None:
        """Raises ``RefusedError`` for a tenant of whose spans too much waits already. Looked at
        when its turn has come: those before it have filled what they fill."""
        filled = self.pipeline.filled
        if not may_have_more(filled * self._parts.of(tenant), 1 - filled):
            why = "more of it waits for Prefactor than leaves room for others"
            raise RefusedError(429, why, 5, whose)

    async def _take(
        self, spans: Sequence[Entry], roots: Mapping[int, Root], deadline: float
    ) -> bool:
        """Hand over spans. Whether all of them are on disk or acknowledged at the deadline."""
        receipt, traces = Receipt(), {span.trace_id for span in spans}
        self.pipeline.tell(Foretold({trace: roots[trace] for trace in traces if trace in roots}))
        self.pipeline.ended(spans, receipt)
        if await self._known(receipt.stored, deadline):
            return True
        is_acknowledged = await self._known(receipt.future, deadline)
        return bool(is_acknowledged)

    async def _known(self, told: "Future[R]", deadline: float) -> R | None:
        """What becomes of it; None when that is open at the deadline."""
        loop = asyncio.get_running_loop()
        done = asyncio.Event()
        told.add_done_callback(lambda _: loop.call_soon_threadsafe(done.set))
        while not told.done() and (left := deadline - time.monotonic()) > 0:
            try:
                await asyncio.wait_for(done.wait(), min(left, _LOOK))
            except TimeoutError:
                self.pipeline.revive()
        return told.result() if told.done() else None


class Accounts:
    """The accounts that are in use, and who may use which."""

    def __init__(self, settings: Settings) -> None:
        self._options = settings.exporter_options
        self._api_url = settings.api_url
        config = settings.own_config()
        own_token, self._agent_id = config.api_token, config.agent_id
        self._own_token_from = settings.own_token_from
        self._own_token = own_token if isinstance(own_token, str) else None
        self._most = settings.max_accounts
        self._log_wait = settings.log_wait
        self._is_open = not settings.senders
        self._is_anonymous = not settings.senders or settings.allow_anonymous
        self._senders = {
            _digest(sender.key.get_secret_value()): (
                (name, sender.token.get_secret_value(), f"token of [senders.{name}]")
                if sender.token is not None
                else (name, *self._own)
            )
            for name, sender in settings.senders.items()
        }
        self._accounts: dict[str, Account] = {}
        self._met = 0
        self._closing: set[asyncio.Task[object]] = set()

    def begin(self) -> None:
        """Let the accounts whose tokens are known send what an earlier process has left."""
        known = [(OWN, *self._own), *self._senders.values()]
        for name, token, token_from in known[: self._most]:
            if token is not None:
                self._of_token(token, name, token_from, is_senders=False)

    def of(self, authorization: str | None) -> Account:
        """The account of who shows this. Raises ``RefusedError``."""
        scheme, _, given = (authorization or "").strip().partition(" ")
        bearer = given.strip() if scheme.lower() == "bearer" else ""
        if authorization and not bearer:
            raise RefusedError(401, "authorization is by a bearer: Authorization: Bearer KEY")
        if bearer and (sender := self._senders.get(_digest(bearer))) is not None:
            return self._of_known(*sender)
        if bearer and self._is_open:
            return self._of_token(bearer, "", "the bearer that it sends", is_senders=True)
        if bearer or not self._is_anonymous:
            raise RefusedError(401, "this gateway takes spans of those only whose key it knows")
        return self._of_known(OWN, *self._own)

    @property
    def _own(self) -> tuple[str | None, str]:
        """The gateway's own token, and where that comes from."""
        return self._own_token, self._own_token_from

    def all(self) -> list[Account]:
        """Those that are in use."""
        return list(self._accounts.values())

    async def close(self) -> bool:
        """Deliver what waits and finish the runs, as long as the option ``shutdown_timeout``
        allows. Whether nothing was left."""
        accounts = self.all()
        if not accounts:
            return True
        for each in accounts:
            each.stop_taking()
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(len(accounts)) as threads:
            closing = [loop.run_in_executor(threads, each.pipeline.shutdown) for each in accounts]
            return all(await asyncio.gather(*closing, *self._closing))

    def _of_known(self, name: str, token: str | None, token_from: str) -> Account:
        if token is None:
            raise RefusedError(
                401,
                "the gateway has no Prefactor token: send one as Authorization: Bearer TOKEN, or "
                "set PREFACTOR_API_TOKEN for the gateway",
            )
        return self._of_token(token, name, token_from, is_senders=False)

    def _of_token(self, token: str, name: str, token_from: str, *, is_senders: bool) -> Account:
        account = self._accounts.get(token)
        if account is None:
            self._make_room()
            self._met += 1
            account = self._accounts[token] = Account(
                name or f"sender-{self._met}",
                partial(self._new_pipeline, token),
                Records(self._log_wait),
                token_from,
                self._agent_id,
                is_senders=is_senders,
            )
        account.used = time.monotonic()
        return account

    def _new_pipeline(self, token: str, whose: Whose) -> Pipeline:
        reader = READER._replace(whose=whose)
        return Pipeline(reader, self._api_url, token, **self._options)

    def _make_room(self) -> None:
        """Let go of the account that nobody has used for longest, of those that can go."""
        if len(self._accounts) < self._most:
            return
        for token, account in sorted(self._accounts.items(), key=lambda each: each[1].used):
            if account.can_go:
                del self._accounts[token]
                closing = asyncio.create_task(asyncio.to_thread(account.pipeline.shutdown))
                self._closing.add(closing)
                closing.add_done_callback(self._closing.discard)
                return
        raise RefusedError(429, "too many accounts are in use", 30)


def _weight_of(spans: Sequence[Entry]) -> int:
    """Of the spans, or of what they hold in KiB, whichever is more."""
    return max(len(spans), sum(map(READER.weight, spans)) // 1024)


def _digest(secret: str) -> bytes:
    """What a secret is looked up by: how long that takes tells nothing of it."""
    return hashlib.sha256(secret.encode()).digest()
