"""What the commands that read and steer runs ask of the API, however its documents are meant.

By ``prefactor_http``, whose retries these commands share. Only by its ``request``: that is there
whichever distribution brought it, and runs and spans of other SDKs stay as the API shows them.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from prefactor_otel.cli.advice import CORRECT, GET_TOKEN, NO_TOKEN, without
from prefactor_otel.cli.installed import RESTORE
from prefactor_otel.cli.problem import Problem, problem_of
from prefactor_otel.cli.terminal import on_one_line
from prefactor_otel.cli.tree import Row, object_of
from prefactor_otel.config.options import Config, load_config
from prefactor_otel.config.token import read_token
from prefactor_otel.errors import PrefactorConfigError
from prefactor_otel.version import PACKAGE, __version__
from prefactor_otel_transport.addresses import is_exposed, is_segment, segment

if TYPE_CHECKING:
    from prefactor_http import PrefactorHttpClient

Query = Mapping[str, str | int]

PAGE: Final = 100
"""Rows of a page: the most that the API gives."""
SEARCHED: Final = 10_000
"""Runs of an agent that are looked through for those that are asked for."""
LAST: Final = "last"
"""Stands for the id of the newest run."""
OVER: Final = ("complete", "failed", "cancelled", "terminated")
"""The states in which a run stays."""

_RETRIES: Final = 2
_AT_ONCE: Final = 4
"""Agents whose runs are asked for at the same time."""
_MARGIN: Final = timedelta(days=1)
"""By so much the clocks of agent and platform may differ."""
_NEWEST_FIRST: Final = {"sorting[field]": "id", "sorting[direction]": "desc"}


class Platform:
    """Runs and spans of the account, as the API shows them. Every method raises ``Problem``."""

    def __init__(self, client: "PrefactorHttpClient", token: str) -> None:
        self._client = client
        self._token = token
        self.url = client.config.api_url

    def without_token(self, text: str) -> str:
        """The text without any piece of the token: a span may hold it by mistake."""
        return without(self._token, text)

    async def agents(self) -> list[Row]:
        """All agents of the account."""
        return [row async for page in self._pages("/agent", {}) for row in page]

    async def newest_runs(self, agent_id: str) -> AsyncIterator[list[Row]]:
        """The runs of an agent, newest first, in pages; the newest ``SEARCHED`` of them.

        The API may refuse to sort, or not do it, and then gives the oldest first."""
        asked = [{"agent_id": agent_id, **sorting} for sorting in (_NEWEST_FIRST, {})]
        first, where = await self._first("/agent_instance", *asked)
        rows, following = _rows(first), _next_offset(first, 0)
        count = object_of(first.get("pagination")).get("item_count")
        if following is None:
            yield _newest_first(rows)
        elif _age(rows[0]) > _age(rows[-1]):
            read = 0
            async for page in self._pages("/agent_instance", where, first):
                yield page
                if (read := read + len(page)) >= SEARCHED:
                    return
        elif isinstance(count, int):
            for end in range(count, max(0, count - SEARCHED), -PAGE):
                offset = max(0, end - PAGE)
                last = await self._page("/agent_instance", where, offset, end - offset)
                yield _newest_first(_rows(last))
        else:
            pages = self._pages("/agent_instance", where, first)
            yield _newest_first([row async for page in pages for row in page])[:SEARCHED]

    async def runs(
        self, agents: list[Row], fits: Callable[[Row], bool], limit: int
    ) -> list[tuple[Row, Row]]:
        """The newest runs of these agents that fit, newest first, each with its agent."""
        places = asyncio.Semaphore(_AT_ONCE)

        async def of_one(agent: Row) -> list[tuple[Row, Row]]:
            found: list[tuple[Row, Row]] = []
            async with places:
                async for page in self.newest_runs(agent["id"]):
                    found += [(run, agent) for run in page if fits(run)]
                    if len(found) >= limit:
                        break
            return found

        found = await asyncio.gather(*map(of_one, agents))
        runs = [each for of_agent in found for each in of_agent]
        return sorted(runs, key=lambda each: _age(each[0]), reverse=True)[:limit]

    async def run(self, name: str) -> Row:
        """A run in full, by its id; ``last`` is the newest of all."""
        run_id = name if name != LAST else await self._newest()
        try:
            answer = await self._request("GET", f"/agent_instance/{_in_path(run_id)}")
        except Problem as problem:
            raise _unknown(run_id) if problem.status == 404 else problem from None
        return {**object_of(answer.get("details")), "id": run_id}

    async def spans(self, run: Row) -> AsyncIterator[list[Row]]:
        """The spans of a run, in pages. The API may want to be told when they were."""
        of_run = {"agent_instance_id": run["id"]}
        first, where = await self._first("/agent_spans", of_run, of_run | _window(run))
        async for page in self._pages("/agent_spans", where, first):
            yield [row for row in page if row.get("agent_instance_id", run["id"]) == run["id"]]

    async def terminate(self, run_id: str, reason: str) -> Row:
        """Stop a run; as it is then. One that has been stopped for this very reason is."""
        path = f"/agent_instance/{_in_path(run_id)}/terminate"
        try:
            await self._request("POST", path, body={"reason": reason})
        except Problem as problem:
            if problem.status == 404:
                raise _unknown(run_id) from None
            if problem.status != 409:
                raise
            run = await self.run(run_id)
            if run.get("termination_reason") != reason:  # else the answer to that was lost
                found = f"run {run_id} cannot be terminated: it is {run.get('status')}"
                raise Problem(found, "Only an active run can be.", status=409) from None
            return run
        return await self.run(run_id)

    async def record_quality(self, run_id: str, name: str, payload: Row | None) -> Row:
        """Record what was found of a run under a name, or remove that; the run as it is then."""
        path = f"/agent_instance/{_in_path(run_id)}/record_quality"
        try:
            await self._request("POST", path, body={"name": name, "payload": payload})
        except Problem as problem:
            raise _unknown(run_id) if problem.status == 404 else problem from None
        return await self.run(run_id)

    async def _newest(self) -> str:
        found = await self.runs(await self.agents(), lambda run: True, 1)
        if not found:
            raise Problem(
                f"{self.url} has no run yet", "prefactor-otel doctor --probe sends a small one."
            )
        return str(found[0][0]["id"])

    async def _pages(
        self, path: str, where: Query, first: Row | None = None
    ) -> AsyncIterator[list[Row]]:
        """The pages of a listing, each row once, until the API says that it ends or there is
        nothing new."""
        seen = set[str]()
        offset: int | None = 0
        while offset is not None:
            answer = first if first is not None else await self._page(path, where, offset)
            first = None
            rows = [row for row in _rows(answer) if row["id"] not in seen]
            seen.update(row["id"] for row in rows)
            yield rows
            offset = _next_offset(answer, offset) if rows else None

    async def _first(self, path: str, *asked: Query) -> tuple[Row, Query]:
        """The first page of a listing, asked for in the first of these ways that is not refused;
        and that way."""
        *others, last = asked
        for where in others:
            try:
                return await self._page(path, where, 0), where
            except Problem as problem:
                if problem.status not in (400, 422):
                    raise
        return await self._page(path, last, 0), last

    async def _page(self, path: str, where: Query, offset: int, size: int = PAGE) -> Row:
        place = {"pagination[offset]": offset, "pagination[page_size]": size}
        return await self._request("GET", path, {**where, **place})

    async def _request(
        self, method: str, path: str, query: Query | None = None, body: Row | None = None
    ) -> Row:
        try:
            return await self._client.request(
                method,
                f"/api/v1{path}",
                params=dict(query) if query is not None else None,
                json_data=body,
            )
        except Exception as error:
            problem = problem_of(error, self.url, self._token)
        raise problem  # outside of the handler: what it was made of may hold more


@asynccontextmanager
async def platform(*, retries: int = _RETRIES) -> AsyncIterator[Platform]:
    """The API that the environment names, with its token. Raises ``Problem`` where that does not
    say enough."""
    config, token = _settings()
    try:
        from prefactor_http import HttpClientConfig, PrefactorHttpClient
    except Exception as error:
        found = f"prefactor_http cannot be imported ({type(error).__name__})"
        raise Problem(found, f"Another package has broken it: {RESTORE}", exit_code=2) from None
    settings = HttpClientConfig(
        config.api_url,
        token,
        request_timeout=config.request_timeout,
        max_retries=retries,
        initial_retry_delay=0.5,
    )
    async with PrefactorHttpClient(settings, f"{PACKAGE}@{__version__}") as client:
        yield Platform(client, token)


def _settings() -> tuple[Config, str]:
    try:
        config = load_config()
    except PrefactorConfigError as error:
        raise Problem(str(error), CORRECT, exit_code=2) from None
    if config.api_token is None:
        raise Problem(NO_TOKEN, GET_TOKEN, exit_code=2)
    if is_exposed(config.api_url):
        host = urlsplit(config.api_url).hostname
        print(f"Note: the token goes to {host} unencrypted.", file=sys.stderr)
    return config, read_token(config.api_token)


def _unknown(run_id: str) -> Problem:
    found = f"there is no run {on_one_line(run_id)}, or none that this token may read"
    return Problem(found, "prefactor-otel runs lists them.", status=404)


def _in_path(run_id: str) -> str:
    if not is_segment(run_id):
        raise _unknown(run_id)
    return segment(run_id)


def _rows(answer: Row) -> list[Row]:
    """Those that can be told apart."""
    rows = answer.get("summaries")
    found = rows if isinstance(rows, list) else []
    return [row for row in found if isinstance(row, dict) and isinstance(row.get("id"), str)]


def _next_offset(answer: Row, offset: int) -> int | None:
    """Where the page after this one begins. Where the API does not say whether there is one, it is
    asked for."""
    pagination = object_of(answer.get("pagination"))
    following = pagination.get("next_page_offset", offset + len(_rows(answer)))
    return following if isinstance(following, int) and following > offset else None


def _newest_first(rows: list[Row]) -> list[Row]:
    return sorted(rows, key=_age, reverse=True)


def _age(run: Row) -> tuple[datetime, str]:
    """When a run began, or else was registered; of two at once, the order of their ids."""
    moments = (moment(run.get(name)) for name in ("started_at", "inserted_at"))
    unknown = datetime.min.replace(tzinfo=UTC)
    return next((each for each in moments if each is not None), unknown), run["id"]


def moment(text: object) -> datetime | None:
    """A time of the API; None for what is none."""
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _window(run: Row) -> dict[str, str]:
    """A time in which all spans of a run began."""
    names = ("inserted_at", "started_at", "updated_at", "finished_at")
    known = [each for each in (moment(run.get(name)) for name in names) if each is not None]
    now = datetime.now(UTC)
    begin, end = min([now, *known]) - _MARGIN, max([now, *known]) + _MARGIN
    return {"start_time": begin.isoformat(), "end_time": end.isoformat()}
