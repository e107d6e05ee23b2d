"""What people and jobs say of a run from outside of it: by its id, from any process, at any time.

Each function waits for the answer and raises where there is none to its liking; each has a twin for
coroutines. Whoever sends spans in this process lends its settings, but nothing waits for spans or
goes through their queue: a run may be over for days.
"""

import asyncio
import contextvars
import re
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from concurrent.futures import Future
from contextlib import asynccontextmanager
from typing import Final, Literal, TypedDict, TypeVar, Unpack, get_args

from prefactor_otel.config.options import Config, load_config, token_of, types_of, variable_of
from prefactor_otel.config.token import TokenReader, TokenSource
from prefactor_otel.delivery.client import ApiClient
from prefactor_otel.delivery.direct import Direct, Refused
from prefactor_otel.delivery.operation import digest_of, new_key
from prefactor_otel.doors.rating import Rating, thumb
from prefactor_otel.errors import (
    PrefactorConfigError,
    PrefactorRequestError,
    PrefactorTokenError,
    PrefactorUndeclaredError,
    PrefactorUnknownAlertError,
    PrefactorUnknownRunError,
)
from prefactor_otel.host import gevent_loop
from prefactor_otel.host.suppress import untraced
from prefactor_otel.mapping import SpanType, timestamp
from prefactor_otel.payload.strict import checked_object
from prefactor_otel.privacy.masking import Masking
from prefactor_otel.runs import explicit
from prefactor_otel.stats.own_logs import own_thread
from prefactor_otel_transport.addresses import is_segment, segment
from prefactor_otel_transport.daemon import in_daemon
from prefactor_otel_transport.pfid import is_pfid

TIMEOUT: Final = 30.0
"""Seconds within which the API is to have answered, unless the caller says how many."""
FEEDBACK: Final = "feedback"
"""What feedback is called, wherever it is recorded."""

Severity = Literal["critical", "error", "warning", "info"]
Payload = Mapping[str, object]
_SPAN_ID: Final = re.compile("[0-9a-fA-F]{16}")
T = TypeVar("T")


class Asking(TypedDict, total=False):
    """How to reach the API, where it is not as a running exporter or the environment says, and how
    many seconds all of it may take."""

    api_url: str | None
    api_token: str | TokenSource | None
    timeout: float


async def arecord_quality(
    run_id: str, name: str, payload: Payload | None, **how: Unpack[Asking]
) -> None:
    """Record a judgement of a run under a name of its ``quality_schemas``, in place of what is
    there; None takes that back. A run that is over takes it as well.

    Raises ``PrefactorUndeclaredError`` for a name that the run has not declared,
    ``PrefactorUnknownRunError``, ``PrefactorTokenError``, ``PrefactorUnavailableError`` (all of
    them ``PrefactorRequestError``), ``PrefactorConfigError`` without a usable token, and
    ``ValueError`` for a payload that is no object or holds what JSON has not. An attempt that is
    not answered is repeated under the same key, so that nothing is recorded twice.
    """
    run_id = _checked(run_id)
    given = checked_object(payload) if payload is not None else None
    async with _reaching(how) as reached:
        masked = reached.masked("quality", given) if given is not None else None
        await _record_quality(reached, run_id, name, masked)


async def afeedback(
    run_id: str,
    *,
    rating: Rating | None = None,
    comment: str | None = None,
    span_id: str | int | None = None,
    **how: Unpack[Asking],
) -> None:
    """Record what a person thinks of a run, or of one of its spans.

    ``rating`` is ``"up"`` or ``"down"``, for which True and False also stand. ``span_id`` is the id
    of a record on the platform, under which it is then shown, or OpenTelemetry's (the number, or 16
    hexadecimal digits), which is told with it.

    It becomes a span of the run, which dashboards count as feedback by its rating; of a run that
    takes no more spans, the quality ``feedback``, where the last one counts. Raises as
    ``record_quality`` does, and ``ValueError`` without rating and comment and for a rating or a
    ``span_id`` that nobody would count.
    """
    run_id = _checked(run_id)
    said = _said(rating, comment)
    about = _about(span_id)
    async with _reaching(how) as reached:
        await _record_feedback(reached, run_id, {**reached.masked(FEEDBACK, said), **about})


