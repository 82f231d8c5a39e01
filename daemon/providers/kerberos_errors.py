"""What Kerberos' errors mean, by their numbers: those of the protocol (RFC 4120), then those of MIT's library.

One row a number. Called by `ldap_kerberos.py`; nobody reads a text of the library.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from daemon.providers.ldap_errors import SignInRefused
from daemon.providers.quoting import quoted
from states import Fault

NO_LIBRARY: Final = -1
NOT_KERBEROS: Final = -2
_TABLE_BEGINS: Final = -1765328384
_TABLE_LENGTH: Final = 256


@dataclass(frozen=True, slots=True)
class Trouble:
    """What the library said. `number` is Kerberos' own, or one of those above; `text` is the library's sentence."""

    number: int
    text: str


@dataclass(frozen=True, slots=True)
class Row:
    """A number and what it means. `harmless`: the password was not found wrong, so trying again locks nothing."""

    number: int
    fault: Fault
    words: str
    harmless: bool = False


_SKEWED: Final = "the clocks of this host and of the domain controller differ by more than Kerberos allows (5 minutes)"
_WRONG: Final = "the password (or the key in the keytab) is wrong"
_KEYTAB: Final = "the keytab cannot be read, or holds no key of this user"
_NO_TICKET: Final = (
    "this process has no ticket of its own (default cache): set [directory] user and password, or keytab"
)

ROWS: Final = (
    Row(1, Fault.DIRECTORY_ACCOUNT_BLOCKED, "the account has expired", harmless=True),
    Row(6, Fault.DIRECTORY_SIGN_IN_REFUSED, "the realm knows no such user", harmless=True),
    Row(
        7,
        Fault.KERBEROS_SERVER_UNKNOWN,
        "the realm knows no LDAP server by this name (there is no such SPN): it is an alias, or not registered",
    ),
    Row(8, Fault.KERBEROS_SERVER_UNKNOWN, "more than one account carries this server's name (a duplicate SPN)"),
    Row(
        12,
        Fault.DIRECTORY_ACCOUNT_BLOCKED,
        "the domain's policy does not let the user sign in now or from here (logon hours, logon workstations)",
        harmless=True,
    ),
    Row(
        14,
        Fault.KERBEROS_UNAVAILABLE,
        "this host and the domain have no encryption type in common (permitted_enctypes in krb5.conf, "
        "msDS-SupportedEncryptionTypes of the account)",
    ),
    Row(18, Fault.DIRECTORY_ACCOUNT_BLOCKED, "the account is disabled, locked or expired", harmless=True),
    Row(21, Fault.DIRECTORY_ACCOUNT_BLOCKED, "the account is not valid yet", harmless=True),
    Row(
        23,
        Fault.DIRECTORY_PASSWORD_EXPIRED,
        "the password has expired, or has to be changed before the next sign-in",
        harmless=True,
    ),
    Row(24, Fault.DIRECTORY_SIGN_IN_REFUSED, _WRONG),
    Row(29, Fault.KERBEROS_KDC_UNREACHABLE, "the key distribution centre is starting or out of service"),
    Row(31, Fault.DIRECTORY_SIGN_IN_REFUSED, _WRONG),
    Row(32, Fault.KERBEROS_UNAVAILABLE, "the ticket has expired"),
    Row(33, Fault.CLOCK_SKEWED, _SKEWED),
    Row(37, Fault.CLOCK_SKEWED, _SKEWED),
    Row(68, Fault.DIRECTORY_SIGN_IN_REFUSED, "the user belongs to another realm", harmless=True),
    Row(134, Fault.KERBEROS_UNAVAILABLE, "krb5.conf cannot be read"),
    Row(136, Fault.KERBEROS_UNAVAILABLE, "krb5.conf is not written as such a file has to be"),
    Row(141, Fault.KERBEROS_UNAVAILABLE, _NO_TICKET),
    Row(147, Fault.CLOCK_SKEWED, _SKEWED),
    Row(154, Fault.KERBEROS_KDC_UNREACHABLE, "neither krb5.conf nor DNS names a key distribution centre of this realm"),
    Row(156, Fault.KERBEROS_KDC_UNREACHABLE, "no key distribution centre of this realm can be reached"),
    Row(
        174, Fault.DIRECTORY_SIGN_IN_REFUSED, "the password or keytab fits none of the ways in which it is to be proven"
    ),
    Row(181, Fault.KERBEROS_UNAVAILABLE, _KEYTAB),
    Row(195, Fault.KERBEROS_UNAVAILABLE, _KEYTAB),
    Row(
        224,
        Fault.KERBEROS_SERVER_UNKNOWN,
        "the realm knows no LDAP server by this name, and krb5.conf names no other realm to ask",
    ),
    Row(NO_LIBRARY, Fault.KERBEROS_UNAVAILABLE, "the extra sitebind[kerberos] or MIT's library is not installed"),
)
_BY_NUMBER: Final = {row.number: row for row in ROWS}
_UNKNOWN: Final = Row(NOT_KERBEROS, Fault.KERBEROS_UNAVAILABLE, "Kerberos failed")


def trouble(minor: int, text: str) -> Trouble:
    """From GSSAPI's minor status, which is unsigned there."""
    number = (minor - 2**32 if minor >= 2**31 else minor) - _TABLE_BEGINS
    return Trouble(number if 0 <= number < _TABLE_LENGTH else NOT_KERBEROS, text)


def refused(found: Trouble, *, who: str, server: str, secrets: Sequence[str]) -> SignInRefused:
    """The fault for a sign-in that did not get as far as the server."""
    row = _BY_NUMBER.get(found.number, _UNKNOWN)
    named = f"Kerberos error {found.number}: " if found.number >= 0 else ""
    said = quoted(found.text, secrets=secrets)
    detail = f"the Kerberos sign-in {who} for {server}: {row.words} ({named}{said})"
    return SignInRefused(row.fault, detail, harmless=row.harmless)
