"""Who may send, and by whose token."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from prefactor_otel.devserver import DevServer
from tests.cli.command import run_command
from tests.gateway.made import ids, request
from tests.gateway.process import Answer, running
from tests.patience import comes_true

BODY = request(ids(), service_name="clerk").SerializeToString()


def config(folder: Path, text: str) -> tuple[str, str, str, str]:
    file = folder / "gateway.toml"
    file.write_text(text)
    file.chmod(0o600)
    return ("--config", str(file), "--spool-dir", str(folder / "spool"))


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def is_taken(post: Callable[[], Answer]) -> bool:
    return post().status == 200


def test_a_senders_bearer_is_its_prefactor_token(tmp_path: Path) -> None:
    with (
        DevServer(token="first-account") as first,
        running("--spool-dir", str(tmp_path / "spool"), PREFACTOR_API_URL=first.url) as gateway,
    ):
        assert gateway.post(BODY).status == 401
        assert gateway.post(BODY, **bearer("first-account")).status == 200
        assert first.wait_until(lambda api: api.spans())
        assert gateway.end() == 0
    assert "first-account" not in gateway.told


def test_a_token_that_prefactor_refuses_is_told_to_its_sender(
    api: DevServer, tmp_path: Path
) -> None:
    with running("--spool-dir", str(tmp_path / "spool"), PREFACTOR_API_URL=api.url) as gateway:
        assert gateway.post(BODY, **bearer("wrong-token")).status == 200
        assert api.wait_until(lambda api: any(r.status == 401 for r in api.requests))
        statuses = iter(lambda: gateway.post(BODY, **bearer("wrong-token")).status, 401)
        assert all(status == 200 for status in statuses)
    assert "wrong-token" not in gateway.told


def test_with_senders_only_those_with_a_key_send_each_by_its_own_token(tmp_path: Path) -> None:
    with DevServer(token="token-of-shop") as api:
        words = config(
            tmp_path,
            f"""
            api_url = "{api.url}"
            [senders.shop]
            key = "key-of-shop"
            token = {{ env = "SHOP_TOKEN" }}
            """,
        )
        with running(*words, SHOP_TOKEN="token-of-shop") as gateway:
            assert gateway.post(BODY).status == 401
            answer = gateway.post(BODY, **bearer("token-of-shop"))
            assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
            assert gateway.post(BODY, Authorization="Basic abc").status == 401
            assert gateway.post(BODY, **bearer("key-of-shop")).status == 200
            assert api.wait_until(lambda api: api.spans())
            assert 'account="shop"' in gateway.ask("/metrics").body.decode()
            assert gateway.end() == 0
    for secret in ("key-of-shop", "token-of-shop"):
        assert secret not in gateway.told
        for file in (tmp_path / "spool").rglob("*"):
            assert secret.encode() not in file.read_bytes()


def test_more_accounts_than_there_may_be_wait_until_one_is_idle(
    api: DevServer, tmp_path: Path
) -> None:
    words = config(tmp_path, f'api_url = "{api.url}"\nmax_accounts = 1\n')
    api.stop()
    with running(*words) as gateway:
        assert gateway.post(BODY, **bearer("one")).status == 200
        answer = gateway.post(BODY, **bearer("two"))
        assert (answer.status, int(answer.headers["retry-after"]) > 0) == (429, True)
        assert gateway.post(BODY, **bearer("one")).status == 200


def test_tokens_that_prefactor_refuses_keep_no_place_and_never_that_of_the_gateways_own(
    tmp_path: Path,
) -> None:
    with DevServer(token="own-token") as api:
        words = config(tmp_path, f'api_url = "{api.url}"\nmax_accounts = 2\n')
        with running(*words, PREFACTOR_API_TOKEN="own-token") as gateway:
            for number in range(4):
                wrong = partial(gateway.post, BODY, **bearer(f"wrong-{number}"))
                assert comes_true(partial(is_taken, wrong))
            assert gateway.post(BODY).status == 200
            assert api.wait_until(lambda api: api.spans())
            assert 'account="own"' in gateway.ask("/metrics").body.decode()


def test_a_wrong_key_of_the_file_is_named_and_no_value_is_quoted(tmp_path: Path) -> None:
    for text, told in (
        ("prot = 1\n", "prot: there is no such key; did you mean port?"),
        ("[senders.shop]\nkye = 'secret'\n", "kye: there is no such key; did you mean key?"),
        ("[services.shop]\nagent_nam = 'a'\n", "did you mean agent_name?"),
        ("max_accounts = 'many'\n", "max_accounts: must be a whole number"),
        ("options = 1\n", "options: must be a table"),
        ("[senders.shop]\n", "senders.shop.key: is needed"),
        ('[senders.shop]\nkey = 7\ntoken = "secret"\n', "senders.shop.key: must be text"),
        ('[senders.shop]\nkey = { env = "NOBODY" }\n', "the variable NOBODY is not set"),
        ("[options]\nmusk = 1\n", "unknown option 'musk'; did you mean mask?"),
        ("[options]\nstrict = true\n", "strict of a gateway is not among its options"),
        ("host = \n", "is no TOML"),
        ('[senders]\na = {key = "secret"}\nb = {key = "secret"}\n', "have the same key"),
    ):
        done = run_command("gateway", "--port", "0", *config(tmp_path, text))
        assert done.returncode == 1
        assert told in done.stderr, done.stderr
        assert "secret" not in done.stderr
        assert "Traceback" not in done.stderr


def test_a_file_with_keys_that_everybody_may_read_is_refused(tmp_path: Path) -> None:
    words = config(tmp_path, '[senders.shop]\nkey = "secret"\n')
    (tmp_path / "gateway.toml").chmod(0o644)
    done = run_command("gateway", "--port", "0", *words)
    assert (done.returncode, "chmod o=" in done.stderr) == (1, True)


def test_an_account_of_which_nothing_is_left_makes_room_for_another(
    api: DevServer, tmp_path: Path
) -> None:
    words = config(tmp_path, f'api_url = "{api.url}"\nmax_accounts = 1\n')
    with running(*words, PREFACTOR_RUN_LINGER="0") as gateway:
        assert gateway.post(BODY, **bearer(api.token)).status == 200
        assert comes_true(lambda: gateway.post(BODY, **bearer("another")).status == 200)
        assert [run["status"] for run in api.instances()] == ["complete"]
        names = gateway.ask("/metrics").body.decode()
        assert 'account="sender-2"' in names
        assert 'account="sender-1"' not in names
        assert "Traceback" not in gateway.told