async def araise_alert(
    run_id: str,
    name: str,
    severity: Severity,
    payload: Payload | None = None,
    **how: Unpack[Asking],
) -> None:
    """Have people look at a run: raise an alert under a name, or change the one that stands there.
    ``severity`` is critical, error, warning or info. Raises as ``record_quality`` does."""
    if severity not in get_args(Severity):
        raise ValueError(f"severity must be one of {', '.join(get_args(Severity))}")
    run_id = _checked(run_id)
    given = checked_object(payload) if payload is not None else {}
    async with _reaching(how) as reached:
        body = {"severity": severity, "payload": reached.masked("alert", given)}
        await _alert(reached, "raise", run_id, name, body)


async def aclear_alert(
    run_id: str, name: str, payload: Payload | None = None, **how: Unpack[Asking]
) -> None:
    """Clear the alert that stands under a name; a ``payload`` says what has become of it. Raises as
    ``record_quality`` does, and ``PrefactorUnknownAlertError`` where none stands."""
    run_id = _checked(run_id)
    given = checked_object(payload) if payload is not None else None
    async with _reaching(how) as reached:
        body = {"payload": reached.masked("alert", given)} if given is not None else {}
        await _alert(reached, "clear", run_id, name, body)


def record_quality(run_id: str, name: str, payload: Payload | None, **how: Unpack[Asking]) -> None:
    """``arecord_quality``, waited for."""
    _waited_for(arecord_quality(run_id, name, payload, **how))


def feedback(
    run_id: str,
    *,
    rating: Rating | None = None,
    comment: str | None = None,
    span_id: str | int | None = None,
    **how: Unpack[Asking],
) -> None:
    """``afeedback``, waited for."""
    _waited_for(afeedback(run_id, rating=rating, comment=comment, span_id=span_id, **how))


def raise_alert(
    run_id: str,
    name: str,
    severity: Severity,
    payload: Payload | None = None,
    **how: Unpack[Asking],
) -> None:
    """``araise_alert``, waited for."""
    _waited_for(araise_alert(run_id, name, severity, payload, **how))


def clear_alert(
    run_id: str, name: str, payload: Payload | None = None, **how: Unpack[Asking]
) -> None:
    """``aclear_alert``, waited for."""
    _waited_for(aclear_alert(run_id, name, payload, **how))


# -- what is asked of the API ---------------------------------------------------------------------


class _Reached:
    """The API, with the settings under which something is said to it."""

    def __init__(self, config: Config, api: Direct) -> None:
        self.config = config
        self.api = api
        self._mask = Masking(config.mask) if config.mask else None

    def masked(self, place: str, payload: Payload) -> dict[str, object]:
        """What of it may leave this process."""
        if self._mask is None:
            return dict(payload)
        return self._mask.fields(place, payload, set())


async def _record_quality(
    reached: _Reached, run_id: str, name: str, payload: Payload | None
) -> None:
    body = {"name": name, "payload": payload, "idempotency_key": new_key()}
    try:
        await reached.api.post(f"/agent_instance/{segment(run_id)}/record_quality", body)
    except Refused as refused:
        if refused.is_unknown:
            raise _unknown(run_id) from None
        if "name" in refused.fields:
            raise _undeclared(run_id, name) from None
        raise refused.told("the quality") from None


async def _alert(
    reached: _Reached, act: str, run_id: str, name: str, said: Mapping[str, object]
) -> None:
    place = {"agent_instance_id": run_id, "name": name, "idempotency_key": new_key()}
    try:
        await reached.api.post(f"/alerts/{act}", {**place, **said})
    except Refused as refused:
        raise _of_alert(refused, act, run_id, name) from None


