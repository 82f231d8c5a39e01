"""One connection to a directory server: signing in and searching, each with its time, refusals put into words.

Made by `ldap_connector.py`, kept by `ldap_session.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, Literal

import sansldap

from daemon.ports import ProviderFault, Secret
from daemon.providers import ldap_errors
from daemon.providers.ldap_entry import Entry
from daemon.providers.ldap_errors import SIZE_LIMIT
from daemon.providers.ldap_seal import Seal
from daemon.providers.ldap_wire import Answer, Lost, Wire
from states import Fault

Filter = sansldap.LDAPFilter
EVERYTHING: Final = sansldap.FilterPresent("objectClass")
# Active Directory ends each search of a domain with three referrals, unless it is told that nobody follows them.
_NO_REFERRALS: Final = sansldap.LDAPControl("1.2.840.113556.1.4.1339", critical=False, value=None)
_SCOPES: Final = {"base": sansldap.SearchScope.BASE, "subtree": sansldap.SearchScope.SUBTREE}


@dataclass(frozen=True, slots=True, kw_only=True)
class LdapLimits:
    """Seconds for resolving and connecting, for TLS, and for one search or one page of it.

    `idle`: seconds until an unused connection is closed; `page`: entries of a page; `largest`: bytes of a message;
    `at_once`: lookups at a time, others wait; `servers`: servers tried at the most, where DNS names many; `kdc`:
    seconds for a ticket.
    """

    connect: float = 5.0
    tls: float = 5.0
    search: float = 20.0
    idle: float = 60.0
    page: int = 1000
    largest: int = 16 * 2**20
    at_once: int = 20
    servers: int = 4
    kdc: float = 10.0


USUAL: Final = LdapLimits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A search. `most`: that many entries are enough; 0: all of them, by pages."""

    base: str
    wanted: Filter = field(repr=False)
    attributes: Sequence[str]
    scope: Literal["base", "subtree"] = "subtree"
    most: int = 0


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a search; `cookie` leads to the next one, empty: it was the last."""

    entries: list[Entry]
    cookie: bytes


class LdapConnection:
    """Signed in or about to be. `server` names it for people.

    `retired`: it takes nothing new, and is cut as soon as nobody holds it any more.
    """

    def __init__(self, wire: Wire, *, server: str, limits: LdapLimits) -> None:
        self._wire = wire
        self._limits = limits
        self.server = server
        self.retired = False
        self._holders = 0

    @property
    def usable(self) -> bool:
        """Whether new requests may be sent over it."""
        return not self.retired and self._wire.is_open

    @property
    def idle(self) -> bool:
        """Whether nobody holds it."""
        return not self._holders

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep it from being cut between two requests that belong together."""
        self._holders += 1
        try:
            yield
        finally:
            self._holders -= 1
            if self.retired and self.idle:
                self._wire.abort()

    async def bind(self, user: str, password: Secret) -> None:
        """Sign in. Raises `ProviderFault`."""
        secrets = (password.reveal(),)
        answer = await self._asked(
            lambda client: client.bind_simple(user, password.reveal()), doing="during the sign-in"
        )
        if answer.refusal is not None:
            raise ldap_errors.sign_in_refused(answer.refusal, server=self.server, secrets=secrets)

    async def sasl(self, mechanism: str, token: bytes, *, seal: Seal | None = None) -> Answer:
        """One step of a sign-in by SASL; the `seal` is worn behind the last one. Raises `ProviderFault`.

        A refusal is in the answer: what it means depends on the mechanism and the step.
        """
        return await self._asked(
            lambda client: client.bind_sasl(mechanism, cred=token), doing="during the sign-in", seal=seal
        )

    async def page(self, ask: Ask, *, cookie: bytes = b"") -> Page:
        """One page of a search. Raises `ProviderFault`; more entries than `ask.most` are no fault."""
        answer = await self._asked(lambda client: self._request(client, ask, cookie), doing="during a search")
        refusal = answer.refusal
        if refusal is not None and not (refusal.code == SIZE_LIMIT and ask.most):
            raise ldap_errors.search_refused(refusal, server=self.server, base=ask.base, paging=bool(cookie))
        return Page(answer.entries, answer.cookie)

    def retire(self) -> None:
        """Take nothing new. What others are at is finished first."""
        self.retired = True
        if self.idle:
            self._wire.abort()

    def abort(self) -> None:
        """Cut it at once."""
        self.retired = True
        self._wire.abort()

    async def close(self) -> None:
        """Say good-bye and close. Safe to repeat."""
        self.retired = True
        await self._wire.close()

    def _request(self, client: sansldap.LDAPClient, ask: Ask, cookie: bytes) -> int:
        controls: list[sansldap.LDAPControl] = []
        if ask.scope == "subtree":
            controls.append(_NO_REFERRALS)
        if ask.scope == "subtree" and not ask.most:
            controls.append(sansldap.PagedResultControl(critical=True, size=self._limits.page, cookie=cookie))
        return client.search_request(
            ask.base,
            scope=_SCOPES[ask.scope],
            filter=ask.wanted,
            attributes=list(ask.attributes),
            size_limit=ask.most,
            time_limit=max(1, int(self._limits.search)),
            controls=controls,
        )

    async def _asked(
        self, write: Callable[[sansldap.LDAPClient], int], *, doing: str, seal: Seal | None = None
    ) -> Answer:
        """Send and wait. Whoever gives up waiting retires the connection: the server may still be at work on it."""
        seconds = self._limits.search
        try:
            return await self._in_time(self._wire.send(write, seal=seal), seconds)
        except Lost as lost:
            fault = _lost(lost, server=self.server, doing=doing)
        except TimeoutError:
            fault = ProviderFault(Fault.TIMED_OUT, f"{self.server} did not answer within {seconds:g} s {doing}")
        raise fault

    async def _in_time(self, answer: Awaitable[Answer], seconds: float) -> Answer:
        finished = False
        try:
            async with asyncio.timeout(seconds):
                found = await answer
            finished = True
            return found
        finally:
            if not finished:
                self.retire()


def _lost(lost: Lost, *, server: str, doing: str) -> ProviderFault:
    if lost.refusal is not None:
        return ldap_errors.closed(lost.refusal, server=server)
    if lost.malformed:
        return ProviderFault(Fault.ANSWER_MALFORMED, f"{server}: {lost.malformed} {doing}")
    return ProviderFault(Fault.CONNECTION_LOST, f"{server}: the connection was cut {doing}")
