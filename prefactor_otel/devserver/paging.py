"""Lists: which page, in which order, and the envelope around it (API contract, pagination)."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from prefactor_otel.devserver.account import Account
from prefactor_otel.devserver.form import Form, Json
from prefactor_otel.devserver.store import Row

PAGE_LIMIT: Final = 100
_OFFSET_LIMIT: Final = 2**53


@dataclass(frozen=True, slots=True)
class Page:
    """What was asked for. Without a field: the order of arrival, oldest first."""

    offset: int
    size: int
    field: str | None
    direction: str


def read_page(fields: Mapping[str, Any], form: Form, sortable: Collection[str]) -> Page:
    """Accepts ``sorting[field]`` with ``sorting[direction]``, and ``sorting=-id``."""
    offset = form.number("pagination[offset]", 0, 0, _OFFSET_LIMIT)
    size = form.number("pagination[page_size]", PAGE_LIMIT, 1, PAGE_LIMIT)
    bare = fields.get("sorting")
    if isinstance(bare, str):
        bare_form = Form({"sorting": bare.removeprefix("-")})
        field = bare_form.choice("sorting", sortable)
        form.absorb(bare_form)
        return Page(offset, size, field, "desc" if bare.startswith("-") else "asc")
    field = form.choice("sorting[field]", sortable)
    direction = form.choice("sorting[direction]", ("asc", "desc"))
    return Page(offset, size, field, direction or "asc")


def flattened(fields: Mapping[str, Any]) -> Json:
    """Bulk items may nest ``{"pagination": {"offset": 0}}``; queries have it flat already."""
    flat: Json = {}
    for name, value in fields.items():
        if isinstance(value, dict):
            flat |= {f"{name}[{inner}]": each for inner, each in value.items()}
        else:
            flat[name] = value
    return flat


def listing(
    account: Account,
    table: str,
    where: Mapping[str, Any],
    page: Page,
    view: Callable[[Account, Row], Json],
) -> Json:
    """The list envelope. An offset past the end is an empty page, not a fault."""
    order = (page.field or "seq", page.direction)
    count, rows = account.store.page(table, where, order, (page.offset, page.size))
    return enveloped([view(account, row) for row in rows], count, page)


def enveloped(summaries: list[Json], count: int, page: Page) -> Json:
    end = page.offset + len(summaries)
    return {
        "summaries": summaries,
        "pagination": {
            "item_count": count,
            "item_start": page.offset + 1 if summaries else 0,
            "item_end": end if summaries else 0,
            "page_count": -(-count // page.size),
            "page_index": page.offset // page.size + 1,
            "page_offset": page.offset,
            "page_size": page.size,
            "next_page_offset": end if end < count else None,
            "previous_page_offset": max(0, page.offset - page.size) if page.offset else None,
        },
        "sorting": {"field": page.field or "inserted_at", "direction": page.direction},
    }