def _of_alert(refused: Refused, act: str, run_id: str, name: str) -> PrefactorRequestError:
    """What is unknown: the run, or to clear it also the alert. An answer need not say which."""
    is_unknown = refused.is_unknown or refused.status in (400, 422)
    if is_unknown and "agent_instance_id" in refused.fields:
        return _unknown(run_id)
    if is_unknown and not refused.fields:
        return _unknown(run_id) if act == "raise" else _unknown_alert(refused, run_id, name)
    if act == "clear" and (refused.is_unknown or refused.status == 409):
        return _unknown_alert(refused, run_id, name)
    return refused.told(f"to {act} the alert {name!r}")


async def _record_feedback(reached: _Reached, run_id: str, said: dict[str, object]) -> None:
    """Where it is taken: as a span while the run goes on, else as the quality that is declared for
    it, else where the run's declarations are not asked."""
    try:
        await _as_span(reached, run_id, said)
    except Refused:
        try:
            await _record_quality(reached, run_id, FEEDBACK, said)
        except PrefactorUndeclaredError:
            await _replace_quality(reached, run_id, said)


async def _as_span(reached: _Reached, run_id: str, said: dict[str, object]) -> None:
    """A rating is counted where it stands in a span's ``payload.inputs.feedback.rating``, as text
    (platform's open dashboard)."""
    key, now = new_key(), timestamp(time.time_ns())
    inputs = {**said, "rating": str(said["rating"])} if "rating" in said else said
    about = str(said.get("span_id"))
    details = {
        "agent_instance_id": run_id,
        "schema_name": types_of(reached.config).name(SpanType.SPAN.value),
        "status": "complete",
        "parent_span_id": about if is_pfid(about) else None,
        "payload": {
            "span_id": digest_of(key, "span", size=8),
            "trace_id": digest_of(key, "trace", size=16),
            "name": FEEDBACK,
            "status": "complete",
            "inputs": {FEEDBACK: inputs},
            "outputs": {},
            "token_usage": None,
            "error": None,
            "metadata": {},
        },
        "started_at": now,
        "finished_at": now,
    }
    try:
        await reached.api.post("/agent_spans", {"details": details, "idempotency_key": key})
    except Refused as refused:
        if "parent_span_id" in refused.fields:
            raise refused.told("the span_id: the run has no such span") from None
        raise


async def _replace_quality(reached: _Reached, run_id: str, said: dict[str, object]) -> None:
    """The older form of qualities needs no declaration; it is written as a whole. An API that no
    longer has it may say nothing of that, so only what the answer shows has been recorded."""
    path = f"/agent_instance/{segment(run_id)}"
    try:
        shown = _quality_of(await reached.api.get(path)) or {}
        written = {"quality_payload": {**shown, FEEDBACK: said}}
        shown = _quality_of(await reached.api.put(path, {"details": written})) or {}
    except Refused as refused:
        raise _unknown(run_id) if refused.is_unknown else refused.told("the feedback") from None
    if FEEDBACK not in shown:
        raise _undeclared(run_id, FEEDBACK)


def _quality_of(answer: Mapping[str, object]) -> dict[str, object] | None:
    details = answer.get("details")
    quality = details.get("quality_payload") if isinstance(details, dict) else None
    return quality if isinstance(quality, dict) else None


def _said(rating: Rating | None, comment: str | None) -> dict[str, object]:
    if comment is not None and not isinstance(comment, str):
        raise ValueError("comment has to be a text")
    said = {"rating": thumb(rating)} if rating is not None else {}
    if comment is not None and comment.strip():
        said["comment"] = comment
    if not said:
        raise ValueError("give a rating or a comment")
    return dict(said)


