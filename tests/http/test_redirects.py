"""A redirect is an answer that breaks the contract; nobody goes where it points."""

import pytest

from prefactor_http import PrefactorHttpClient, PrefactorResponseContractError
from prefactor_http.exceptions import is_permanent_http_error
from tests.elsewhere import elsewhere
from tests.http.api import TOKEN, Answer, RecordingApi


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("body", ["<html>", '{"status": "success", "details": {}}'])
async def test_nothing_is_sent_to_where_a_redirect_points(
    status: int, body: str, api: RecordingApi, client: PrefactorHttpClient
) -> None:
    with elsewhere() as other:
        api.answers(Answer(status, body, {"Location": f"{other.url}/there?token=hush"}))
        with pytest.raises(PrefactorResponseContractError) as caught:
            await client.request("POST", "/x", json_data={"prompt": "hush"})
    assert (other.connections, other.received) == (0, b"")
    assert len(api.received) == 1
    assert str(caught.value) == (
        f"Expected JSON response from /x, received HTTP {status}, a redirect to {other.url} "
        "that is not followed"
    )
    assert caught.value.status_code == status
    assert is_permanent_http_error(caught.value)


@pytest.mark.parametrize(
    ("location", "named"),
    [
        ("/there", "{api}"),
        ("//elsewhere.example:8/there", "http://elsewhere.example:8"),
        ("https://me:hush@Elsewhere.Example/there?hush#hush", "https://elsewhere.example"),
        ("https://[::1]/", "https://[::1]"),
        ("https://else where/hush", "nowhere"),
        ("http://[hush", "nowhere"),
        ("mailto:hush", "nowhere"),
        (None, "nowhere"),
    ],
)
async def test_of_the_address_only_its_host_is_told(
    location: str | None, named: str, api: RecordingApi, client: PrefactorHttpClient
) -> None:
    api.answers(Answer(307, "", {"Location": location} if location is not None else {}))
    with pytest.raises(PrefactorResponseContractError) as caught:
        await client.request("GET", "/x")
    assert f"a redirect to {named.format(api=api.url)} that" in str(caught.value)
    assert "hush" not in str(caught.value)
    assert TOKEN not in str(caught.value)
