"""How Exchange is told who calls: nobody, a name and a password, or a token of the Microsoft identity platform.

Called by the `autodiscover` and `ews` modules. A password goes only to a host that asked for a sign-in, and not
again to one that refused it. A 401 never comes back as an answer: it is raised as the fault that it is.
"""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, Protocol
from urllib.parse import urlsplit

from daemon.ports import ProviderFault, Secret
from daemon.providers import negotiate
from daemon.providers.answer import Answer
from daemon.providers.failure import authority, schemes_in, with_request_id
from daemon.providers.http import HttpClient, Terms
from daemon.providers.quoting import quoted
from daemon.providers.refused_sign_ins import RefusedSignIns, SignIn
from states import Fault

TokenSource = Callable[[str], Awaitable[Secret]]
"""Gives a token for a scope like `https://resource/.default`; raises `ProviderFault`."""

IN_VAIN: Final = frozenset({Fault.MAILBOX_SIGN_IN_REFUSED, Fault.MAILBOX_SCHEME_UNSUPPORTED})
"""What a host says that wants another sign-in than it got."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """One call. `endpoint` is the name that it is counted under; `anchor` the mailbox that it concerns."""

    url: str
    endpoint: str
    body: bytes = field(repr=False)
    action: str = ""
    anchor: str = ""
    redirects: bool = False

    @property
    def host(self) -> str:
        """The host that is called, with a port that is not the usual one."""
        return host_of(self.url)

    def headers(self, request_id: str) -> dict[str, str]:
        """All but who calls."""
        found = {"Content-Type": "text/xml; charset=utf-8", "Accept": "text/xml", "client-request-id": request_id}
        if self.action:
            found["SOAPAction"] = f'"{self.action}"'
        if self.anchor:
            found["X-AnchorMailbox"] = self.anchor
        return found


class Caller(Protocol):
    """Somebody who calls Exchange."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no text may show."""

    async def post(self, call: Post) -> Answer:
        """Send the call, signed in. Raises `ProviderFault`, for every 401 too."""


@dataclass(frozen=True, slots=True)
class Wire:
    """The connection under every caller; `new_request_id` names each call for the server's log.

    Who calls too often is told so by `account`; others do not wait for it.
    """

    client: HttpClient
    new_request_id: Callable[[], str]
    account: str

    async def sent(self, call: Post, authorization: str = "", *, terms: Terms | None = None) -> Answer:
        """Send it; an empty `authorization` sends no such header."""
        request_id = self.new_request_id()
        signed = {"Authorization": authorization} if authorization else {}
        return await self.client.call(
            "POST",
            call.url,
            endpoint=call.endpoint,
            headers={**call.headers(request_id), **signed},
            request_id=request_id,
            body=call.body,
            application=self.account,
            terms=terms or Terms(redirects=call.redirects),
        )


class Nobody:
    """No sign-in at all, as [account] requires_authentication = no wants it."""

    secrets: tuple[str, ...] = ()

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    async def post(self, call: Post) -> Answer:
        answer = await self._wire.sent(call)
        if answer.status != 401:
            return answer
        detail = (
            f"{call.host} asks for a sign-in ({_offer(answer)}), and none is sent because [account] "
            "requires_authentication = no: set it to yes, or let the server take calls of this host without one"
        )
        raise with_request_id(ProviderFault(Fault.MAILBOX_SIGN_IN_REFUSED, detail), answer.request_id)


