"""Graph's users, groups and contacts as `DirectoryObject`s. Pure; called by `graph_directory.py`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from daemon.ports import DirectoryObject, ObjectKind
from daemon.providers.app_roles import CONTACTS, GROUPS, USERS, Need

_SMTP: Final = "smtp:"
_ADDRESSED: Final = "id,displayName,mail,proxyAddresses"


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """Where Graph keeps the objects of one kind: their path, their type's name, what is read of each, who may."""

    kind: ObjectKind
    path: str
    cast: str
    select: str
    needs: Need
    has_principal_name: bool = False


COLLECTIONS: Final = (
    Collection(
        kind="user",
        path="/users",
        cast="microsoft.graph.user",
        select=f"{_ADDRESSED},accountEnabled,assignedLicenses",
        needs=USERS,
        has_principal_name=True,
    ),
    Collection(
        kind="group",
        path="/groups",
        cast="microsoft.graph.group",
        select=f"{_ADDRESSED},mailEnabled",
        needs=GROUPS,
    ),
    Collection(
        kind="contact",
        path="/contacts",
        cast="microsoft.graph.orgContact",
        select=_ADDRESSED,
        needs=CONTACTS,
    ),
)
USER, GROUP, CONTACT = COLLECTIONS


def directory_object(record: Mapping[str, Any], collection: Collection, *, source: str) -> DirectoryObject | None:
    """Read one object; None for a record without an id, as Graph shows what may not be seen."""
    own_id = _text(record.get("id")).lower()
    if not own_id:
        return None
    addresses = _addresses(record)
    return DirectoryObject(
        kind=collection.kind,
        id=own_id,
        display_name=_text(record.get("displayName")),
        primary_address=addresses[0] if addresses else "",
        addresses=addresses,
        enabled=_flag(record.get("accountEnabled")) if collection is USER else None,
        mail_enabled=_receives_mail(record, collection, has_address=bool(addresses)),
        licensed=bool(record.get("assignedLicenses")) if collection is USER else None,
        source=source,
    )


def _addresses(record: Mapping[str, Any]) -> tuple[str, ...]:
    """Every SMTP address, the primary one first: the proxy address in capitals, or `mail` where there is none."""
    proxies, mail = record.get("proxyAddresses"), _text(record.get("mail")).lower()
    primary, aliases = list[str](), list[str]()
    for one in proxies if isinstance(proxies, list) else ():
        if isinstance(one, str) and one[:5].lower() == _SMTP:
            (primary if one.startswith("SMTP:") else aliases).append(one[5:].lower())
    return tuple(dict.fromkeys(filter(None, (*primary, mail, *aliases))))


def _receives_mail(record: Mapping[str, Any], collection: Collection, *, has_address: bool) -> bool:
    if collection is not GROUP:
        return has_address
    said = _flag(record.get("mailEnabled"))
    return has_address if said is None else said


def _flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
