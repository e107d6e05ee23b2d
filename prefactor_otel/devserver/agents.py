"""Operations on agents and on the account."""

from typing import Any, Final

from prefactor_otel.devserver import views
from prefactor_otel.devserver.account import Account, now
from prefactor_otel.devserver.errors import invalid_action, invalid_field, not_found
from prefactor_otel.devserver.form import Form, Json
from prefactor_otel.devserver.paging import enveloped, flattened, listing, read_page
from prefactor_otel.devserver.store import Row

_SORTABLE: Final = ("id", "name", "inserted_at", "updated_at")
_OWNERS: Final = ("owner_person_id", "risk_profile_id", "team_id")
_PFID_BATCH: Final = 1000


def _row(account: Account, agent_id: str) -> Row:
    row = account.store.get("agent", agent_id)
    if row is None:
        raise not_found("agent")
    return row


def _shown(account: Account, agent_id: str) -> Json:
    return {"details": views.agent(account, _row(account, agent_id))}


def create(account: Account, target: str, fields: Json) -> Json:
    form = Form(fields)
    agent_id = form.identifier("id", account.partition)
    row: Row = {"name": form.text("name", required=True, limit=255)}
    for name in ("description", "external_identifier", *_OWNERS):
        row[name] = form.text(name)
    _check_risk_profile(form, row)
    if agent_id and account.store.holds("agent", agent_id):
        form.refuse("id", "has already been taken")
    name = row["external_identifier"]
    if name is not None and account.store.find("agent", external_identifier=name):
        form.refuse("external_identifier", "has already been taken")
    form.check()
    row["id"] = agent_id or account.ids.new()
    row["inserted_at"] = row["updated_at"] = now()
    account.store.insert("agent", row)
    return _shown(account, row["id"])


def update(account: Account, target: str, fields: Json) -> Json:
    """Changes what is given. The external identifier stays as it was made (API contract)."""
    _row(account, target)
    form = Form(fields)
    changes: dict[str, Any] = {}
    if "name" in fields:
        changes["name"] = form.text("name", required=True, limit=255)
    for name in ("description", *_OWNERS):
        if name in fields:
            changes[name] = form.text(name)
    _check_risk_profile(form, changes)
    if "external_identifier" in fields:
        form.refuse("external_identifier", "cannot be changed")
    form.check()
    account.store.update("agent", target, changes | {"updated_at": now()})
    return _shown(account, target)


def _check_risk_profile(form: Form, row: Row) -> None:
    """An agent's risk profile must exist, and here there are none."""
    if row.get("risk_profile_id") is not None:
        form.refuse("risk_profile_id", "does not exist")


def read(account: Account, target: str, fields: Json) -> Json:
    return _shown(account, target)


def show(account: Account, target: str, fields: Json) -> Json:
    """By exactly one of the two names that an agent has."""
    form = Form(fields)
    names = {name: form.text(name) for name in ("agent_id", "external_identifier")}
    with_counts = form.flag("include_counts")
    form.flag("include_risk_rollup")
    form.check()
    given = {name: value for name, value in names.items() if value is not None}
    if len(given) != 1:
        raise invalid_field("agent_id", "exactly one of agent_id, external_identifier is required")
    if "agent_id" in given:
        row: Row | None = _row(account, given["agent_id"])
    else:
        row = account.store.find("agent", **given)
    if row is None:
        raise not_found("agent", "external_identifier")
    return {"details": views.agent(account, row, with_counts=bool(with_counts))}


def index(account: Account, target: str, fields: Json) -> Json:
    fields = flattened(fields)
    form = Form(fields)
    page = read_page(fields, form, _SORTABLE)
    where = {f"{name} =": form.text(name) for name in _OWNERS if fields.get(name) is not None}
    form.check()
    return listing(account, "agent", where, page, views.agent)


def retire(account: Account, target: str, fields: Json) -> Json:
    return _set_retired(account, target, True)


def reinstate(account: Account, target: str, fields: Json) -> Json:
    return _set_retired(account, target, False)


def _set_retired(account: Account, agent_id: str, retired: bool) -> Json:
    if bool(_row(account, agent_id)["retired"]) == retired:
        raise invalid_action(f"the agent is {'already' if retired else 'not'} retired")
    account.store.update("agent", agent_id, {"retired": retired, "updated_at": now()})
    return _shown(account, agent_id)


def delete(account: Account, target: str, fields: Json) -> Json:
    """Only an agent without runs, lest their spans hang in the air. The contract is silent."""
    shown = _shown(account, target)
    if account.store.find("agent_instance", agent_id=target):
        raise invalid_action("an agent with runs is retired, not deleted")
    account.store.delete("agent", target)
    return shown


def account_list(account: Account, target: str, fields: Json) -> Json:
    form = Form(fields)
    page = read_page(fields, form, _SORTABLE)
    form.check()
    return listing(account, "account", {}, page, lambda _, row: views.account_summary(row))


def account_read(account: Account, target: str, fields: Json) -> Json:
    row = account.store.get("account", target)
    if row is None:
        raise not_found("account")
    return {"details": views.account_summary(row)}


def account_update(account: Account, target: str, fields: Json) -> Json:
    account_read(account, target, fields)
    form = Form(fields)
    name = form.text("name", required=True, limit=255)
    form.check()
    account.store.update("account", target, {"name": name, "updated_at": now()})
    return account_read(account, target, fields)


def risk_profiles(account: Account, target: str, fields: Json) -> Json:
    """There are none here; readers ask all the same."""
    form = Form(fields)
    page = read_page(fields, form, _SORTABLE)
    form.check()
    return enveloped([], 0, page)


def ping(account: Account, target: str, fields: Json) -> Json:
    return {"details": {"token_type": "api", "account_id": account.id}}


def generate_pfids(account: Account, target: str, fields: Json) -> Json:
    form = Form(fields)
    count = form.number("count", 1, 1, _PFID_BATCH)
    if form.text("account_id") not in (None, account.id):
        form.refuse("account_id", "is not this token's account")
    form.check()
    return {"details": {"pfids": [account.ids.new() for _ in range(count)]}}
