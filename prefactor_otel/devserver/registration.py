"""Registering an agent instance; versions and schemas come into being on the way."""

from hashlib import blake2b
from typing import Any

import orjson

from prefactor_otel.devserver import rules, views
from prefactor_otel.devserver.account import UNNAMED, Account, now
from prefactor_otel.devserver.declared import check_definition, check_version
from prefactor_otel.devserver.errors import invalid_action, not_found
from prefactor_otel.devserver.form import Form, Json
from prefactor_otel.devserver.store import Row


def register(account: Account, target: str, fields: Json) -> Json:
    """A pending instance, with the address of its page, as only this server tells it. The token
    counts as both account-wide and deployment token: without an environment the default one is
    meant, and without an agent the one that is called as the run says."""
    form = Form(fields)
    agent_id = form.identifier("agent_id", account.partition)
    environment_id = form.identifier("environment_id", account.partition)
    version = check_version(form, "agent_version")
    definition = check_definition(form, "agent_schema_version")
    instance_id = form.identifier("id", account.partition)
    update_current = form.flag("update_current_version")
    row: Row = {
        "purpose": form.choice("purpose", rules.PURPOSES) or "live",
        "external_identifier": form.text("external_identifier"),
    }
    if agent_id is None:
        named = (version or {}).get("name") if update_current is not False else None
        agent_id = _agent_called(account, named)
    _check_unique(account, form, instance_id, agent_id, row["external_identifier"])
    form.check()
    row |= {"agent_id": agent_id, "environment_id": environment_id or account.environment_id}
    _check_owners(account, row)
    row["id"] = instance_id or account.ids.new()
    row["agent_version_id"] = _version(account, agent_id, version or {})
    row["agent_schema_version_id"] = _schema_version(account, agent_id, definition)
    row["agent_deployment_id"] = _deployment(account, row, update_current is not False)
    row |= {"status": "pending", "quality_payloads": {}}
    row["inserted_at"] = row["updated_at"] = now()
    account.store.insert("agent_instance", row)
    inserted = account.store.get("agent_instance", row["id"])
    assert inserted is not None
    name = (version or {}).get("name") or account.store.value("agent", agent_id, "name")
    account.on_run(row["id"], name, row["purpose"])
    page = account.page()
    url = f"{page}/#/run/{row['id']}" if page is not None else None
    return {"details": {**views.instance(account, inserted), "url": url}}


def _agent_called(account: Account, name: str | None) -> str:
    """The agent of this name, made when a run first reports it. The default one has the name that
    was first reported; once somebody names it by hand, it is meant by all that name no agent, as a
    deployment token means one."""
    store, default = account.store, account.agent_id
    known = store.value("agent", default, "name")
    if name is None or name == known:
        return default
    if known == UNNAMED:
        store.update("agent", default, {"name": name, "updated_at": now()})
        return default
    if store.find("agent_version", agent_id=default, name=known) is None:
        return default
    found = store.find("agent", name=name)
    if found is not None:
        return str(found["id"])
    moment = now()
    row: Row = {"id": account.ids.new(), "name": name, "inserted_at": moment, "updated_at": moment}
    store.insert("agent", row)
    return str(row["id"])


def _check_unique(
    account: Account, form: Form, instance_id: str | None, agent_id: str, name: str | None
) -> None:
    if instance_id and account.store.holds("agent_instance", instance_id):
        form.refuse("id", "has already been taken")
    if name is not None and account.store.find(
        "agent_instance", agent_id=agent_id, external_identifier=name
    ):
        form.refuse("external_identifier", "has already been taken")


def _check_owners(account: Account, row: Row) -> None:
    agent = account.store.get("agent", row["agent_id"])
    if agent is None:
        raise not_found("agent", "agent_id")
    if agent["retired"]:
        raise invalid_action("the agent is retired", "agent_id")
    if not account.store.holds("environment", row["environment_id"]):
        raise not_found("environment", "environment_id")


def _version(account: Account, agent_id: str, version: Json) -> str:
    """The version of that name, made when it is new. What else is said of a known one is news."""
    name = version.get("external_identifier")
    found = account.store.find("agent_version", agent_id=agent_id, external_identifier=name)
    changes: dict[str, Any] = {
        key: version[key]
        for key in ("name", "description", "runtime_environment")
        if version.get(key) is not None
    }
    if found is None:
        row = {"id": account.ids.new(), "agent_id": agent_id, "external_identifier": name}
        account.store.insert("agent_version", row | changes)
        return str(row["id"])
    if changes:
        account.store.update("agent_version", found["id"], changes)
    return str(found["id"])


def _schema_version(account: Account, agent_id: str, definition: Json | None) -> str:
    """The run's own schema. One without any gets the agent's latest; other content under a
    known name is a schema of its own, so each run is held to what itself declared."""
    if definition is None:
        latest = account.store.find("agent_schema_version", agent_id=agent_id)
        if latest is not None:
            return str(latest["id"])
        definition = {}
    content = orjson.dumps(definition, option=orjson.OPT_SORT_KEYS)
    digest = blake2b(content, digest_size=16).hexdigest()
    found = account.store.find("agent_schema_version", agent_id=agent_id, digest=digest)
    if found is not None:
        return str(found["id"])
    row: Row = {"id": account.ids.new(), "agent_id": agent_id, "digest": digest}
    row |= {
        "external_identifier": definition.get("external_identifier"),
        "definition": definition,
    }
    account.store.insert("agent_schema_version", row)
    return str(row["id"])


def _deployment(account: Account, instance: Row, update_current: bool) -> str:
    place = {name: instance[name] for name in ("agent_id", "environment_id")}
    current = {"current_version_id": instance["agent_version_id"]}
    found = account.store.find("agent_deployment", **place)
    if found is None:
        row = {"id": account.ids.new(), **place, **(current if update_current else {})}
        account.store.insert("agent_deployment", row)
        return str(row["id"])
    if update_current:
        account.store.update("agent_deployment", found["id"], current)
    return str(found["id"])
