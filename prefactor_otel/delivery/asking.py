"""What the platform shows of a run that it is asked for."""

from collections.abc import Mapping
from typing import Final

from prefactor_otel.delivery.client import ApiClient
from prefactor_otel.stats.counters import DropReason
from prefactor_otel.stats.log import logger
from prefactor_otel_transport.addresses import segment

_ENDED: Final = {
    "complete": DropReason.RUN_OVER,
    "failed": DropReason.RUN_OVER,
    "cancelled": DropReason.RUN_OVER,
    "terminated": DropReason.RUN_TERMINATED,
}


async def shown(client: ApiClient, instance_id: str) -> Mapping[str, object]:
    """The API's answer to the question for a run; empty where it gives none, for whatever
    reason: a token that delivers need not be one that reads. Never raises."""
    try:
        return await client.get(f"/agent_instance/{segment(instance_id)}")
    except Exception as error:  # the sender tells of an API that fails
        logger.debug("A run could not be asked for: %s", type(error).__name__)
        return {}


def status_in(answer: Mapping[str, object]) -> str | None:
    """The status of the run that an answer shows; None where it shows none."""
    details = answer.get("details")
    status = details.get("status") if isinstance(details, dict) else None
    return status if isinstance(status, str) else None


def page_in(details: Mapping[str, object]) -> str | None:
    """The address of a run's page in what is shown of it; None where none is told."""
    url = details.get("url")
    return url if isinstance(url, str) and url.startswith(("https://", "http://")) else None


def ended(status: str | None) -> DropReason | None:
    """Why a run of this status takes no more spans; None where it may, or nobody knows."""
    return _ENDED.get(status) if status is not None else None
