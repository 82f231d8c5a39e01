"""What Graph serves: which path is answered by what, opened by which permission, at what cost; for `graph.py`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from daemon.sandbox.call import Answer, Call
from daemon.sandbox.graph_delta import DeltaCalls
from daemon.sandbox.graph_directory import DirectoryCalls
from daemon.sandbox.graph_mail import MailCalls
from daemon.sandbox.graph_members import direct, transitive
from daemon.sandbox.script import Trouble

# Any one of these application permissions opens the path.
_USERS: Final = frozenset({"User.Read.All", "User.ReadWrite.All", "Directory.Read.All"})
_GROUPS: Final = frozenset({"Group.Read.All", "GroupMember.Read.All", "Directory.Read.All"})
_CONTACTS: Final = frozenset({"OrgContact.Read.All", "Directory.Read.All"})
_ORGANIZATION: Final = frozenset({"Organization.Read.All", "Directory.Read.All"})
_MAIL: Final = frozenset({"Mail.ReadBasic", "Mail.ReadBasic.All", "Mail.Read", "Mail.ReadWrite"})
_SETTINGS: Final = frozenset({"MailboxSettings.Read", "MailboxSettings.ReadWrite"})
# Libraries write the brackets.
_DELTA: Final = ("delta", "delta()", "microsoft.graph.delta()")


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """What answers on the paths of one pattern; `*` takes any one part, which `handle` is given before the call.

    Any one of the `roles` opens it. `units` is what a call costs before it is told to be modest.
    """

    pattern: tuple[str, ...]
    handle: Callable[..., Answer]
    roles: frozenset[str]
    method: str = "GET"
    units: int = 1
    plays: frozenset[Trouble] = frozenset()

    @property
    def in_mailboxes(self) -> bool:
        """Whether it lies in somebody's mailbox, whose refusals sound different."""
        return bool(self.roles) and self.roles <= _MAIL | _SETTINGS

    def match(self, parts: Sequence[str]) -> tuple[str, ...] | None:
        """Give the parts taken, or None for another path."""
        if len(parts) != len(self.pattern):
            return None
        pairs = tuple(zip(self.pattern, parts, strict=True))
        if any(wanted not in ("*", part) for wanted, part in pairs):
            return None
        return tuple(part for wanted, part in pairs if wanted == "*")

    def cost(self, call: Call) -> int:
        """Count the resource units of a call: a selection and a short page make it cheaper."""
        top = call.query.get("$top", "")
        short = top.isascii() and top.isdecimal() and int(top) < 20
        return max(1, self.units - ("$select" in call.query) - short)


def of_directory(calls: DirectoryCalls, changes: DeltaCalls) -> tuple[Resource, ...]:
    """The directory's resources; the first that fits a path answers."""
    return (
        *(_at(f"users/{name}", changes.users, _USERS, units=2) for name in _DELTA),
        _at("users", calls.users, _USERS, units=2),
        _at("users/*", calls.user, _USERS),
        _at("groups", calls.groups, _GROUPS),
        _at("groups/*", calls.group, _GROUPS),
        _at("groups/*/members", partial(calls.members, direct), _GROUPS, units=3),
        _at("groups/*/members/*", partial(calls.members_of_kind, direct), _GROUPS, units=3),
        _at("groups/*/transitiveMembers", partial(calls.members, transitive), _GROUPS, units=5),
        _at("groups/*/transitiveMembers/*", partial(calls.members_of_kind, transitive), _GROUPS, units=5),
        _at("contacts", calls.contacts, _CONTACTS),
        _at("contacts/*", calls.contact, _CONTACTS),
        _at("organization", calls.organization, _ORGANIZATION),
    )


def of_mail(calls: MailCalls) -> tuple[Resource, ...]:
    """The resources inside mailboxes."""
    return (
        _at("users/*/mailFolders/*", calls.folder, _MAIL),
        _at("users/*/mailboxSettings", calls.settings, _SETTINGS),
        _at("users/*/mailboxSettings/userPurpose", calls.purpose, _SETTINGS),
    )


def _at(path: str, handle: Callable[..., Answer], roles: frozenset[str], *, units: int = 1) -> Resource:
    return Resource(pattern=tuple(path.split("/")), handle=handle, roles=roles, units=units)
