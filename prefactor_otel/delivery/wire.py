"""How items become the members of a bulk request (API contract, bulk), and what is left of those
that are refused."""

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain
from operator import itemgetter
from typing import Any, Final, NamedTuple

import orjson

from prefactor_otel.delivery.joining import UNNAMED, is_named, with_name
from prefactor_otel.delivery.operation import FinishStatus, Item, Operation, SpanRef
from prefactor_otel.delivery.storage import Storage
from prefactor_otel.host.pace import sliced
from prefactor_otel.payload.encode import fitted
from prefactor_otel.stats.counters import DropReason
from prefactor_otel_transport.pfid import encode_all

IN_A_ROW: Final = 128
"""Items that are encoded or accounted for without a pause: less than half a millisecond."""


_ID: Final = "\0"


def page_of(url: str, instance_id: str) -> str:
    """The address of a run's page without its id: one text for all runs, of which there are
    many."""
    return sys.intern(url.replace(instance_id, _ID))


class Kept(NamedTuple):
    """What registers a run, kept for the one that may have to follow that: also on disk, where it
    was there."""

    item: Item
    file: Storage | None = None
    seqs: tuple[int, ...] = ()


@dataclass(slots=True)
class RunRecord:
    """What the API has said of a run: its instance's id, and how spans of it are named.

    ``partition`` is None where the server makes the ids (the instance's id is no PFID, or ids of
    ours were refused); then ``server_ids`` holds those of the spans created so far.
    """

    instance_id: str
    partition: int | None
    ids_accepted: bool = False
    server_ids: dict[SpanRef, str] | None = None
    ended_as: DropReason | None = None
    """How the platform has ended it, as far as that was asked for and is known."""
    is_shut: bool = False
    """Whether it has refused a new span for that. An end it refuses of spans that it has closed
    itself, and goes on to take new ones."""
    is_terminated: bool = False
    """Whether the platform has said that it was terminated; then spans are still taken."""
    is_finished: bool = False
    """Whether it is known to be over, or its end was refused, which is counted."""
    kept: Kept | None = None
    """Of a run that other processes may end: what another would be registered with."""
    since: int = 0
    """How many runs had been followed when it came to be."""
    page: str | None = None
    """The address of its page, where the platform has told one, as ``page_of`` keeps it."""

    @property
    def url(self) -> str | None:
        """That address."""
        return self.page and self.page.replace(_ID, self.instance_id)

    @property
    def is_named(self) -> bool:
        """Whether we make the ids of its spans."""
        return self.partition is not None

    def learn_id(self, ref: SpanRef, server_id: str) -> None:
        """A span has this id there."""
        if self.server_ids is None:
            self.server_ids = {}
        self.server_ids[ref] = server_id

    def can_name(self, ref: SpanRef | None) -> bool:
        """Whether a span that an item must name, if any, has an id by now."""
        return ref is None or self.partition is not None or ref in (self.server_ids or ())


def shrunk(item: Item, max_bytes: int) -> Item:
    """The item with its largest fields cut until its body takes at most ``max_bytes``."""
    body = fitted(b"{" + item.body + b"}", max_bytes)[1:-1]
    return Item(item.run, item.operation, item.key, body, item.span, item.parent, item.ends_span)


_END: Final = ("status", "timestamp")


def end_alone(item: Item) -> Item:
    """What finishes a span and says no more than how and when: what it ended with is lost, and it
    does not stay open on the platform for that. The same item always gets the same."""
    content = _content(item.unpacked())
    end = {name: content[name] for name in _END if name in content}
    # Another body needs another key: of those of spans 61 to 63 characters are taken, of 64.
    key = item.key if len(end) == len(content) else f"{item.key}e"
    body = orjson.dumps(end)[1:-1]
    return item._replace(key=key, body=body, ends_span=False)


