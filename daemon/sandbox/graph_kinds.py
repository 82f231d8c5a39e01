"""The kinds of objects that Graph shows of the tenant, each with its properties. Read by the other `graph_` modules."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from daemon.sandbox.tenant import Contact, Group, Person, Tenant, identity

Property = Callable[[Any], Any]

_SKU: Final = identity("licence")
_CREATED: Final = "2024-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of object. `plain` are the properties shown where none are selected; empty: all."""

    name: str
    properties: Mapping[str, Property]
    plain: tuple[str, ...] = ()

    @property
    def odata_type(self) -> str:
        """The kind's name among kinds."""
        return f"microsoft.graph.{self.name}"

    def show(self, item: object, select: Iterable[str] | None = None) -> dict[str, Any]:
        """Show an object with the properties selected that its kind has."""
        wanted = select or self.plain or self.properties
        return {name: self.properties[name](item) for name in wanted if name in self.properties}


def _proxies(primary: str, aliases: Iterable[str]) -> list[str]:
    """Write addresses as a directory does: the primary one by the prefix in capitals."""
    return [*([f"SMTP:{primary}"] if primary else []), *(f"smtp:{alias}" for alias in aliases)]


def _licences(person: Person) -> list[dict[str, Any]]:
    return [{"disabledPlans": [], "skuId": _SKU}] if person.licensed else []


def _immutable_id(person: Person) -> str | None:
    """Give the objectGUID on premises as the synchronization writes it."""
    return base64.b64encode(uuid.UUID(person.id).bytes_le).decode() if person.synchronized else None


def _nothing(_item: object) -> None:
    """Show a property that nobody filled in."""


USER: Final = Kind(
    name="user",
    properties={
        "id": lambda person: person.id,
        "displayName": lambda person: person.display_name,
        "mail": lambda person: person.address,
        "userPrincipalName": lambda person: person.signs_in_as,
        "proxyAddresses": lambda person: _proxies(person.address, person.aliases),
        "accountEnabled": lambda person: person.enabled,
        "assignedLicenses": _licences,
        "onPremisesSyncEnabled": lambda person: person.synchronized or None,
        "onPremisesImmutableId": _immutable_id,
        "userType": lambda _: "Member",
        "mailNickname": lambda person: person.address.partition("@")[0],
        "createdDateTime": lambda _: _CREATED,
        "businessPhones": lambda _: [],
        "otherMails": lambda _: [],
        "givenName": _nothing,
        "surname": _nothing,
        "jobTitle": _nothing,
        "mobilePhone": _nothing,
        "officeLocation": _nothing,
        "preferredLanguage": _nothing,
    },
    # Without $select there are neither addresses nor licences, and nothing of whether the account is enabled.
    plain=(
        "businessPhones",
        "displayName",
        "givenName",
        "jobTitle",
        "mail",
        "mobilePhone",
        "officeLocation",
        "preferredLanguage",
        "surname",
        "userPrincipalName",
        "id",
    ),
)
# [gap] ours: a group with an address is a distribution list, one without a security group.
GROUP: Final = Kind(
    name="group",
    properties={
        "id": lambda group: group.id,
        "displayName": lambda group: group.name,
        "mail": lambda group: group.address or None,
        "mailEnabled": lambda group: bool(group.address),
        "mailNickname": lambda group: group.name.replace(" ", ""),
        "securityEnabled": lambda group: not group.address,
        "groupTypes": lambda _: [],
        "proxyAddresses": lambda group: _proxies(group.address, group.aliases),
        "description": _nothing,
        "onPremisesSyncEnabled": _nothing,
        "createdDateTime": lambda _: _CREATED,
    },
)
CONTACT: Final = Kind(
    name="orgContact",
    properties={
        "id": lambda contact: contact.id,
        "displayName": lambda contact: contact.display_name,
        "mail": lambda contact: contact.address,
        "proxyAddresses": lambda contact: _proxies(contact.address, ()),
        "mailNickname": lambda contact: contact.address.partition("@")[0],
        "onPremisesSyncEnabled": _nothing,
    },
)
ORGANIZATION: Final = Kind(
    name="organization",
    properties={
        "id": lambda tenant: tenant.id,
        "displayName": lambda tenant: tenant.name,
        "onPremisesSyncEnabled": lambda tenant: any(one.synchronized for one in tenant.people.values()) or None,
        "verifiedDomains": lambda tenant: [
            {"name": name, "isDefault": place == 0, "isInitial": False, "type": "Managed"}
            for place, name in enumerate(tenant.domains)
        ],
        "tenantType": lambda _: "AAD",
    },
)
# What a list of mixed kinds may be asked for.
OBJECT: Final = Kind(name="directoryObject", properties={**CONTACT.properties, **GROUP.properties, **USER.properties})
# "graph" is a short name of the same; msgraph-sdk writes it.
CASTS: Final = {
    f"{space}.{kind.name}": kind for kind in (USER, GROUP, CONTACT) for space in ("microsoft.graph", "graph")
}


def kind_of(item: object) -> Kind:
    """Tell the kind of an object."""
    match item:
        case Person():
            return USER
        case Group():
            return GROUP
        case Contact():
            return CONTACT
        case Tenant():
            return ORGANIZATION
        case _:
            raise TypeError(f"{type(item).__name__} is no object of a directory")
