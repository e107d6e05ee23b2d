"""The state machines (API contract): which step is allowed from where."""

from typing import Final

from prefactor_otel.devserver.errors import invalid_action

FINISHED: Final = ("complete", "failed", "cancelled")
SPAN_STATUSES: Final = ("pending", "active", *FINISHED)
RUN_STATUSES: Final = ("pending", "active", *FINISHED, "terminated")
PURPOSES: Final = ("live", "smoke_test", "eval")


def may_start(status: str) -> None:
    if status != "pending":
        raise invalid_action(f"only a pending instance starts; this one is {status}")


def may_terminate(status: str) -> None:
    if status != "active":
        raise invalid_action(f"only an active instance is terminated; this one is {status}")


def may_finish(record: str, status: str, becomes: str, *, lenient_cancel: bool) -> None:
    """What is pending, and so has never begun, can only be cancelled; what is active ends as
    complete or failed, and as cancelled only under the lenient reading. The same for instances
    and spans."""
    if becomes == "cancelled":
        allowed = status == "pending" or (status == "active" and lenient_cancel)
    else:
        allowed = status == "active"
    if not allowed:
        raise invalid_action(f"a {status} {record} does not become {becomes}")


def never_begun(started_at: str | None, finished_at: str | None) -> bool:
    """Whether the times given with a creation are those of a span that was cancelled before it
    began: equal ones, or none."""
    return started_at == finished_at


def may_take_spans(status: str) -> None:
    """Pending and active instances take spans, and a terminated one does, to tell its agent so.
    That a finished one refuses them is the stricter reading; the contract is silent."""
    if status in FINISHED:
        raise invalid_action(f"the agent instance is {status}", "agent_instance_id")
