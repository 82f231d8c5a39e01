"""The error codes of Exchange Web Services, each with the one fault that it is: read by `ews_folder.py` only.

The meanings are those of Microsoft's public reference of response codes. Codes that are not in the table are
quoted as they are.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

from states import Fault

Side = Literal["sign-in", "mailbox", "right"]
"""What a code is about: who signs in, the mailbox that was asked for, or the right to work in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A code, its fault, what it means in a clause, and the fault where another's mailbox was asked for.

    The code of a server that no table knows is foreign text, so it shows in no `repr`.
    """

    code: str = field(repr=False)
    fault: Fault
    meaning: str
    about: Side = "mailbox"
    of_another: Fault | None = None

    def fault_for(self, *, another: bool) -> Fault:
        """The fault when the account's own mailbox was asked for, or another one."""
        return self.of_another or self.fault if another else self.fault


def _busy(code: str, meaning: str) -> Row:
    return Row(code=code, fault=Fault.EXCHANGE_BUSY, meaning=meaning)


TABLE: Final = (
    Row(
        code="ErrorImpersonateUserDenied",
        fault=Fault.IMPERSONATION_DENIED,
        meaning="the account may not impersonate this user",
        about="right",
    ),
    Row(
        code="ErrorImpersonationDenied",
        fault=Fault.IMPERSONATION_DENIED,
        meaning="the account may not impersonate anybody through this server",
        about="right",
    ),
    Row(
        code="ErrorAccessDenied",
        fault=Fault.IMPERSONATION_DENIED,
        meaning="the caller has no right to this mailbox, or it lies outside the scope of its role",
        about="right",
    ),
    _busy("ErrorImpersonationFailed", "the server's directory or trusts failed while it looked, no right is missing"),
    Row(
        code="ErrorInvalidExchangeImpersonationHeaderData",
        fault=Fault.MAILBOX_IDENTITY_INVALID,
        meaning="the impersonation header names nobody whom the server can identify",
    ),
    Row(
        code="ErrorInvalidUserPrincipalName",
        fault=Fault.MAILBOX_IDENTITY_INVALID,
        meaning="the user principal name is not valid",
    ),
    Row(code="ErrorInvalidUserSid", fault=Fault.MAILBOX_IDENTITY_INVALID, meaning="the user's SID is not valid"),
    Row(
        code="ErrorNonExistentMailbox",
        fault=Fault.MAILBOX_MISSING,
        meaning="no mailbox has this address",
        of_another=Fault.PROBE_MAILBOX_MISSING,
    ),
    Row(
        code="ErrorMissingEmailAddress",
        fault=Fault.MAILBOX_MISSING,
        meaning="the account itself has no mailbox: it is not mail enabled",
    ),
    Row(
        code="ErrorAccountDisabled",
        fault=Fault.MAILBOX_ACCOUNT_DISABLED,
        meaning="the account is disabled",
        about="sign-in",
    ),
    Row(
        code="ErrorPasswordExpired",
        fault=Fault.MAILBOX_PASSWORD_EXPIRED,
        meaning="the account's password has expired",
        about="sign-in",
    ),
    Row(
        code="ErrorPasswordChangeRequired",
        fault=Fault.MAILBOX_PASSWORD_EXPIRED,
        meaning="the account's password has to be changed before its first use",
        about="sign-in",
    ),
    _busy("ErrorServerBusy", "the server is busy"),
    _busy("ErrorInternalServerTransientError", "the server failed for a moment"),
    _busy("ErrorADUnavailable", "the server does not reach its Active Directory"),
    _busy("ErrorADOperation", "an operation in the server's Active Directory failed"),
    _busy("ErrorMailboxMoveInProgress", "the mailbox is being moved"),
    _busy("ErrorMailboxStoreUnavailable", "the mailbox's database is not there"),
    _busy("ErrorMailboxFailover", "the mailbox's database is changing servers"),
    _busy("ErrorExceededConnectionCount", "the account has too many connections open"),
    Row(
        code="ErrorInternalServerError",
        fault=Fault.SERVICE_ERROR,
        meaning="the server failed inside",
    ),
)
_BY_CODE: Final = {row.code.casefold(): row for row in TABLE}


def row_of(code: str) -> Row:
    """The row of a code; for one that nobody wrote down, a refusal that a person has to read."""
    known = _BY_CODE.get(code.casefold())
    return known or Row(code=code, fault=Fault.REQUEST_REFUSED, meaning="a code that sitebind does not know")