class Cut(StrEnum):
    """What a registration goes without after the API has refused it; its key ends with these."""

    TYPES = "-plain"
    """Schemas and texts of span types."""
    KEY = "-own"
    """Nothing, but under another key: this one was used with another body before."""
    IDENTIFIER = UNNAMED
    """The run's ``external_identifier``: one that another run of the agent has is refused."""


_TYPES: Final = re.compile(r"(agent_schema_version\.)?span_type_schemas(\.(?P<number>\d+)\b.*)?")
_DECLARATION: Final = "agent_schema_version"
_IDENTIFIER: Final = "external_identifier"
_KEPT: Final = ("name", "data_risk")


def plainer(item: Item, refused: Sequence[str]) -> tuple[Item, list[Cut]]:
    """The registration without what is among the ``refused`` fields and can be left out, and what
    that is: nothing, where it is about something else or has been left out already."""
    content, cuts = _content(item._replace(body=with_name(item))), list[Cut]()
    for cut, leave_out in _LEAVING_OUT.items():
        if cut not in item.key and leave_out(content, refused):
            cuts.append(cut)
    if is_named(item):  # it is put in where that is sent
        content.pop(_IDENTIFIER, None)
    key = item.key + "".join(cuts)  # other content needs another key
    return item._replace(key=key, body=orjson.dumps(content)[1:-1]), cuts


def _leave_out_types(content: dict[str, Any], refused: Sequence[str]) -> bool:
    """Cut the types that are named; all, where the API does not say which."""
    found = [match for match in map(_TYPES.fullmatch, refused) if match is not None]
    if not (found or _DECLARATION in refused):
        return False
    version = content[_DECLARATION]
    types = version["span_type_schemas"]
    numbers = {int(match["number"]) for match in found if match["number"]}
    for number in numbers or range(len(types)):
        if number < len(types):
            kept = {word: types[number][word] for word in _KEPT if word in types[number]}
            types[number] = kept | {"params_schema": {"type": "object"}}
    version[_IDENTIFIER] += Cut.TYPES  # other content is another version
    return True


def _leave_out_identifier(content: dict[str, Any], refused: Sequence[str]) -> bool:
    return _IDENTIFIER in refused and content.pop(_IDENTIFIER, None) is not None


def _leave_out_nothing(content: dict[str, Any], refused: Sequence[str]) -> bool:
    return "idempotency_key" in refused


_LEAVING_OUT: Final = {
    Cut.TYPES: _leave_out_types,
    Cut.KEY: _leave_out_nothing,
    Cut.IDENTIFIER: _leave_out_identifier,
}


_CANCELLED: Final = b'"status":"cancelled"'
_ENDING: Final = (Operation.CREATE, Operation.FINISH_SPAN, Operation.FINISH_RUN)


def is_cancelled(item: Item) -> bool:
    """Whether the item is to end its span or run as cancelled."""
    if item.operation not in _ENDING or _CANCELLED not in item.body:
        return False  # almost all: a large body is read once at most
    return bool(_content(item).get("status") == "cancelled")


def as_failed(item: Item) -> Item:
    """The same for an API that takes ``cancelled`` only of what never began: ends the span as
    failed, with the error type ``Cancelled``, and still says in the payload that it was
    cancelled. Another body needs another key; the same item always gets the same."""
    content = _content(item)
    if item.operation is not Operation.FINISH_RUN:
        _tell(content)
    return _ending_as(item, content, "failed")


def ended_otherwise(item: Item, shown: str | None) -> Item | None:
    """What finishes a run after the API has refused this, and shows it with this status that is
    no end: as cancelled what is pending, else as failed. None where enough has been tried."""
    marks = _MARKS.search(item.key)
    changes = len(marks[0]) // 2 if marks is not None else 0
    if changes >= (1 if shown is None else 2):
        return None
    return _ending_as(item, _content(item), "cancelled" if shown == "pending" else "failed")


