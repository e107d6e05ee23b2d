"""What JSON says of spans, checked and converted: where in a document it is wrong, without quoting
any content, and the types of the fields that every format has."""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Final, TypeVar

from pydantic import BaseModel, BeforeValidator, ValidationError

from prefactor_otel.spans.documents import Documents
from prefactor_otel.spans.view import SpanKey, StatusName

_STATUS: Final[dict[str, StatusName]] = {"1": "ok", "OK": "ok", "2": "error", "ERROR": "error"}

NO_SPANS: Final = "it holds no spans"
Place = tuple[str | int, ...]
"""Where in a document something stands."""
M = TypeVar("M", bound=BaseModel)
_TOLD: Final = 12
"""Steps of a place that are told."""


def members(documents: Documents, place: Place) -> Iterator[str]:
    """Open the object that stands here: the name of each member."""
    if documents.peek() not in ("{", ""):
        documents.value()  # if that is JSON
        raise ValueError(f"{_dotted(place)}: must be an object" if place else NO_SPANS)
    return documents.members()


def elements(documents: Documents, place: Place) -> Iterator[Place]:
    """Open the list that stands here: the place of each element."""
    if documents.peek() not in ("[", ""):
        raise ValueError(f"{_dotted(place)}: must be a list")
    return ((*place, number) for number in documents.elements())


def checked(model: type[M], value: object, place: Place) -> M:
    """A value as what it must be. Raises ``ValueError``, saying where it is not."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        is_no_object = first["type"] in ("model_type", "model_attributes_type", "dict_type")
        why = "must be an object" if is_no_object else first["msg"].removeprefix("Value error, ")
        where = _dotted((*place, *first["loc"]))
        raise ValueError(f"{where}: {why}" if where else why) from None


def _dotted(place: Place) -> str:
    """A place as it is told; of one that lies deep no more than where the way to it begins."""
    steps = [str(step) for step in place]
    return ".".join(steps if len(steps) <= _TOLD else (*steps[:_TOLD], "…"))


def _no_null(value: object, default: object) -> object:
    return default if value is None else value


def _number(text: object) -> int:
    try:
        return int(str(text), 16)
    except ValueError:
        raise ValueError("an id has hexadecimal digits only") from None


def _nanoseconds(moment: object) -> object:
    if not isinstance(moment, str):
        return moment
    try:
        return round(datetime.fromisoformat(moment).timestamp() * 1_000_000) * 1000
    except ValueError:
        raise ValueError("a time is written in ISO 8601") from None


Id = Annotated[int, BeforeValidator(_number)]
ParentId = Annotated[int | None, BeforeValidator(lambda text: _number(text) if text else None)]
Text = Annotated[str, BeforeValidator(lambda text: _no_null(text, ""))]
Plain = Annotated[dict[str, object], BeforeValidator(lambda values: _no_null(values, {}))]
Moment = Annotated[int | None, BeforeValidator(_nanoseconds)]


def key_or_none(trace_id: int, span_id: int | None) -> SpanKey | None:
    """The key of a span that may not be named."""
    return SpanKey(trace_id, span_id) if span_id is not None else None


def status_of(code: str) -> StatusName:
    """The status of a code, by its number or name."""
    return _STATUS.get(code, "unset")
