"""Mailboxes in the cloud, as Graph shows them: the inbox, and what the mailbox is for. Routed to by `graph.py`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from daemon.sandbox.call import Answer, Call
from daemon.sandbox.graph_directory import person
from daemon.sandbox.graph_failures import bad_request, refuse
from daemon.sandbox.graph_kinds import Kind
from daemon.sandbox.graph_pages import selected
from daemon.sandbox.script import Script, Trouble
from daemon.sandbox.tenant import Person, Tenant, identity

_INBOX: Final = Kind(
    name="mailFolder",
    properties={
        "id": lambda person: identity(f"inbox {person.address}"),
        "displayName": lambda _: "Inbox",
        "parentFolderId": lambda person: identity(f"root {person.address}"),
        "childFolderCount": lambda _: 0,
        "unreadItemCount": lambda _: 0,
        "totalItemCount": lambda _: 0,
        "isHidden": lambda _: False,
    },
)
_NOT_HERE: Final = "The mailbox is either inactive, soft-deleted, or is hosted on-premise."


class MailCalls:
    """The handlers."""

    def __init__(self, *, tenant: Tenant, script: Script, url: Callable[[], str]) -> None:
        self._tenant = tenant
        self._script = script
        self._url = url

    def folder(self, who: str, name: str, call: Call) -> Answer:
        """Show a folder of a mailbox; there is the inbox only."""
        owner = self._mailbox(who, call)
        if name.casefold() != "inbox":
            refuse(404, "ErrorItemNotFound", message="The specified object was not found in the store.")
        record = _INBOX.show(owner, selected(call.query, _INBOX))
        return Answer(body={"@odata.context": f"{self._url()}/v1.0/$metadata#users/mailFolders/$entity", **record})

    def settings(self, who: str, call: Call) -> Answer:
        """Show the settings of a mailbox."""
        self._mailbox(who, call)
        return Answer(body={"timeZone": "UTC", "userPurpose": "user"})

    def purpose(self, who: str, call: Call) -> Answer:
        """Show what a mailbox is for, the cheapest way to see that there is one."""
        if call.query:
            bad_request("No query option applies to a single value.")
        self._mailbox(who, call)
        return Answer(body={"@odata.context": f"{self._url()}/v1.0/$metadata#userPurpose", "value": "user"})

    def _mailbox(self, who: str, call: Call) -> Person:
        """Give the owner of a mailbox that may be opened, or refuse."""
        owner = person(self._tenant, who)
        if owner is None:
            refuse(404, "ResourceNotFound", message="Resource could not be discovered.")
        # [gap] ours: what is granted then is the account's own mailbox, which the tenant marks.
        if not owner.may_impersonate and self._script.strikes(Trouble.NO_IMPERSONATION, call.endpoint):
            refuse(403, "ErrorAccessDenied", message="Access is denied. Check credentials and try again.")
        gone = self._script.strikes(Trouble.NO_MAILBOX, call.endpoint) or self._script.strikes(
            Trouble.HALF_MIGRATED, call.endpoint
        )
        if gone or owner.mailbox != "microsoft-365":
            refuse(404, "MailboxNotEnabledForRESTAPI", message=_NOT_HERE)
        if self._script.strikes(Trouble.MOVED_MAILBOX, call.endpoint):
            # [gap] ours: the code.
            refuse(503, "ErrorMailboxMoveInProgress", message="The mailbox is being moved. Please try again later.")
        return owner
