"""What the page asks for: a list of runs, one run, its spans in a row each, one span whole."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import orjson

from prefactor_otel.devserver import reading, rules, views
from prefactor_otel.devserver.account import Account
from prefactor_otel.devserver.declared import qualities
from prefactor_otel.devserver.errors import ApiError, not_found
from prefactor_otel.devserver.form import Form, Json
from prefactor_otel.devserver.reasons import reasons
from prefactor_otel.devserver.search import queries
from prefactor_otel.devserver.store import Row, Store

PAGE: Final = 100
_LARGEST: Final = 500
_BEYOND: Final = 2**62
_AT_ONCE: Final = 500
"""Rows of a run that are read at a time."""

_RUN: Final = """
    SELECT run.seq, run.id, run.agent_id, agent.name AS agent_name, run.status, run.purpose,
        run.started_at, run.finished_at, run.termination_reason, total.*,
        (SELECT count(*) FROM alert
            WHERE agent_instance_id = run.id AND status = 'raised') AS alerts
    FROM agent_instance AS run
    JOIN run_total AS total ON total.agent_instance_id = run.id
    LEFT JOIN agent ON agent.id = run.agent_id
"""
_SHOWN: Final = (
    *("id", "agent_id", "agent_name", "status", "purpose", "started_at", "finished_at", "spans"),
    *("errors", "question", "alerts", "termination_reason"),
)
_COUNTS: Final = ("input", "output", "cached", "reasoning", "total")
_HOLDS: Final = """run.id IN (
    SELECT agent_instance_id FROM span_outline
    WHERE seq IN (SELECT rowid >> 1 FROM span_text WHERE span_text MATCH ?))"""


def runs(account: Account, fields: Mapping[str, Any]) -> Json:
    """The runs that fit, newest first, from a cursor on. What is empty is not asked for."""
    form = Form({name: value for name, value in fields.items() if value})
    where: list[tuple[str, Any]] = [
        ("run.status = ?", form.choice("status", rules.RUN_STATUSES)),
        ("run.purpose = ?", form.choice("purpose", rules.PURPOSES)),
        ("run.agent_id = ?", form.text("agent")),
    ]
    typed = form.text("q")
    before = form.number("before", _BEYOND, 0, _BEYOND)
    limit = form.number("limit", PAGE, 1, _LARGEST)
    form.check()
    store = account.store
    fits = [(condition, value) for condition, value in where if value]
    fits += [(_HOLDS, query) for query in _queries(store, typed)]
    if typed and typed.strip() and not any(condition is _HOLDS for condition, _ in fits):
        fits.append(("run.id = ?", ""))  # nothing that could be found was typed
    condition = " AND ".join(condition for condition, _ in fits) or "TRUE"
    values = [value for _, value in fits]
    with store.transaction():
        [(total,)] = store.rows(
            f"SELECT count(*) FROM agent_instance AS run WHERE {condition}", *values
        )
        found = store.rows(
            f"{_RUN} WHERE run.seq < ? AND {condition} ORDER BY run.seq DESC LIMIT ?",
            *(before, *values, limit + 1),
        )
        agents = store.rows("SELECT id, name FROM agent ORDER BY name, seq")
        return {
            "runs": [run_row(row) for row in found[:limit]],
            "next": str(found[limit - 1]["seq"]) if len(found) > limit else None,
            "total": total,
            "agents": [{"id": row["id"], "name": row["name"]} for row in agents],
            "seq": last_change(store),
        }


def _queries(store: Store, typed: str | None) -> list[str]:
    if not typed or not typed.strip():
        return []
    if not store.can_search:
        raise ApiError(
            501,
            "no_search",
            "This Python's SQLite has no full text search (FTS5): use another Python to search",
        )
    return queries(typed)


def run_row(row: Any) -> Json:
    """A run in a row of the list."""
    return {name: row[name] for name in _SHOWN} | {
        "tokens": {name: row[name] for name in ("input", "output", "total")},
    }


def changed_runs(store: Store, after: int, limit: int) -> list[Any]:
    """Rows of the runs that have changed since, in that order. Inside a transaction."""
    sql = f"{_RUN} WHERE total.changed > ? ORDER BY total.changed LIMIT ?"
    return [*store.rows(sql, after, limit)]


def last_change(store: Store) -> int:
    """The number of the newest change. Inside a transaction."""
    [(last,)] = store.rows("SELECT coalesce(max(changed), 0) FROM run_total")
    return int(last)


def run(account: Account, run_id: str) -> Json:
    """A run, with what was asked and answered, and what it came to."""
    store = account.store
    with store.transaction():
        found = store.rows(f"{_RUN} WHERE run.id = ?", run_id)
        instance = store.get("agent_instance", run_id)
        if not found or instance is None:
            raise not_found("agent instance")
        [row] = found
        asked, answered = (_span_at(account, row[name]) for name in ("asked_by", "answered_by"))
        version = store.get("agent_schema_version", instance["agent_schema_version_id"])
        definition = version["definition"] if version else {}
        quality = instance["quality_payloads"].items()
        _, alerts = store.page("alert", {"agent_instance_id =": run_id}, ("seq", "desc"))
        totals = {name: row[name] for name in _COUNTS}
        return {
            "run": run_row(row),
            "instance": views.instance(account, instance),
            "question": asked and reading.question_in(asked),
            "answer": answered and reading.answer_in(answered),
            "totals": totals | {"models": orjson.loads(row["models"])},
            "quality": [{"name": name, "payload": payload} for name, payload in quality],
            "qualities": qualities(definition),
            "alerts": [views.alert(account, alert) for alert in alerts],
            "seq": last_change(store),
        }


def _span_at(account: Account, seq: int | None) -> Json | None:
    row: Row | None = None if seq is None else account.store.find("agent_span", seq=seq)
    return None if row is None else views.span(account, row)


def spans(account: Account, run_id: str) -> Iterator[bytes]:
    """All spans of a run in a row each, in the order of their arrival: a parent before its
    children. Their JSON is stored as it is sent. It comes in pieces, of which the first are
    empty: between two, whoever else waits for the store has it."""
    store = account.store
    with store.transaction():
        if not store.holds("agent_instance", run_id):
            raise not_found("agent instance")
        seq = last_change(store)
    outlines: dict[int, str] = {}
    changed, is_all = -1, False
    while not is_all:
        with store.transaction():  # what changes meanwhile is behind what was read, and comes anew
            rows = store.rows(
                "SELECT seq, changed, outline FROM span_outline"
                " WHERE agent_instance_id = ? AND changed > ? ORDER BY changed LIMIT ?",
                *(run_id, changed, _AT_ONCE),
            )
        outlines |= {row["seq"]: row["outline"] for row in rows}
        is_all = len(rows) < _AT_ONCE
        changed = rows[-1]["changed"] if rows else changed
        yield b""
    arrived = ",".join(outlines[each] for each in sorted(outlines))
    yield f'{{"spans":[{arrived}],"seq":{seq}}}'.encode()


def span(account: Account, span_id: str) -> Json:
    """A span with everything that it carries."""
    with account.store.transaction():
        row = account.store.get("agent_span", span_id)
        if row is None:
            raise not_found("agent span")
        shown = views.span(account, row)
    why = reasons(shown["payload"])
    return {"span": shown, "why": why, "agent_instance_id": shown["agent_instance_id"]}
