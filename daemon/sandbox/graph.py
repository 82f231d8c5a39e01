"""Microsoft's cloud on one host: the identity platform, Graph, and Exchange Online. Built and served by `server.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from daemon.sandbox.access_tokens import AccessTokens, Bearer
from daemon.sandbox.call import Answer, Call
from daemon.sandbox.cloud import Route
from daemon.sandbox.graph_batch import PLAYED, Batch
from daemon.sandbox.graph_delta import DeltaCalls
from daemon.sandbox.graph_directory import DirectoryCalls
from daemon.sandbox.graph_failures import GraphRefusal, bad_request, refuse
from daemon.sandbox.graph_mail import MailCalls
from daemon.sandbox.graph_members import direct, transitive
from daemon.sandbox.graph_pages import Pages
from daemon.sandbox.identity import Identity
from daemon.sandbox.outlook import Outlook
from daemon.sandbox.script import Endpoint, Script, Trouble
from daemon.sandbox.tenant import Tenant

_VERSION: Final = "v1.0"
# Any one of these application permissions opens the path.
_USERS: Final = frozenset({"User.Read.All", "User.ReadWrite.All", "Directory.Read.All"})
_GROUPS: Final = frozenset({"Group.Read.All", "GroupMember.Read.All", "Directory.Read.All"})
_CONTACTS: Final = frozenset({"OrgContact.Read.All", "Directory.Read.All"})
_ORGANIZATION: Final = frozenset({"Organization.Read.All", "Directory.Read.All"})
_MAIL: Final = frozenset({"Mail.ReadBasic", "Mail.ReadBasic.All", "Mail.Read", "Mail.ReadWrite"})
_SETTINGS: Final = frozenset({"MailboxSettings.Read", "MailboxSettings.ReadWrite"})
_IN_MAILBOXES: Final = _MAIL | _SETTINGS

Handle = Callable[[Call], Answer]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """What answers on the paths of one pattern; `*` takes any one part, which `handle` is given before the call."""

    pattern: tuple[str, ...]
    handle: Callable[..., Answer]
    roles: frozenset[str]
    method: str = "GET"
    plays: frozenset[Trouble] = frozenset()

    def match(self, parts: Sequence[str]) -> tuple[str, ...] | None:
        """Give the parts taken, or None for another path."""
        if len(parts) != len(self.pattern):
            return None
        pairs = tuple(zip(self.pattern, parts, strict=True))
        if any(wanted not in ("*", part) for wanted, part in pairs):
            return None
        return tuple(part for wanted, part in pairs if wanted == "*")


class Graph:
    """The host: `find` gives what answers on a path."""

    def __init__(
        self, *, tenant: Tenant, script: Script, url: Callable[[], str], exchange_url: Callable[[], str]
    ) -> None:
        tokens = AccessTokens()
        self._url = url
        self._tokens = tokens
        self._identity = Identity(tenant=tenant, script=script, tokens=tokens, url=url)
        self._outlook = Outlook(tenant=tenant, script=script, url=url, exchange_url=exchange_url)
        pages = Pages(url=url)
        batch = Batch(script=script, find=self.find)
        self._resources = (
            Resource(pattern=("$batch",), handle=batch.answer, roles=frozenset(), method="POST", plays=PLAYED),
            *_of_changes(DeltaCalls(tenant=tenant, pages=pages, url=url)),
            *_of_directory(DirectoryCalls(tenant=tenant, pages=pages, url=url)),
            *_of_mail(MailCalls(tenant=tenant, script=script, url=url)),
        )

    def find(self, method: str, path: str) -> Route | None:
        """Find what answers."""
        parts = path.removeprefix("/").split("/")
        if parts[0] != _VERSION:
            return self._outlook.find(path) or self._identity.find(parts)
        for resource in self._resources:
            taken = resource.match(parts[1:])
            if taken is not None:
                answered = partial(self._answered, partial(resource.handle, *taken), resource.roles)
                return Route(endpoint=Endpoint.GRAPH, handle=answered, method=resource.method, plays=resource.plays)
        return Route(endpoint=Endpoint.GRAPH, handle=partial(self._answered, _unknown, frozenset()), method=method)

    def _answered(self, handle: Handle, roles: frozenset[str], call: Call) -> Answer:
        """Check token and roles, and give refusals Graph's shape."""
        try:
            self._authorise(call, roles)
            return handle(call)
        except GraphRefusal as refusal:
            return refusal.answer(call.marks)

    def _authorise(self, call: Call, roles: frozenset[str]) -> None:
        bearer = self._bearer(call)
        if bearer is None:
            refuse(
                401,
                "InvalidAuthenticationToken",
                message="Access token validation failure, or the token is empty.",
                headers={"WWW-Authenticate": f'Bearer realm="", authorization_uri="{self._url()}"'},
            )
        if roles and not roles & bearer.roles:
            if roles <= _IN_MAILBOXES:
                refuse(403, "ErrorAccessDenied", message="Access is denied. Check credentials and try again.")
            refuse(403, "Authorization_RequestDenied", message="Insufficient privileges to complete the operation.")

    def _bearer(self, call: Call) -> Bearer | None:
        scheme, _, token = call.headers.get("Authorization", "").partition(" ")
        if scheme.casefold() != "bearer":
            return None
        return self._tokens.read(token.strip(), audience=self._url(), now=call.service_time)


def _unknown(call: Call) -> Answer:
    """Refuse a path that Graph does not know; unlike other services it takes it for a bad request."""
    last = call.path.rpartition("/")[2]
    bad_request(f"Resource not found for the segment '{last[:60]}'.")


def _of_changes(calls: DeltaCalls) -> tuple[Resource, ...]:
    """Name the function in each of its spellings; libraries write the brackets."""
    return _resources(
        ("users/" + name, calls.users, _USERS) for name in ("delta", "delta()", "microsoft.graph.delta()")
    )


def _of_directory(calls: DirectoryCalls) -> tuple[Resource, ...]:
    rows: tuple[tuple[str, Callable[..., Answer], frozenset[str]], ...] = (
        ("users", calls.users, _USERS),
        ("users/*", calls.user, _USERS),
        ("groups", calls.groups, _GROUPS),
        ("groups/*", calls.group, _GROUPS),
        ("groups/*/members", partial(calls.members, direct), _GROUPS),
        ("groups/*/members/*", partial(calls.members_of_kind, direct), _GROUPS),
        ("groups/*/transitiveMembers", partial(calls.members, transitive), _GROUPS),
        ("groups/*/transitiveMembers/*", partial(calls.members_of_kind, transitive), _GROUPS),
        ("contacts", calls.contacts, _CONTACTS),
        ("contacts/*", calls.contact, _CONTACTS),
        ("organization", calls.organization, _ORGANIZATION),
    )
    return _resources(rows)


def _of_mail(calls: MailCalls) -> tuple[Resource, ...]:
    rows: tuple[tuple[str, Callable[..., Answer], frozenset[str]], ...] = (
        ("users/*/mailFolders/*", calls.folder, _MAIL),
        ("users/*/mailboxSettings", calls.settings, _SETTINGS),
        ("users/*/mailboxSettings/userPurpose", calls.purpose, _SETTINGS),
    )
    return _resources(rows)


def _resources(rows: Iterable[tuple[str, Callable[..., Answer], frozenset[str]]]) -> tuple[Resource, ...]:
    return tuple(Resource(pattern=tuple(path.split("/")), handle=handle, roles=roles) for path, handle, roles in rows)
