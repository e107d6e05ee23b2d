"""Whose runs there are in one process: its own agent's, and those of others that spans name."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Final

from prefactor_otel.config.options import Config, config_of_tenant
from prefactor_otel.runs.naming import AGENT_ID, AGENT_NAME, UNNAMED, Named, named, named_by
from prefactor_otel.runs.tenant import Tenant
from prefactor_otel.spans.source import Telling
from prefactor_otel.spans.view import Attributes, as_dict
from prefactor_otel.stats.log import QuietLog

MAX_TENANTS: Final = 1_000
"""Agents that are known though no run of theirs is open, at most."""
_LOOKED_AT: Final = 8
"""Of those that were not named for longest, when there are more."""


class Tenants:
    """The agents of a process. Whose a run is, is decided when it is made, by what its first span
    says; one thread does that, and any other may ask with ``known``."""

    def __init__(
        self,
        config: Config,
        log: QuietLog,
        own_resource: Callable[[], Attributes],
        *,
        described_later: bool = False,
        serves_others: bool = False,
    ) -> None:
        self.own = Tenant(
            config,
            log,
            cache(own_resource),
            described_later=described_later,
            serves_others=serves_others,
        )
        """The process's own agent, of whom all is that names no other."""
        self._log = log
        listed = {name: config_of_tenant(config, name) for name in config.tenants or ()}
        self._listed = {name: self._tenant(settings) for name, settings in listed.items()}
        """Those of the option ``tenants``."""
        self._named: OrderedDict[Named, Tenant] = OrderedDict()
        """All others, by what has named them; who was not named for longest first."""
        self._silent: Attributes | None = None
        """The resource that was the last to name nobody."""

    def told(self, first: Telling, agent: Named = UNNAMED) -> Tenant:
        """Whose a run is that begins with this span, in a context that names this agent: by the
        span's own attributes, the context, or the span's resource, in this order."""
        said = as_dict(first.attributes)  # a look-up in a span's own takes longer than this
        names_none = AGENT_NAME not in said and AGENT_ID not in said
        if names_none and agent is UNNAMED and first.resource is self._silent:
            return self.own
        return self.of(self._said(first, agent))

    def of(self, said: Named) -> Tenant:
        """The agent that is named so."""
        found = self.known(said)
        if found is None:
            found = self._named[said] = self._new(said)
            self._forget()
        elif said in self._named:
            self._named.move_to_end(said)
        return found

    def known_by(self, first: Telling | None, agent: Named) -> Tenant | None:
        """The same as ``told``; None where no run of that agent can have been made."""
        return self.known(self._said(first, agent) if first is not None else self._listed_as(agent))

    def known(self, said: Named) -> Tenant | None:
        """The same as ``of``, where it is known already."""
        listed = self._listed.get(said.name or "") or self._of_id(said)
        if listed is not None and said.id in (None, listed.config.agent_id):
            return listed
        return self.own if self._is_own(said) else self._named.get(said)

    def _said(self, first: Telling, agent: Named) -> Named:
        said = named_by(first.attributes)
        if said is UNNAMED and agent is not UNNAMED:
            said = self._listed_as(agent)
        if said is UNNAMED:
            own = self.own
            resource = first.resource
            is_own = own.resource is None or own.resource is resource
            if own.serves_others or not is_own:
                said = self._said_by(resource)
            self._silent = resource if said is UNNAMED else self._silent
        return said

    def _said_by(self, resource: Attributes) -> Named:
        said = named_by(resource)
        if said is UNNAMED and self.own.serves_others:
            service = named(None, resource.get("service.name"))
            said = service if service.name in self._listed else UNNAMED
        return said

    def _listed_as(self, agent: Named) -> Named:
        """An agent that baggage names: it comes from whoever calls, so it only chooses among those
        that the options list."""
        is_listed = agent.name in self._listed or self._of_id(agent) is not None
        return agent if is_listed else UNNAMED

    def _of_id(self, said: Named) -> Tenant | None:
        """The listed agent of an id that nobody else is named by."""
        if said.id is None or said.id == self.own.config.agent_id:
            return None
        of_id = (each for each in self._listed.values() if each.config.agent_id == said.id)
        return next(of_id, None) if said.name is None else None

    def _is_own(self, said: Named) -> bool:
        own = self.own
        # Of many services the first to come is known: what follows from that differs by chance.
        name = own.config.agent_name if own.serves_others else own.name
        return said.id in (None, own.config.agent_id) and said.name in (None, name)

    def _new(self, said: Named) -> Tenant:
        """One of which no more is said than what names it: all else is as for the process's own, or
        as for the listed one of that name."""
        model = self._listed.get(said.name or "", self.own)
        config = replace(
            model.config,
            agent_id=said.id or model.config.agent_id,
            agent_name=model.config.agent_name if model is not self.own else said.name,
            agent_description=model.config.agent_description if model is not self.own else None,
        )
        return self._tenant(config, model)

    def _tenant(self, config: Config, model: Tenant | None = None) -> Tenant:
        own = self.own
        return Tenant(
            *(config, self._log, own.known_resource),
            serves_others=own.serves_others,
            model=model,
        )

    def _forget(self) -> None:
        """Forget agents that were not named for long, but none of whom a run is open."""
        for _ in range(_LOOKED_AT):
            if len(self._named) <= MAX_TENANTS:
                return
            said, tenant = self._named.popitem(last=False)
            if tenant.open_runs:
                self._named[said] = tenant
