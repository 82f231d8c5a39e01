"""What a directory server's refusals mean: result codes, and Active Directory's own codes inside them.

One row a code. Called by `ldap_connection.py`; nobody upstream reads a code or a server's text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from daemon.ports import ProviderFault
from daemon.providers.quoting import quoted
from states import Fault

# Active Directory writes them like this: 80090308: LdapErr: DSID-0C0903A9, comment: …, data 52e, v1db1
_SUB_CODE: Final = re.compile(r"\bdata ([0-9a-f]{1,8})\b", re.IGNORECASE)
_WIN32: Final = re.compile(r"\b0*([0-9a-f]{3,8}):", re.IGNORECASE)
_SIGN_OR_SEAL: Final = re.compile(r"sign or seal|signing|integrity|transport encryption", re.IGNORECASE)
_NO_TLS: Final = "it does not start TLS"

SIZE_LIMIT: Final = 4
REFERRAL: Final = 10
NO_SUCH_OBJECT: Final = 32
INVALID_DN: Final = 34
INVALID_CREDENTIALS: Final = 49


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """What a server answered instead of success. `text` is its diagnostic message, `referrals` where it points.

    Both are foreign text, to be quoted only through `quoted`.
    """

    code: int
    text: str = field(default="", repr=False)
    referrals: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Row:
    """A code and what it means. `sub` is the code of Active Directory inside it, in hex; empty: any."""

    code: int
    sub: str
    fault: Fault
    words: str


SIGN_IN_ROWS: Final = (
    Row(49, "52e", Fault.DIRECTORY_SIGN_IN_REFUSED, "the user name or the password is wrong"),
    Row(49, "525", Fault.DIRECTORY_SIGN_IN_REFUSED, "there is no such user"),
    Row(49, "530", Fault.DIRECTORY_ACCOUNT_BLOCKED, "the user may not sign in at this hour (logon hours)"),
    Row(49, "531", Fault.DIRECTORY_ACCOUNT_BLOCKED, "the user may not sign in from this host (logon workstations)"),
    Row(49, "532", Fault.DIRECTORY_PASSWORD_EXPIRED, "the password has expired"),
    Row(49, "533", Fault.DIRECTORY_ACCOUNT_BLOCKED, "the account is disabled"),
    Row(49, "568", Fault.DIRECTORY_ACCOUNT_BLOCKED, "the user is in too many groups to sign in"),
    Row(49, "569", Fault.DIRECTORY_ACCOUNT_BLOCKED, "the user is not granted this kind of sign-in at the server"),
    Row(49, "701", Fault.DIRECTORY_ACCOUNT_BLOCKED, "the account has expired"),
    Row(49, "773", Fault.DIRECTORY_PASSWORD_EXPIRED, "the user has to change the password before the next sign-in"),
    Row(49, "775", Fault.DIRECTORY_ACCOUNT_BLOCKED, "the account is locked after too many wrong passwords"),
    Row(
        49,
        "80090346",
        Fault.DIRECTORY_PROTECTION_REQUIRED,
        "the server demands a sign-in that is bound to the TLS connection (LdapEnforceChannelBinding), and did not see "
        "the connection that we made: look for something in between that opens TLS",
    ),
    Row(49, "", Fault.DIRECTORY_SIGN_IN_REFUSED, "the user name or the password is wrong"),
    Row(7, "", Fault.DIRECTORY_SIGN_IN_REFUSED, "the server takes no sign-in by name and password (simple bind)"),
    Row(48, "", Fault.DIRECTORY_SIGN_IN_REFUSED, "the server takes no such sign-in for this user"),
    Row(32, "", Fault.DIRECTORY_SIGN_IN_REFUSED, "there is no such user"),
    Row(
        34,
        "",
        Fault.DIRECTORY_UNSUITABLE,
        "the server takes nothing but distinguished names as users, which an Active Directory does not",
    ),
)
"""Answers to a sign-in; what is not here means the same as elsewhere."""

KERBEROS_ROWS: Final = (
    Row(7, "", Fault.DIRECTORY_KERBEROS_REFUSED, "the server takes no sign-in by Kerberos (SASL GSSAPI)"),
    Row(
        8,
        "",
        Fault.DIRECTORY_KERBEROS_REFUSED,
        "the server takes no Kerberos sign-in inside TLS (Samba: ldap server require strong auth = yes)",
    ),
    Row(
        49,
        "80090346",
        Fault.DIRECTORY_KERBEROS_REFUSED,
        "the sign-in was bound to another TLS connection than the one that the server sees "
        "(LdapEnforceChannelBinding): look for something in between that opens TLS",
    ),
    Row(
        49,
        "",
        Fault.DIRECTORY_KERBEROS_REFUSED,
        "the server did not accept the ticket: its name stands at another account (SPN), it has a new password, or its "
        "clock is wrong",
    ),
    Row(53, "", Fault.DIRECTORY_KERBEROS_REFUSED, "the server takes no signing and sealing inside TLS"),
)
"""Answers to a sign-in by Kerberos: the user has proven who they are by then, so they speak of the way."""

_AFTER_THE_PASSWORD: Final = frozenset({"530", "531", "532", "533", "568", "569", "701", "773"})

ROWS: Final = (
    Row(
        1,
        "4dc",
        Fault.DIRECTORY_SIGN_IN_REFUSED,
        "the server answers nobody who has not signed in: set [directory] user and password",
    ),
    Row(1, "", Fault.SERVICE_ERROR, "the server failed inside"),
    Row(2, "", Fault.REQUEST_REFUSED, "the server did not understand the request"),
    Row(3, "", Fault.TIMED_OUT, "the server gave up at its own time limit"),
    Row(4, "", Fault.REQUEST_REFUSED, "the server gives no more entries than its limit, and does not page"),
    Row(7, "", Fault.REQUEST_REFUSED, "the server does not know this kind of sign-in"),
    Row(
        8,
        "",
        Fault.DIRECTORY_PROTECTION_REQUIRED,
        "the server demands signing or an encrypted connection (LDAPServerIntegrity)",
    ),
    Row(10, "", Fault.DIRECTORY_BASE_UNKNOWN, "this place lies in another domain, whose servers it names"),
    Row(11, "", Fault.DIRECTORY_BUSY, "the server reached a limit that its administrator set"),
    Row(12, "", Fault.DIRECTORY_UNSUITABLE, "the server cannot page its answers, which every Active Directory can"),
    Row(13, "", Fault.DIRECTORY_PROTECTION_REQUIRED, "the server demands an encrypted connection"),
    Row(16, "", Fault.REQUEST_REFUSED, "the server does not know an attribute that was asked for"),
    Row(17, "", Fault.REQUEST_REFUSED, "the server does not know an attribute that was asked for"),
    Row(18, "", Fault.REQUEST_REFUSED, "the server cannot compare an attribute in the way that was asked for"),
    Row(32, "", Fault.DIRECTORY_BASE_UNKNOWN, "there is no such place in this directory"),
    Row(34, "", Fault.DIRECTORY_BASE_UNKNOWN, "this is no distinguished name"),
    Row(48, "", Fault.DIRECTORY_SIGN_IN_REFUSED, "the server wants another sign-in"),
    Row(50, "", Fault.DIRECTORY_ACCESS_DENIED, "the user may not read this"),
    Row(51, "", Fault.DIRECTORY_BUSY, "the server is busy"),
    Row(52, "", Fault.DIRECTORY_BUSY, "the server is starting or stopping"),
    Row(53, "", Fault.REQUEST_REFUSED, "the server is not willing to do this"),
    Row(54, "", Fault.REQUEST_REFUSED, "the server runs in a circle of aliases or referrals"),
    Row(80, "", Fault.SERVICE_ERROR, "the server failed for a reason of its own"),
)
"""Answers to everything else. The last row of a code, without a sub-code, holds for whatever else it carries."""

_SIGNING_WANTED: Final = Row(
    53, "", Fault.DIRECTORY_PROTECTION_REQUIRED, "the server demands signing or sealing, or refuses it over TLS"
)
_PAGE_FORGOTTEN: Final = Row(12, "", Fault.DIRECTORY_BUSY, "the server has forgotten the page at which we were")
_EMPTY_PASSWORD: Final = Row(53, "", Fault.DIRECTORY_SIGN_IN_REFUSED, "the server takes no sign-in without a password")


class SignInRefused(ProviderFault):
    """The answer to a bind. `harmless`: the password was right, so trying again cannot lock the account.

    Active Directory tells of an expired or disabled account only to who knows the password; that it is locked, to
    everybody.
    """

    def __init__(self, fault: Fault, detail: str, *, harmless: bool) -> None:
        super().__init__(fault, detail)
        self.harmless = harmless


def sign_in_refused(refusal: Refusal, *, server: str, secrets: Sequence[str]) -> SignInRefused:
    """The fault for the answer to a bind."""
    row = _row_for(refusal, (*SIGN_IN_ROWS, *ROWS))
    if refusal.code == 53 and row is not _SIGNING_WANTED:
        row = _EMPTY_PASSWORD
    fault = _fault(row, refusal, where=f"the sign-in at {server}", secrets=secrets)
    return SignInRefused(fault.fault, fault.detail, harmless=row is not None and row.sub in _AFTER_THE_PASSWORD)


def kerberos_refused(refusal: Refusal, *, server: str) -> ProviderFault:
    """The fault for the answer to a sign-in by Kerberos."""
    row = _fitting(refusal, (*KERBEROS_ROWS, *ROWS))
    return _fault(row, refusal, where=f"the Kerberos sign-in at {server}")


def tls_refused(refusal: Refusal, *, server: str) -> ProviderFault:
    """The fault for the answer to StartTLS: without a certificate a server refuses in one of many ways."""
    row = _row_for(refusal, ROWS)
    if row is None or row.fault is not Fault.DIRECTORY_BUSY or refusal.code == 52:
        row = Row(refusal.code, "", Fault.DIRECTORY_TLS_UNAVAILABLE, _NO_TLS)
    return _fault(row, refusal, where=f"StartTLS at {server}")


def search_refused(refusal: Refusal, *, server: str, base: str, paging: bool = False) -> ProviderFault:
    """The fault for the answer to a search below `base`; `paging`: it was not the first page."""
    row = _PAGE_FORGOTTEN if paging and refusal.code == 12 else _row_for(refusal, ROWS)
    place = f'"{quoted(base, longest=120)}"' if base else "the root"
    return _fault(row, refusal, where=f"the search below {place} at {server}")


def closed(refusal: Refusal, *, server: str) -> ProviderFault:
    """The fault for a notice with which a server closes the connection."""
    row = _row_for(refusal, ROWS)
    if row is None or row.fault not in {Fault.DIRECTORY_BUSY, Fault.DIRECTORY_PROTECTION_REQUIRED}:
        row = Row(refusal.code, "", Fault.CONNECTION_LOST, "the server closed the connection")
    return _fault(row, refusal, where=server)


def _row_for(refusal: Refusal, rows: Sequence[Row]) -> Row | None:
    if refusal.code == 53 and _SIGN_OR_SEAL.search(refusal.text):
        return _SIGNING_WANTED
    return _fitting(refusal, rows)


def _fitting(refusal: Refusal, rows: Sequence[Row]) -> Row | None:
    subs = {found.lower() for found in (*_SUB_CODE.findall(refusal.text), *_WIN32.findall(refusal.text))}
    fitting = (row for row in rows if row.code == refusal.code and (not row.sub or row.sub in subs))
    return next(fitting, None)


def _fault(row: Row | None, refusal: Refusal, *, where: str, secrets: Sequence[str] = ()) -> ProviderFault:
    words = row.words if row is not None else "the server refused"
    fault = row.fault if row is not None else Fault.REQUEST_REFUSED
    said = quoted(refusal.text.rstrip("\0"), secrets=secrets)
    to = ", ".join(quoted(one, longest=80) for one in refusal.referrals[:3])
    told = "; ".join(part for part in (f"LDAP code {refusal.code}", said, to and f"it refers to {to}") if part)
    return ProviderFault(fault, f"{where}: {words} ({told})")
