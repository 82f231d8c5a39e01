"""The layer `impersonation`: whether the account may work in another mailbox, and what is seen of the bind account.

Called by `ews.py` last. Working in one's own mailbox proves nothing, so another one is opened.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from daemon.ports import MailboxAccess, ProviderFault
from daemon.providers.autodiscover_journey import Discovery
from daemon.providers.ews_folder import Opened
from daemon.providers.ews_inbox import Inbox, copied
from daemon.providers.layers import Finding

Discover = Callable[[str], Awaitable[Discovery]]


@dataclass(slots=True)
class _Bind:
    """What was seen of the bind account's user: `well` and `problems` in clauses."""

    well: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


class Impersonation:
    """`own` is how the account's own inbox answered; `discover` searches by autodiscover."""

    def __init__(self, access: MailboxAccess, inbox: Inbox, *, own: Opened, discover: Discover) -> None:
        self._access = access
        self._inbox = inbox
        self._own = own
        self._discover = discover

    async def look(self) -> Finding:
        """Open another mailbox. Raises `ProviderFault` where that is denied; what is unproven is a warning."""
        proof = await self._proof()
        bind_account = self._other(self._access.bind_address)
        if not bind_account:
            return proof
        seen = await self._bind_account(bind_account)
        unseen = (
            f"whether {bind_account} itself may impersonate was not looked at: that takes its own Microsoft sign-in, "
            "which sitebind does not have"
        )
        detail = "; ".join([proof.detail, *seen.well, *seen.problems, unseen])
        if not seen.problems:
            return Finding(detail=detail, status=proof.status, remedy=proof.remedy)
        advice = f"Give {bind_account} ([binding] email) a mailbox on this platform with autodiscover for its domain."
        return Finding(detail=detail, status="warning", remedy=f"{proof.remedy} {advice}".strip())

    async def _proof(self) -> Finding:
        if not self._access.impersonates:
            return Finding(
                detail="not looked at, because [account] use_exchange_impersonation = no",
                status="skipped",
                remedy="Set [account] use_exchange_impersonation = yes if the site is to work in other mailboxes.",
            )
        probe = self._probe()
        if not probe:
            return self._unproven()
        opened = await self._inbox.of_another(probe)
        if opened.fault is not None:
            raise copied(opened.fault)
        return Finding(detail=f"{self._access.smtp_address} opened the inbox of {probe} by impersonation")

    def _unproven(self) -> Finding:
        if self._own.about == "right" and self._own.fault is not None:
            raise copied(self._own.fault)
        given = self._access.probe_address
        why = f"{given} is the account's own address, which proves nothing" if given else "no other mailbox is known"
        return Finding(
            detail=f"it was not proved that {self._access.smtp_address} may impersonate: {why}",
            status="warning",
            remedy="Name another mailbox of this platform in [account] impersonation_probe: only its inbox is opened.",
        )

    def _probe(self) -> str:
        return self._other(self._access.probe_address) or self._other(self._access.bind_address)

    def _other(self, address: str) -> str:
        """The address if it is another one than the account's."""
        return "" if address.casefold() == self._access.smtp_address.casefold() else address

    async def _bind_account(self, address: str) -> _Bind:
        """Look at what the guide asks of the bind account's user: autodiscover and a mailbox."""
        seen = _Bind()
        await self._autodiscovered(address, seen)
        if not self._access.impersonates:
            seen.well.append(f"whether {address} is mail enabled was not looked at: that takes impersonation")
        elif address != self._probe():
            opened = await self._inbox.of_another(address)
            if opened.fault is not None:
                seen.problems.append(f"the mailbox of {address}, the user who binds, did not open: {_told(opened)}")
            else:
                seen.well.append(f"{address}, the user who binds, is mail enabled")
        return seen

    async def _autodiscovered(self, address: str, seen: _Bind) -> None:
        try:
            found = await self._discover(address)
        except ProviderFault as fault:
            seen.problems.append(f"autodiscover of {address} could not be asked: {fault.detail}")
            return
        if found.ews_url or found.online:
            seen.well.append(found.detail)
        else:
            seen.problems.append(found.detail)


def _told(opened: Opened) -> str:
    return opened.fault.detail if opened.fault is not None else ""
