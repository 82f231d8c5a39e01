"""Makes the adapters of the Microsoft side; implements `daemon.ports.Mailboxes` and `Directories`.

Built by `late_microsoft.py`, when the first of them is needed.

Tokens, connections to domain controllers and the memory of refused sign-ins are shared by everything it makes.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import replace

from daemon.ports import (
    Clock,
    Directory,
    DirectoryAccess,
    Mailbox,
    MailboxAccess,
    ProviderFault,
    Registration,
    Route,
    Secret,
)
from daemon.providers.ews import ExchangeMailbox
from daemon.providers.graph import Graph
from daemon.providers.graph_directory import GraphDirectory
from daemon.providers.graph_mailbox import GraphMailbox
from daemon.providers.http import HttpClient, HttpClients
from daemon.providers.identity import Identity
from daemon.providers.ldap_directories import LdapDirectories
from daemon.providers.refused_sign_ins import RefusedSignIns
from daemon.providers.tokens import Tokens
from states import Fault


def _guid() -> str:
    return str(uuid.uuid4())


class MicrosoftProviders:
    """Exchange over EWS, Microsoft 365 over Graph, Active Directory over LDAP. `clients` is closed by its owner."""

    def __init__(self, clients: HttpClients, *, clock: Clock, new_request_id: Callable[[], str] = _guid) -> None:
        self._clients = clients
        self._clock = clock
        self._new_request_id = new_request_id
        self._tokens = Tokens(clock.monotonic)
        self._refused = RefusedSignIns(clock.monotonic)
        self._ldap, self._ldap_afresh = (
            LdapDirectories(clients.observe, clock=clock, trust=clients.trust, refused=self._memory(afresh=afresh))
            for afresh in (False, True)
        )

    def mailbox(self, access: MailboxAccess, route: Route) -> Mailbox:
        """The adapter for `access.platform`."""
        client, refused = self._clients.client(route), self._memory(afresh=access.afresh)
        if access.platform == "microsoft-365" and access.protocol == "graph":
            graph = self._graph(client, _whole(access.registration), refused=refused)
            return GraphMailbox(client, access, graph=graph, clock=self._clock, new_request_id=self._new_request_id)
        return ExchangeMailbox(
            client,
            access,
            refused=refused,
            monotonic=self._clock.monotonic,
            new_request_id=self._new_request_id,
            token=self._tokens_for(client, access, refused),
        )

    def directory(self, access: DirectoryAccess, route: Route) -> Directory:
        """The adapter for `access.platform`. LDAP goes no further than the company, so no proxy stands in its way."""
        if access.platform == "active-directory":
            ldap = self._ldap_afresh if access.afresh else self._ldap
            return ldap.directory(replace(access, afresh=False), ca_file=route.ca_file)
        client = self._clients.client(route)
        graph = self._graph(client, _whole(access.registration), refused=self._memory(afresh=access.afresh))
        return GraphDirectory(client, access, graph=graph, clock=self._clock)

    async def close(self) -> None:
        """Close every connection to a directory. Safe to repeat."""
        await self._ldap.close()
        await self._ldap_afresh.close()

    def _tokens_for(
        self, client: HttpClient, access: MailboxAccess, refused: RefusedSignIns
    ) -> Callable[[str], Awaitable[Secret]] | None:
        """Where EWS in Exchange Online gets its tokens; None on premises."""
        if access.registration is None:
            return None
        return self._identity(client, access.registration, refused=refused).token_for

    def _memory(self, *, afresh: bool) -> RefusedSignIns:
        return self._refused.asked_by_a_person() if afresh else self._refused

    def _graph(self, client: HttpClient, registration: Registration, *, refused: RefusedSignIns) -> Graph:
        return Graph(
            client,
            registration,
            identity=self._identity(client, registration, refused=refused),
            clock=self._clock,
            new_request_id=self._new_request_id,
        )

    def _identity(self, client: HttpClient, registration: Registration, *, refused: RefusedSignIns) -> Identity:
        return Identity(
            client, registration, tokens=self._tokens, refusals=refused, new_request_id=self._new_request_id
        )


def _whole(registration: Registration | None) -> Registration:
    if registration is None:
        # The engine gives one with everything that lives in Microsoft 365.
        raise ProviderFault(Fault.REGISTRATION_UNKNOWN, "there is no app registration in [account]")
    return registration