def _about(span_id: str | int | None) -> dict[str, str]:
    if span_id is None:
        return {}
    told = span_id
    if isinstance(span_id, int) and not isinstance(span_id, bool) and span_id > 0:
        told = f"{span_id:016x}"
    if isinstance(told, str) and (is_pfid(told) or _is_of_opentelemetry(told)):
        return {"span_id": told}
    raise ValueError(
        "span_id has to be the id of a record on the platform, or OpenTelemetry's of a span: a "
        "number, or 16 hexadecimal digits"
    )


def _is_of_opentelemetry(span_id: str) -> bool:
    return _SPAN_ID.fullmatch(span_id) is not None and int(span_id, 16) > 0


def _checked(run_id: str) -> str:
    if not is_segment(run_id):
        raise ValueError("run_id must be the id of a run; run.id is None until it is registered")
    return run_id


def _unknown(run_id: str) -> PrefactorUnknownRunError:
    return PrefactorUnknownRunError(
        f"Prefactor knows no run {run_id!r} in the account of this token", status=404
    )


def _unknown_alert(refused: Refused, run_id: str, name: str) -> PrefactorUnknownAlertError:
    told = f"run {run_id} has no open alert {name!r}"
    if not refused.fields and refused.status != 409:
        told = f"there is no such run, or no open alert {name!r}: {run_id}"
    return PrefactorUnknownAlertError(told, status=refused.status)


def _undeclared(run_id: str, name: str) -> PrefactorUndeclaredError:
    example = f'[{{"name": "{name}", "schema": {{"type": "object"}}}}]'
    return PrefactorUndeclaredError(
        f"run {run_id} declares no quality {name!r}: set {variable_of('quality_schemas')}="
        f"'{example}' or pass quality_schemas= where its spans are sent. Runs that are registered "
        "from then on take it",
        status=422,
    )


# -- how it is reached ----------------------------------------------------------------------------


@asynccontextmanager
async def _reaching(how: Asking) -> AsyncIterator[_Reached]:
    timeout: object = how.get("timeout", TIMEOUT)
    if not isinstance(timeout, int | float) or not timeout > 0:
        raise ValueError("timeout has to be a number of seconds above 0")
    config = _config(how.get("api_url"), how.get("api_token"))
    with untraced():
        token = await _token(config)
        limit = min(config.request_timeout, timeout)
        async with ApiClient(config.api_url, request_timeout=limit, token=token) as client:
            yield _Reached(config, Direct(client, timeout))


async def _token(config: Config) -> str:
    source = token_of(config)
    try:
        return await TokenReader(source).read()
    except ValueError as error:
        problem = str(error)
    raise PrefactorTokenError(f"there is no API token: {problem}")


def _config(api_url: str | None, api_token: str | TokenSource | None) -> Config:
    """The settings of who sends spans in this process, unless the caller gives others; without
    either those of the environment."""
    if api_url is not None or api_token is not None:
        return load_config(api_url, api_token)
    sending = [each for each in explicit.listeners if not each.is_closing]
    running = [each.config for each in sending if each.config is not None]
    if len({(each.api_url, each.api_token) for each in running}) > 1:
        raise PrefactorConfigError(
            "spans go to several accounts from this process: pass api_url= and api_token= of the "
            "run's"
        )
    return running[0] if running else load_config()


def _waited_for(saying: Coroutine[object, object, T]) -> T:
    """What a coroutine returns, for a caller whose thread may run a loop already. That one stands
    still meanwhile, which is what the coroutines are there for."""
    context = contextvars.copy_context()
    try:
        outcome = _elsewhere(lambda: context.run(_run_quietly, saying))
    except RuntimeError:  # no thread can be had any more: the interpreter ends
        return _run_quietly(saying)
    return outcome.result()


def _elsewhere(work: Callable[[], T]) -> Future[T]:
    if gevent_loop.are_greenlets():
        return gevent_loop.apart(work)
    return in_daemon(work, "prefactor-request")


def _run_quietly(saying: Coroutine[object, object, T]) -> T:
    with own_thread():
        return asyncio.run(saying)