_MARKS: Final = re.compile(r"(-[fc])+$")
"""What is added to a key with each change: of what ends as failed or cancelled instead. Keys of
spans have 61 characters, and may have 64."""


def _ending_as(item: Item, content: dict[str, Any], status: FinishStatus) -> Item:
    body = orjson.dumps(content | {"status": status})[1:-1]
    return item._replace(key=f"{item.key}-{status[0]}", body=body)


def _tell(content: dict[str, Any]) -> None:
    """Say of a span that ends as failed that it was cancelled."""
    payload, result = content.get("payload"), content.get("result_payload")
    result = result if isinstance(result, dict) else {}
    if isinstance(payload, dict):
        known = payload.get("error")
        error = _cancellation(known if isinstance(known, dict) else {})
        payload["error"] = error
        content["result_payload"] = result | error
    else:  # what was created early says in its result what its payload could not say yet
        error = _cancellation(result)
        content["result_payload"] = result | error | {"status": "cancelled"}


def _cancellation(known: Mapping[str, object]) -> dict[str, object]:
    """The error of what was cancelled, with what is known of it: any of that may be marked as
    sensitive, and stays as it is."""
    kind = known.get("error_type")
    error: dict[str, object] = {
        "error_type": "Cancelled",
        "message": known.get("message") or "It was cancelled before it had ended.",
        "stacktrace": known.get("stacktrace"),
    }
    return error if kind is None else error | {"cause": kind}


def _content(item: Item) -> dict[str, Any]:
    content: dict[str, Any] = orjson.loads(b"{" + item.body + b"}")
    return content


def bulk_body(items: Sequence[Item], records: Mapping[str, RunRecord | None]) -> bytes:
    """The body of a bulk request, as JSON. What items name by ref has an id by now, or is created
    by one of them."""
    known = _known(items, records)
    pieces: list[bytes] = []
    for run, operation, key, body, span, parent, _ in chain.from_iterable(sliced(items, IN_A_ROW)):
        instance, ids, is_named = known[run]
        if operation is Operation.FINISH_SPAN:
            kind, details, end = "finish", f'"agent_span_id":"{ids[span]}"', b"},"
        else:
            own = f',"id":"{ids[span]}"' if is_named else ""
            above = f',"parent_span_id":"{ids[parent]}"' if parent in ids else ""
            kind, details, end = "create", f"{instance}{own}{above}", b"}},"
        head = f'{{"_type":"agent_spans/{kind}","idempotency_key":"{key}",{details},'
        pieces += head.encode(), body, end
    pieces[-1] = pieces[-1][:-1]
    # In one step: bodies can be large, and adding to one copies it.
    return b"".join((b'{"items":[', *pieces, b"]}"))


_run_of: Final = itemgetter(0)
_span_of: Final = itemgetter(4)
_parent_of: Final = itemgetter(5)
_Ids = dict[SpanRef | None, str]
_Known = tuple[str, _Ids, bool]


def _known(items: Sequence[Item], records: Mapping[str, RunRecord | None]) -> dict[str, _Known]:
    """For each run how the details of its spans begin, the ids of the spans as the inside of JSON
    strings, and whether we make them."""
    named = list({*map(_span_of, items), *map(_parent_of, items)} - {None})
    made: dict[int, _Ids] = {}
    known: dict[str, _Known] = {}
    for run in set(map(_run_of, items)):
        record = records[run]
        assert record is not None
        if record.partition is None:
            told = record.server_ids or {}
            ids: _Ids = {ref: _inside(told[ref]) for ref in named if ref in told}
        else:
            if record.partition not in made:
                texts = encode_all(named, record.partition)
                made[record.partition] = dict(zip(named, texts, strict=True))
            ids = made[record.partition]
        instance = '"details":{"agent_instance_id":' + orjson.dumps(record.instance_id).decode()
        known[run] = instance, ids, record.partition is not None
    return known


def _inside(text: str) -> str:
    return orjson.dumps(text)[1:-1].decode()