class Bearer:
    """An application with a token for `scope`, which is asked for once."""

    def __init__(self, wire: Wire, token: TokenSource, *, scope: str) -> None:
        self._wire = wire
        self._source = token
        self._scope = scope
        self._token: Secret | None = None

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no text may show."""
        return (self._token.reveal(),) if self._token is not None else ()

    async def post(self, call: Post) -> Answer:
        if self._token is None:
            self._token = await self._source(self._scope)
        answer = await self._wire.sent(call, f"Bearer {self._token.reveal()}")
        if answer.status != 401:
            return answer
        why = quoted(answer.headers.get("x-ms-diagnostics", ""), secrets=self.secrets)
        detail = (
            f"{call.host} did not accept the application's token{f': {why}' if why else ''}; no password is involved: "
            "it needs the permission full_access_as_app of Exchange Online, or a role by RBAC for Applications"
        )
        raise with_request_id(ProviderFault(Fault.MAILBOX_SIGN_IN_REFUSED, detail), answer.request_id)


class Password:
    """A name and a password: Basic where it is offered, else NTLM or Negotiate. `refused` is shared by all.

    A refusal is remembered by host and kind of call: autodiscover may refuse what EWS accepts.
    """

    def __init__(self, wire: Wire, refused: RefusedSignIns, *, user: str, password: Secret) -> None:
        self._wire = wire
        self._refused = refused
        self._user = user
        self._password = password
        self._basic = Secret("Basic " + base64.b64encode(f"{user}:{password.reveal()}".encode()).decode())
        self._takes_basic: set[tuple[str, str]] = set()

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no text may show."""
        return self._basic.reveal(), self._basic.reveal().removeprefix("Basic "), self._password.reveal()

    async def post(self, call: Post) -> Answer:
        place = (call.host, call.endpoint)
        if place in self._takes_basic:
            # Proven a moment ago: nothing is risked, so nobody has to wait for a turn.
            return self._judged(await self._attempted(call, "Basic"), call, scheme="Basic")
        answer = await self._wire.sent(call)
        if answer.status != 401:
            return answer
        scheme = self._scheme(call, answer)
        async with self._refused.turn(self._key(call)):
            answer = self._judged(await self._attempted(call, scheme), call, scheme=scheme)
        if scheme == "Basic":
            self._takes_basic.add(place)
        return answer

    def _key(self, call: Post) -> SignIn:
        return call.host, call.endpoint, self._user, self._password

    def _judged(self, answer: Answer, call: Post, *, scheme: str) -> Answer:
        """Give the answer if the sign-in was taken; else remember that it was not, and raise `ProviderFault`."""
        if answer.status != 401:
            self._refused.forget(self._key(call))
            return answer
        detail = f"{call.host} did not accept the name {self._user} with its password (it was sent with {scheme})"
        if scheme != "Basic":
            detail += (
                "; a server that requires Extended Protection refuses the right one too, because sitebind binds no "
                "channel: have it accept others, or offer Basic"
            )
        refusal = with_request_id(ProviderFault(Fault.MAILBOX_SIGN_IN_REFUSED, detail), answer.request_id)
        self._refused.note(self._key(call), refusal)
        raise refusal

    async def _attempted(self, call: Post, scheme: str) -> Answer:
        if scheme == "Basic":
            return await self._wire.sent(call, self._basic.reveal())
        host = urlsplit(call.url).hostname or ""
        async with self._wire.client.alone() as session:
            terms = Terms(redirects=call.redirects, alone=session)
            return await negotiate.signed_in(
                lambda authorization: self._wire.sent(call, authorization, terms=terms),
                scheme,
                host=host,
                user=self._user,
                password=self._password,
            )

    def _scheme(self, call: Post, answer: Answer) -> str:
        """Choose how to sign in. Raises `ProviderFault` where the host offers nothing that is spoken here."""
        offered = schemes_in(negotiate.offers_in(answer))
        if any(scheme.casefold() == "basic" for scheme in offered):
            return "Basic"
        other = negotiate.chosen(offered)
        if other and negotiate.is_installed():
            return other
        spoken = "sitebind speaks Basic, NTLM and Negotiate"
        if other:
            spoken = (
                "of these sitebind speaks none as it is installed: pip install 'sitebind[negotiate]' adds NTLM and "
                "Negotiate"
            )
        detail = f"{call.host} asks for a sign-in ({_offer(answer)}); {spoken}"
        raise with_request_id(ProviderFault(Fault.MAILBOX_SCHEME_UNSUPPORTED, detail), answer.request_id)


def host_of(url: str) -> str:
    """The host of an address for people and for keys, with its port where that is not the usual one."""
    parts = urlsplit(url)
    host, port = (parts.hostname or "").rstrip("."), parts.port
    return host if port in {None, 443} else authority(host, port or 443)


def _offer(answer: Answer) -> str:
    names = [quoted(scheme, longest=40) for scheme in schemes_in(negotiate.offers_in(answer))]
    return f"it offers {', '.join(names[:8])}" if names else "it names no scheme"
