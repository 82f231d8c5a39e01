"""Active Directory's users, groups and contacts: the attributes that are read, and what they mean.

Called by `ldap_find.py` and `ldap_members.py`.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Final

import sansldap

from daemon.ports import DirectoryObject, ObjectKind
from daemon.providers.ldap_connection import Filter
from daemon.providers.ldap_entry import Entry

# The last two are there only where Exchange has extended the schema; elsewhere a server leaves them out.
ATTRIBUTES: Final = (
    "objectClass",
    "objectGUID",
    "objectSid",
    "cn",
    "displayName",
    "mail",
    "proxyAddresses",
    "targetAddress",
    "userAccountControl",
    "homeMDB",
    "msExchMailboxGuid",
)
_DISABLED: Final = 0x2
_SMTP: Final = "smtp:"
_PRIMARY: Final = "SMTP:"


def equal(attribute: str, value: str) -> Filter:
    """`attribute` equals `value`. Filters are built from parts, so that no value needs escaping."""
    return sansldap.FilterEquality(attribute, _encoded(value))


def _encoded(value: str) -> bytes:
    """Halves of characters, as a command line may hold them, match nothing."""
    return value.encode("utf-8", "replace")


def begins(attribute: str, value: str) -> Filter:
    """`attribute` begins with `value`: what an index answers."""
    return sansldap.FilterSubstrings(attribute, _encoded(value), [], None)


def between(attribute: str, start: str, end: str) -> Filter:
    """`attribute` begins with `start` and ends with `end`; an index answers the beginning."""
    return sansldap.FilterSubstrings(attribute, _encoded(start), [], _encoded(end))


def any_of(*filters: Filter) -> Filter:
    """One of them at least."""
    return sansldap.FilterOr(list(filters))


def all_of(*filters: Filter) -> Filter:
    """Each of them; the one that few objects meet comes first: some servers look up in this order."""
    return sansldap.FilterAnd(list(filters))


# objectCategory, because computers are users by their class; it is indexed everywhere.
_USER: Final = all_of(equal("objectCategory", "person"), equal("objectClass", "user"))
_CONTACT: Final = all_of(equal("objectCategory", "person"), equal("objectClass", "contact"))
_GROUP: Final = equal("objectClass", "group")
OF_KIND: Final[dict[ObjectKind | None, Filter]] = {
    None: any_of(equal("objectCategory", "person"), _GROUP),
    "user": _USER,
    "group": _GROUP,
    "contact": _CONTACT,
}


ADDRESSED: Final = any_of(sansldap.FilterPresent("mail"), sansldap.FilterPresent("proxyAddresses"))
"""What receives mail."""


def object_of(entry: Entry, *, source: str) -> DirectoryObject | None:
    """What an entry stands for; None if it is neither user, group nor contact, or hides its id."""
    kind, guid = _kind_of(entry), entry.value("objectguid")
    if kind is None or len(guid) != 16:
        return None
    addresses = tuple(dict.fromkeys(_addresses(entry, kind)))
    control = entry.text("useraccountcontrol")
    return DirectoryObject(
        kind=kind,
        id=str(uuid.UUID(bytes_le=guid)),
        display_name=entry.text("displayname") or entry.text("cn"),
        primary_address=addresses[0] if addresses else "",
        addresses=addresses,
        enabled=not int(control) & _DISABLED if kind == "user" and _is_number(control) else None,
        mail_enabled=bool(addresses) or any(map(entry.value, ("homemdb", "msexchmailboxguid"))),
        source=source,
        handle=entry.dn,
    )


def rid_of(entry: Entry) -> int | None:
    """The last part of its security identifier, by which users name their primary group."""
    sid = entry.value("objectsid")
    return int.from_bytes(sid[-4:], "little") if len(sid) >= 12 else None


def is_below(dn: str, base: str) -> bool:
    """Whether `dn` is `base` or lies below it."""
    inner, outer = _normal(dn), _normal(base)
    return inner == outer or inner.endswith(f",{outer}")


def _normal(dn: str) -> str:
    return ",".join(part.strip() for part in dn.casefold().split(","))


def _kind_of(entry: Entry) -> ObjectKind | None:
    classes = {name.lower() for name in entry.texts("objectclass")}
    if "group" in classes:
        return "group"
    if "contact" in classes:
        return "contact"
    return "user" if "user" in classes and "computer" not in classes else None


def _addresses(entry: Entry, kind: ObjectKind) -> Iterator[str]:
    """The primary one first: the one with SMTP in capitals, else `mail`, else where a contact's mail goes."""
    proxies = [value for value in entry.texts("proxyaddresses") if value.lower().startswith(_SMTP)]
    proxies.sort(key=lambda value: not value.startswith(_PRIMARY))
    primary = [value for value in proxies if value.startswith(_PRIMARY)]
    mail = entry.text("mail")
    target = entry.text("targetaddress") if kind == "contact" else ""
    for value in (*primary, mail, target, *proxies):
        plain = value[len(_SMTP) :] if value.lower().startswith(_SMTP) else value
        if "@" in plain:
            yield plain.strip().lower()


def _is_number(text: str) -> bool:
    return text.lstrip("-").isdecimal()
