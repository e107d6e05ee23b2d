"""The counters of all accounts as text for Prometheus."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from prefactor_otel.gateway.tallies import Fate, Tallies
from prefactor_otel.stats.counters import Stats

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_OF_ACCOUNTS: Final = (
    ("spans_accepted_total", "counter", "accepted", "Spans handed over."),
    ("spans_acknowledged_total", "counter", "acknowledged", "Spans that Prefactor has confirmed."),
    ("spans_waiting", "gauge", "waiting", "Spans neither acknowledged nor dropped."),
    ("spans_adopted_total", "counter", "adopted", "Spans that an earlier process had left."),
    ("spans_orphaned_total", "counter", "orphaned", "Spans sent without their parent."),
    (
        *("records_unmatched_total", "counter", "unmatched_records"),
        "Log records of which no span is known that is still to be sent.",
    ),
    ("judgements_lost_total", "counter", "lost_judgements", "Judgements of runs not delivered."),
    ("waiting_items", "gauge", "waiting_items", "Operations that wait for the API."),
    ("waiting_bytes", "gauge", "waiting_bytes", "Their size in bytes."),
    ("held_bytes", "gauge", "held_bytes", "Memory that spans take, about, in bytes."),
    ("spooling", "gauge", "spooling", "Whether what waits is on disk."),
    ("operations_retried_total", "counter", "retried", "Operations sent more than once."),
    ("api_requests_total", "counter", "requests", "Requests to Prefactor."),
    ("runs", "gauge", "runs", "Runs that are open."),
    ("idle_runs_total", "counter", "idle_runs", "Runs closed because nothing came any more."),
    ("unfinished_runs_total", "counter", "unfinished_runs", "Runs that stay open on Prefactor."),
    ("worker_restarts_total", "counter", "worker_restarts", "Times that a worker began anew."),
)


_OF_TENANTS: Final[Mapping[Fate, str]] = {
    "accepted": "Spans of a tenant that were handed over.",
    "rejected": "Spans of a tenant whose agent Prefactor does not know.",
    "refused": "Spans of a tenant that there was no room for, as often as they came.",
}


class AccountState(NamedTuple):
    """One account, as it is now."""

    name: str
    stats: Stats
    refused_agents: int
    """Agents of which Prefactor has lately refused to register runs."""
    tallies: Tallies


@dataclass(slots=True)
class Seen:
    """What the server itself counts."""

    answers: dict[int, int] = field(default_factory=dict)
    """Requests for ``/v1/...`` by the status of their answers."""
    rejected: int = 0
    """Spans without usable ids, of requests that were taken otherwise."""
    unread: dict[str, int] = field(default_factory=dict)
    """Requests that were taken and not read, by their signal."""

    def answer(self, status: int) -> None:
        """One more was answered so."""
        self.answers[status] = self.answers.get(status, 0) + 1

    def leave_unread(self, signal: str) -> None:
        """One more of this signal was not read."""
        self.unread[signal] = self.unread.get(signal, 0) + 1


def exposition(accounts: Iterable[AccountState], seen: Seen) -> str:
    """All of it, as Prometheus reads it."""
    return "".join(f"{line}\n" for line in _lines(list(accounts), seen))


def _lines(accounts: list[AccountState], seen: Seen) -> Iterator[str]:
    for name, kind, of, sentence in _OF_ACCOUNTS:
        values = {_labels(account=each.name): int(getattr(each.stats, of)) for each in accounts}
        yield from _metric(name, kind, sentence, values)
    refused = {_labels(account=each.name): each.stats.state == "paused" for each in accounts}
    yield from _metric("token_refused", "gauge", "Whether Prefactor refuses the token.", refused)
    agents = {_labels(account=each.name): each.refused_agents for each in accounts}
    yield from _metric("agents_refused", "gauge", "Agents whose runs it refuses.", agents)
    dropped = {
        _labels(account=each.name, reason=reason): count
        for each in accounts
        for reason, count in each.stats.dropped.items()
    }
    yield from _metric("spans_dropped_total", "counter", "Spans lost, by reason.", dropped)
    yield from _of_tenants(accounts)
    answers = {_labels(status=str(status)): count for status, count in seen.answers.items()}
    yield from _metric("gateway_answers_total", "counter", "Requests, by status.", answers)
    rejected = "Spans without usable ids."
    yield from _metric("gateway_spans_rejected_total", "counter", rejected, {"": seen.rejected})
    unread = {_labels(signal=signal): count for signal, count in seen.unread.items()}
    yield from _metric("gateway_unread_total", "counter", "Requests taken and not read.", unread)


def _of_tenants(accounts: list[AccountState]) -> Iterator[str]:
    for fate, sentence in _OF_TENANTS.items():
        counts = {
            _labels(account=each.name, tenant=tenant): count
            for each in accounts
            for tenant, count in each.tallies.of[fate].items()
        }
        yield from _metric(f"tenant_spans_{fate}_total", "counter", sentence, counts)


def _metric(name: str, kind: str, sentence: str, values: Mapping[str, int]) -> Iterator[str]:
    yield f"# HELP prefactor_{name} {sentence}"
    yield f"# TYPE prefactor_{name} {kind}"
    for labels, value in values.items():
        yield f"prefactor_{name}{labels} {int(value)}"


def _labels(**labels: str) -> str:
    return "{" + ",".join(f'{name}="{_escaped(text)}"' for name, text in labels.items()) + "}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
