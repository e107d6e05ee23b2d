"""What Prefactor refuses is said where an operator looks, by the name of whom it is about."""

import json
from pathlib import Path

from prefactor_otel.devserver import DevServer
from tests.cli.command import run_command
from tests.gateway.made import ids, request, response
from tests.gateway.process import Answer, Gateway, before, running
from tests.gateway.test_accounts import bearer, config
from tests.patience import comes_true

NOBODY = "0" * 32
BODY = request(ids(), service_name="clerk").SerializeToString()


def readiness(gateway: Gateway) -> tuple[int, dict[str, object]]:
    answer = gateway.ask("/readyz")
    return answer.status, json.loads(answer.body)


def test_the_gateways_own_token_that_is_refused_makes_it_unready_and_says_why(
    api: DevServer, tmp_path: Path
) -> None:
    with before(api, tmp_path / "spool", PREFACTOR_API_TOKEN="expired") as gateway:
        assert readiness(gateway)[0] == 200
        assert gateway.post(BODY).status == 200
        assert comes_true(lambda: readiness(gateway)[0] == 503)
        assert readiness(gateway)[1]["token_refused"] == ["own"]
        metrics = gateway.ask("/metrics").body.decode()
        assert 'prefactor_token_refused{account="own"} 1' in metrics
        doctor = run_command("doctor", "--gateway", gateway.url)
        assert "it is not ready (HTTP 503): Prefactor refuses its token" in doctor.stdout
    (line,) = [each for each in gateway.told.splitlines() if "refuses the API token" in each]
    assert "own: Prefactor refuses" in line
    assert "Check PREFACTOR_API_TOKEN" in line
    assert "expired" not in gateway.told


def test_a_senders_token_that_is_refused_is_told_by_the_table_that_has_it(
    api: DevServer, tmp_path: Path
) -> None:
    text = f"""
        api_url = "{api.url}"
        token = "{api.token}"
        [senders.shop]
        key = "key-of-shop"
        token = "expired"
        """
    with running(*config(tmp_path, text)) as gateway:
        assert gateway.post(BODY, **bearer("key-of-shop")).status == 200
        assert comes_true(lambda: "refuses the API token" in gateway.told)
        status, told = readiness(gateway)
        assert (status, told["token_refused"]) == (200, ["shop"])
    assert "shop: Prefactor refuses" in gateway.told
    assert "Check token of [senders.shop]" in gateway.told
    assert "expired" not in gateway.told


def test_the_token_that_a_sender_brings_is_told_by_its_service(
    api: DevServer, tmp_path: Path
) -> None:
    spool = ("--spool-dir", str(tmp_path / "spool"))
    with running(*spool, PREFACTOR_API_URL=api.url) as gateway:
        assert gateway.post(BODY, **bearer("expired")).status == 200
        assert comes_true(lambda: "refuses the API token" in gateway.told)
        assert readiness(gateway)[0] == 200
    assert "sender-1 (clerk): Prefactor refuses" in gateway.told
    assert "Check the bearer that it sends" in gateway.told
    assert "expired" not in gateway.told


def rejected(answer: Answer) -> int:
    assert answer.status == 200
    return response(answer.body).partial_success.rejected_spans


def test_an_agent_that_prefactor_does_not_know_is_refused_at_the_door_and_named(
    api: DevServer, tmp_path: Path
) -> None:
    with before(api, tmp_path / "spool", PREFACTOR_RUN_LINGER="0") as gateway:

        def post(agent: str = NOBODY) -> Answer:
            return gateway.post(request(ids()).SerializeToString(), **{"Prefactor-Agent-Id": agent})

        assert rejected(post()) == 0  # nobody knows yet
        assert comes_true(lambda: rejected(post()) == 1)
        assert NOBODY in response(post().body).partial_success.error_message
        assert rejected(post(api.agent_id)) == 0
        assert api.wait_until(lambda api: len(api.spans()) == 1)
        assert readiness(gateway)[1]["agents_refused"] == {"own": [NOBODY]}
        assert 'prefactor_agents_refused{account="own"} 1' in gateway.ask("/metrics").body.decode()
    (line, *_) = [each for each in gateway.told.splitlines() if "refused to register a run" in each]
    assert f"own: Prefactor refused to register a run of the agent {NOBODY}" in line
