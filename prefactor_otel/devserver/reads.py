"""The read endpoints, as the platform's own readers use them."""

from collections.abc import Mapping
from typing import Final

from prefactor_otel.devserver import rules
from prefactor_otel.devserver.operations import agent, details, show_agent
from prefactor_otel.devserver.rules import Json
from prefactor_otel.devserver.store import SORTABLE, Store

MAX_PAGE: Final = 100
Query = Mapping[str, str]


def account(store: Store) -> Json:
    """The one account, as a list."""
    return _list([{"type": "account", "id": store.account_id, "name": "Local account"}])


def risk_profiles(store: Store) -> Json:
    """None are kept here."""
    return _list([])


def alerts_count(store: Store) -> Json:
    """No alerts are raised here."""
    return {"status": "success", "count": 0}


def agents(store: Store, query: Query) -> Json:
    """A page of agents."""
    return _page(store, "agent", {}, query)


def agent_shown(store: Store, query: Query) -> Json:
    """One agent, with the counts that were asked for."""
    answer = show_agent(store, dict(query))
    if query.get("include_counts") == "true":
        answer["details"] = answer["details"] | {
            "instance_counts": _instance_counts(store, answer["details"]["id"])
        }
    return answer


def agent_detail(store: Store, agent_id: str) -> Json:
    """One agent."""
    return details(agent(store, {"agent_id": agent_id}))


def instances(store: Store, query: Query) -> Json:
    """A page of an agent's runs; an unknown agent has none."""
    if "agent_id" not in query:
        raise rules.invalid("agent_id", "is required")
    filters = {n: query[n] for n in ("agent_id", "agent_version_id") if n in query}
    return _page(store, "agent_instance", filters, query)


def instance_detail(store: Store, instance_id: str) -> Json:
    """One run, with its counts."""
    document = store.get("agent_instance", instance_id)
    if document is None:
        raise rules.not_found("the agent instance")
    return details(document | instance_counts(store, instance_id))


def instance_counts(store: Store, instance_id: str) -> Json:
    """How many spans a run has, by status and by type."""
    by_status = store.span_counts(instance_id, "status")
    counts = {name: by_status.get(name, 0) for name in ("active", *rules.SPAN_FINISHED)}
    counts["total"] = sum(by_status.values())
    counts["finished"] = sum(counts[name] for name in rules.SPAN_FINISHED)
    return {
        "span_counts": counts,
        "span_schema_counts": store.span_counts(instance_id, "schema_name"),
        "cost_breakdown": None,
    }


def spans(store: Store, query: Query) -> Json:
    """A page of the spans of a run or of an agent."""
    filters = {n: query[n] for n in ("agent_instance_id", "agent_id") if n in query}
    if not filters:
        raise rules.invalid("agent_instance_id", "or agent_id is required")
    return _page(store, "agent_span", filters, query)


def _instance_counts(store: Store, agent_id: str) -> Json:
    rows, total = store.page("agent_instance", {"agent_id": agent_id})
    counts: Json = {"total": total}
    for name in ("pending", "active", *rules.INSTANCE_FINISHED):
        counts[name] = sum(row["status"] == name for row in rows)
    counts["finished"] = sum(counts[name] for name in rules.INSTANCE_FINISHED)
    return counts


def _list(rows: list[Json]) -> Json:
    return {"status": "success", "summaries": rows, "pagination": None, "sorting": None}


def _page(store: Store, table: str, filters: dict[str, str], query: Query) -> Json:
    offset = _number(query, "pagination[offset]", 0, 0, 2**53)
    size = _number(query, "pagination[page_size]", MAX_PAGE, 1, MAX_PAGE)
    field, descending = _sorting(query)
    rows, total = store.page(
        table, filters, offset=offset, size=size, sort=field, descending=descending
    )
    after = offset + len(rows)
    return {
        "status": "success",
        "summaries": rows,
        "pagination": {
            "item_count": total,
            "item_start": offset + 1 if rows else 0,
            "item_end": after if rows else 0,
            "page_count": -(-total // size),
            "page_index": offset // size + 1,
            "page_offset": offset,
            "page_size": size,
            "next_page_offset": after if rows and after < total else None,
            "previous_page_offset": max(0, offset - size) if offset else None,
        },
        "sorting": {"field": field, "direction": "desc" if descending else "asc"},
    }


def _sorting(query: Query) -> tuple[str, bool]:
    """Both forms: ``sorting[field]`` with ``sorting[direction]``, and ``sorting=-id``."""
    bare = query.get("sorting", "")
    field = query.get("sorting[field]") or bare.lstrip("-") or "id"
    if field not in SORTABLE:
        raise rules.invalid("sorting", f"must be by one of {', '.join(SORTABLE)}")
    direction = query.get("sorting[direction]") or ("desc" if bare.startswith("-") else "asc")
    if direction not in ("asc", "desc"):
        raise rules.invalid("sorting", "must be asc or desc")
    return field, direction == "desc"


def _number(query: Query, name: str, default: int, lowest: int, highest: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    if not text.isdecimal() or not lowest <= int(text) <= highest:
        raise rules.invalid(name, f"must be a whole number from {lowest} to {highest}")
    return int(text)
