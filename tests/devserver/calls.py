"""A caller that knows HTTP and the API's paths, and nothing of the server's insides."""

import http.client
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from prefactor_otel.devserver import DevServer
from prefactor_otel_transport import pfid

Json = dict[str, Any]

LLM = {
    "name": "test:llm",
    "title": "LLM call",
    "params_schema": {"type": "object", "properties": {"name": {"type": "string"}}},
    "result_schema": {"type": "object", "required": ["text"]},
    "template": "{{ name }} on {{ inputs.model }}",
}
TOOL = {"name": "test:tool", "params_schema": {"type": "object"}}


@dataclass(frozen=True)
class Answer:
    status: int
    body: Json
    headers: dict[str, str]

    @property
    def details(self) -> Json:
        assert self.status == 200, self.body
        assert self.body["status"] == "success"
        details: Json = self.body["details"]
        return details

    @property
    def summaries(self) -> list[Json]:
        assert self.status == 200, self.body
        rows: list[Json] = self.body["summaries"]
        return rows

    def refused(self, status: int, code: str, *fields: str) -> bool:
        """Whether this is the error envelope, naming exactly these fields."""
        shape = {"status": "error", "code": code, "message": self.body.get("message")}
        errors = self.body.get("errors", {})
        assert (self.status, sorted(errors)) == (status, sorted(fields)), self.body
        assert all(texts and all(isinstance(t, str) for t in texts) for texts in errors.values())
        return self.body == shape | ({"errors": errors} if errors else {})

    def invalid(self, *fields: str) -> bool:
        return self.refused(422, "validation_errors", *fields)


class Caller:
    """One request, one connection."""

    def __init__(self, server: DevServer) -> None:
        self.server = server

    def raw(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        timeout: float = 10.0,
    ) -> tuple[int, bytes, dict[str, str]]:
        address = urlsplit(self.server.url)
        assert address.hostname is not None
        connection = http.client.HTTPConnection(address.hostname, address.port, timeout)
        try:
            given = {"Authorization": f"Bearer {self.server.token}"}
            given |= {"Content-Type": "application/json"} | (headers or {})
            connection.request(method, path, body, given)
            response = connection.getresponse()
            return response.status, response.read(), dict(response.getheaders())
        finally:
            connection.close()

    def __call__(
        self,
        method: str,
        path: str,
        body: Any = None,
        query: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        address = path if path.startswith("/__") else f"/api/v1{path}"
        if query:
            address += f"?{urlencode(query)}"  # brackets go percent-encoded
        data = None if body is None else json.dumps(body).encode()
        status, text, received = self.raw(method, address, data, headers)
        return Answer(status, json.loads(text), received)

    def get(self, path: str, **query: Any) -> Answer:
        return self("GET", path, query=query)

    def register(self, **fields: Any) -> Answer:
        schemas = {"external_identifier": "s1", "span_type_schemas": [LLM, TOOL]}
        body: Json = {"agent_version": {"external_identifier": "v1"}}
        return self(
            "POST", "/agent_instance/register", body | {"agent_schema_version": schemas} | fields
        )

    def pending(self, **fields: Any) -> str:
        instance_id: str = self.register(**fields).details["id"]
        return instance_id

    def active(self, **fields: Any) -> str:
        instance_id = self.pending(**fields)
        assert self.start(instance_id).details["status"] == "active"
        return instance_id

    def start(self, instance_id: str, **fields: Any) -> Answer:
        return self("POST", f"/agent_instance/{instance_id}/start", fields)

    def finish(self, instance_id: str, **fields: Any) -> Answer:
        return self("POST", f"/agent_instance/{instance_id}/finish", fields)

    def terminate(self, instance_id: str, **fields: Any) -> Answer:
        return self("POST", f"/agent_instance/{instance_id}/terminate", fields)

    def span(self, instance_id: str, **fields: Any) -> Answer:
        return self("POST", "/agent_spans", {"details": span(instance_id, **fields)})

    def finish_span(self, span_id: str, **fields: Any) -> Answer:
        return self("POST", f"/agent_spans/{span_id}/finish", fields)

    def bulk(self, *items: Json) -> Answer:
        return self("POST", "/bulk", {"items": list(items)})

    def own_id(self) -> str:
        """A PFID as a client of this account makes one."""
        return pfid.generate(pfid.partition_of(self.server.account_id))


def span(instance_id: str, **fields: Any) -> Json:
    details: Json = {"agent_instance_id": instance_id, "schema_name": "test:llm"}
    return details | {"status": "active", "payload": {"name": "chat"}} | fields


def item(kind: str, key: str, **fields: Any) -> Json:
    return {"_type": kind, "idempotency_key": key, **fields}


def creation(instance_id: str, key: str, **fields: Any) -> Json:
    return item("agent_spans/create", key, details=span(instance_id, **fields))


def foreign_id(server: DevServer) -> str:
    """A PFID of somebody else's account."""
    return pfid.generate(pfid.partition_of(server.account_id) ^ 1)
