"""Opens inboxes at one EWS address with one sign-in. Called by `ews.py` and `ews_impersonation.py`."""

from __future__ import annotations

from typing import Final

from daemon.ports import ProviderFault
from daemon.providers import ews_folder
from daemon.providers.ews_folder import Opened, Question
from daemon.providers.ews_signin import Caller, Post

ENDPOINT: Final = "ews"
"""The name that its calls are counted under."""


class Inbox:
    """`by_impersonation`: even the account's own inbox is opened so, as an application without a mailbox must.

    `online`: the address is one of Exchange Online.
    """

    def __init__(self, caller: Caller, url: str, *, online: bool = False, by_impersonation: bool = False) -> None:
        self._caller = caller
        self._url = url
        self._online = online
        self._by_impersonation = by_impersonation

    async def own(self, address: str) -> Opened:
        """Open the account's own inbox. Nothing is raised; the fault is in what is given back."""
        return await self._opened(address, another=False)

    async def of_another(self, address: str) -> Opened:
        """Open the inbox of `address` by impersonation. Nothing is raised."""
        return await self._opened(address, another=True)

    async def _opened(self, address: str, *, another: bool) -> Opened:
        impersonate = address if another or self._by_impersonation else ""
        # The anchor must name whoever is impersonated: else the call goes to the wrong server and fails or crawls.
        post = Post(
            url=self._url, endpoint=ENDPOINT, body=ews_folder.request(impersonate=impersonate), anchor=address
        )  # fmt: skip
        try:
            answer = await self._caller.post(post)
        except ProviderFault as fault:
            # A copy without a traceback, whose frames hold the sign-in.
            return Opened(fault=copied(fault), signed_in=False)
        secrets = self._caller.secrets
        asked = Question(host=post.host, mailbox=address, another=another, online=self._online, secrets=secrets)
        return ews_folder.opened(answer, asked)


def copied(fault: ProviderFault) -> ProviderFault:
    """The same fault anew, to be raised where nothing else is its context."""
    return ProviderFault(fault.fault, fault.detail, retry_after=fault.retry_after)
