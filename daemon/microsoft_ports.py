"""What the engine asks of the Microsoft side, as small protocols; their values stand in `daemon.microsoft`.

Imported through `daemon.ports`, as every port is. Implemented by providers.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from daemon.microsoft import DirectoryAccess, DirectoryObject, Examination, Found, MailboxAccess, ObjectKind
from daemon.values import Route


class Mailbox(Protocol):
    """The Microsoft mailbox account on one platform."""

    async def examine(self) -> Examination:
        """Walk `MAILBOX_LAYERS` with the account's own sign-in. Reads only; nothing is raised for a failed layer.

        A sign-in that was refused lately is not tried again, so that no examination locks the account.
        """


class Mailboxes(Protocol):
    """Makes the adapter for a mailbox account. Cheap: connections and tokens are shared behind it."""

    def mailbox(self, access: MailboxAccess, route: Route) -> Mailbox:
        """The adapter for `access.platform`."""


class Directory(Protocol):
    """Where addresses and groups are looked up. Every method but `examine` raises `ProviderFault`."""

    async def examine(self) -> Examination:
        """Walk `DIRECTORY_LAYERS`, ending with one lookup. Reads only; nothing is raised for a failed layer."""

    async def find(self, wanted: str, *, kind: ObjectKind | None = None) -> Found:
        """Look up an address (primary, alias or proxy), a name, a distinguished name or an id; `kind` narrows it."""

    def members(self, group: DirectoryObject) -> AsyncIterator[DirectoryObject]:
        """Users and contacts of a group, also through groups inside it, each once, as they arrive.

        Cycles are harmless. `group` comes from `find` of the same directory.
        """


class Directories(Protocol):
    """Makes the adapter for a directory. Cheap: connections and tokens are shared behind it."""

    def directory(self, access: DirectoryAccess, route: Route) -> Directory:
        """The adapter for `access.platform`."""

    async def close(self) -> None:
        """Close every connection to a directory. Safe to repeat."""
