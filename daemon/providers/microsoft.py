"""Makes the adapters of the Microsoft side; implements `daemon.ports.Mailboxes` and `Directories`. Built by `app.py`."""

from __future__ import annotations

from daemon.ports import Clock, Directory, DirectoryAccess, Mailbox, MailboxAccess, Route
from daemon.providers.http import HttpClients


class MicrosoftProviders:
    """Interim: the adapters are under construction."""

    def __init__(self, clients: HttpClients, *, clock: Clock) -> None:
        self._clients = clients
        self._clock = clock

    def mailbox(self, access: MailboxAccess, route: Route) -> Mailbox:
        """The adapter for `access.platform`."""
        raise LookupError(access.platform)

    def directory(self, access: DirectoryAccess, route: Route) -> Directory:
        """The adapter for `access.platform`."""
        raise LookupError(access.platform)

    async def close(self) -> None:
        """Close every connection to a directory. Safe to repeat."""
