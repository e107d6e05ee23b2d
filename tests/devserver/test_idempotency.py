"""A request under a used key is answered as the first was, and done once."""

from typing import Any

import pytest

from prefactor_otel.devserver import DevServer
from tests.devserver.calls import Caller, creation, item, span


def test_a_replayed_span_is_created_once(call: Caller, server: DevServer) -> None:
    instance_id = call.active()
    body = {"details": span(instance_id), "idempotency_key": "k"}
    first, second = call("POST", "/agent_spans", body), call("POST", "/agent_spans", body)
    assert first.body == second.body
    assert len(server.spans(instance_id)) == 1


def test_the_key_may_stand_at_the_top_in_details_or_in_the_header(
    call: Caller, server: DevServer
) -> None:
    details = span(call.active())
    answers = [
        call("POST", "/agent_spans", {"details": details, "idempotency_key": "k"}),
        call("POST", "/agent_spans", {"details": details | {"idempotency_key": "k"}}),
        call("POST", "/agent_spans", {"details": details}, headers={"Idempotency-Key": "k"}),
    ]
    assert answers[0].body == answers[1].body == answers[2].body
    assert len(server.spans()) == 1


def test_the_first_answer_comes_again_whatever_happened_since(call: Caller) -> None:
    instance_id = call.pending()
    first = call.start(instance_id, idempotency_key="k")
    call.finish(instance_id)
    assert call.start(instance_id, idempotency_key="k").body == first.body


@pytest.mark.parametrize("status", ["complete", "failed"])
def test_a_replayed_finish_is_no_conflict(call: Caller, status: str) -> None:
    span_id = call.span(call.active()).details["id"]
    first = call.finish_span(span_id, status=status, idempotency_key="k")
    assert call.finish_span(span_id, status=status, idempotency_key="k").body == first.body
    assert call.finish_span(span_id, status=status).refused(409, "invalid_action", "status")


def test_a_replayed_registration_is_one_run(call: Caller, server: DevServer) -> None:
    assert call.register(idempotency_key="k").body == call.register(idempotency_key="k").body
    assert len(server.instances()) == 1


def test_another_body_under_a_used_key_is_refused(call: Caller) -> None:
    instance_id = call.active()
    call("POST", "/agent_spans", {"details": span(instance_id), "idempotency_key": "k"})
    other = {"details": span(instance_id, status="complete"), "idempotency_key": "k"}
    assert call("POST", "/agent_spans", other).invalid("idempotency_key")
    first, second = call.pending(), call.pending()
    call.start(first, idempotency_key="k")
    assert call.start(second, idempotency_key="k").invalid("idempotency_key")


def test_operations_do_not_share_keys(call: Caller) -> None:
    instance_id = call.register(idempotency_key="k").details["id"]
    assert call.start(instance_id, idempotency_key="k").details["status"] == "active"
    assert call.finish(instance_id, idempotency_key="k").details["status"] == "complete"


def test_bulk_and_rest_share_keys(call: Caller) -> None:
    instance_id, key = call.active(), "shared-key"
    body = {"details": span(instance_id), "idempotency_key": key}
    first = call("POST", "/agent_spans", body)
    assert call.bulk(creation(instance_id, key)).body["outputs"][key] == first.body
    span_id = first.details["id"]
    finished = call.finish_span(span_id, status="failed", idempotency_key=key)
    again = item("agent_spans/finish", key, agent_span_id=span_id, status="failed")
    assert call.bulk(again).body["outputs"][key] == finished.body


def test_a_refusal_is_not_kept(call: Caller) -> None:
    instance_id = call.pending()
    assert call.finish(instance_id, idempotency_key="k").status == 409
    call.start(instance_id)
    assert call.finish(instance_id, idempotency_key="k").details["status"] == "complete"


def test_a_replay_after_termination_still_says_stop(call: Caller) -> None:
    instance_id = call.active()
    body = {"details": span(instance_id), "idempotency_key": "k"}
    first = call("POST", "/agent_spans", body)
    call.terminate(instance_id, reason="x")
    again = call("POST", "/agent_spans", body)
    assert again.details == first.details
    assert again.body["control"]["terminate"] is True


@pytest.mark.parametrize("key", ["", "k" * 65, 5, ["k"]])
def test_a_key_is_a_text_of_at_most_64_characters(call: Caller, key: Any) -> None:
    assert call.register(idempotency_key=key).invalid("idempotency_key")
    assert call.register(idempotency_key="k" * 64).status == 200
