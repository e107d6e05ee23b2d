"""The state machines (API contract): which step is allowed from where."""

from typing import Final

from prefactor_otel.devserver.errors import invalid_action

FINISHED: Final = ("complete", "failed", "cancelled")
SPAN_STATUSES: Final = ("pending", "active", *FINISHED)
PURPOSES: Final = ("live", "smoke_test", "eval")


def may_start(status: str) -> None:
    if status != "pending":
        raise invalid_action(f"only a pending instance starts; this one is {status}")


def may_terminate(status: str) -> None:
    if status != "active":
        raise invalid_action(f"only an active instance is terminated; this one is {status}")


def may_finish(record: str, status: str, becomes: str) -> None:
    """Open ends anyhow; pending (never begun) can only be cancelled. The same for instances
    and spans."""
    if status == "active" or (status == "pending" and becomes == "cancelled"):
        return
    raise invalid_action(f"a {status} {record} does not become {becomes}")


def may_take_spans(status: str) -> None:
    """Pending and active instances take spans, and a terminated one does, to tell its agent so.
    That a finished one refuses them is the stricter reading; the contract is silent."""
    if status in FINISHED:
        raise invalid_action(f"the agent instance is {status}", "agent_instance_id")
