"""How a step ended, by what is told of it: a failure that no status tells is one, too."""

from prefactor_otel.mapping.capture import Capture
from prefactor_otel.mapping.errors import (
    ERROR_TYPE,
    TOOL_ERROR,
    Status,
    error_of,
    said_by,
    tool_failure,
)
from prefactor_otel.mapping.layout import OUTPUTS, SINGLE
from prefactor_otel.mapping.outline import Parts
from prefactor_otel.mapping.telling import Rest
from prefactor_otel.mapping.types import TOOL, SpanType
from prefactor_otel.privacy.content import NOT_CAPTURED
from prefactor_otel.spans.view import SpanView


def end_of(
    view: SpanView, kind: SpanType, status: Status, parts: Parts, rest: Rest, capture: Capture
) -> tuple[Status, dict[str, object] | None]:
    """How it ended, and its error; the text of that may quote what was asked or answered. A tool
    whose result says that it is an error has failed, whatever its status says, and so has a call
    whose response is one."""
    error = error_of(view)
    if status == "complete" and error is None:
        error = _told_failure(view, kind, parts, rest)
        status = "failed" if error is not None else status
    elif kind is TOOL and error is not None and not error["message"]:
        error["message"] = said_by(parts[OUTPUTS].get("output"))
    if error is not None and capture.hidden:
        error |= {"message": NOT_CAPTURED, "stacktrace": None}
    return status, error


def _told_failure(
    view: SpanView, kind: SpanType, parts: Parts, rest: Rest
) -> dict[str, object] | None:
    """The error that is told without a status."""
    failed = parts[SINGLE].get("failed")
    if isinstance(failed, dict):
        return {**failed, "stacktrace": None}
    if kind is not TOOL:
        return None
    told = tool_failure(parts[SINGLE], parts[OUTPUTS].get("output"), rest.left)
    if told is None:
        return None
    error_type = str(view.attributes.get(ERROR_TYPE) or TOOL_ERROR)
    return {"error_type": error_type, "message": told, "stacktrace": None}
