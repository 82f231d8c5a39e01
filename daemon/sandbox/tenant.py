"""The Microsoft side of the sandbox's world: mailboxes, people, groups and app registrations of one company.

Pure data. Read by `exchange.py` and `graph.py`, changed by tests. The same people live on premises and in the
tenant, so that both directories must tell the same of them.
"""

from __future__ import annotations

import hmac
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Final

# The credentials of the demo's world. They open nothing but this sandbox, so they are no secrets.
DEMO_MAILBOX: Final = "sync.engine@example.test"
DEMO_MAILBOX_PASSWORD: Final = "mailbox battery staple"  # noqa: S105 - a sandbox's, see above
DEMO_PROBE: Final = "ada.lovelace@example.test"
DEMO_GROUP: Final = "all.staff@example.test"
DEMO_TENANT: Final = "5b1f7c3e-0d5a-4c62-9a41-2f0e6d7ac001"
DEMO_TENANT_DOMAIN: Final = "example.test"
DEMO_GRAPH_CLIENT: Final = "9e0a4d27-71c8-4b1f-8c3d-6a5b2e9fc002"
DEMO_GRAPH_SECRET: Final = "sandbox-graph-secret-of-the-demo"  # noqa: S105 - a sandbox's, see above

GRAPH_ROLES: Final = frozenset(
    {
        "User.Read.All",
        "Group.Read.All",
        "GroupMember.Read.All",
        "Mail.ReadBasic.All",
        "OrgContact.Read.All",
        "Organization.Read.All",
    }
)
EXCHANGE_ROLES: Final = frozenset({"full_access_as_app"})
_NAMESPACE: Final = uuid.UUID("6f1d3c52-5f0b-4e6b-9a57-1c2d3e4fc003")


@cache  # a crowd's ids are asked for at every look through it
def identity(name: str) -> str:
    """A stable id of an object, from its address or name."""
    return str(uuid.uuid5(_NAMESPACE, name.casefold()))


@dataclass(slots=True, kw_only=True)
class Person:
    """A user. `mailbox`: where the mailbox lives ("on-premises", "microsoft-365" or "" for none).

    `synchronized`: the tenant's object comes from an Active Directory. `password` is the one on premises.
    `principal_name`: the user principal name, where it is not the address. `routed_to`: the address in the cloud that
    Exchange on premises knows for somebody whose mailbox is there; autodiscover sends on to it.
    """

    address: str
    display_name: str
    aliases: tuple[str, ...] = ()
    password: str = field(default="", repr=False)
    mailbox: str = "microsoft-365"
    enabled: bool = True
    licensed: bool = True
    synchronized: bool = False
    password_expired: bool = False
    may_impersonate: bool = False
    principal_name: str = ""
    routed_to: str = ""

    @property
    def signs_in_as(self) -> str:
        """The user principal name."""
        return self.principal_name or self.address

    @property
    def id(self) -> str:
        """The object's id."""
        return identity(self.address)

    def password_is(self, offered: str) -> bool:
        """Compare in constant time, as a service would."""
        return bool(self.password) and hmac.compare_digest(self.password.encode(), offered.encode())


@dataclass(slots=True, kw_only=True)
class Contact:
    """A mail contact: somebody outside."""

    address: str
    display_name: str

    @property
    def id(self) -> str:
        """The object's id."""
        return identity(f"contact {self.address}")


@dataclass(slots=True, kw_only=True)
class Group:
    """A group. `members` are addresses of people and contacts, or names of groups.

    An empty `address`: a plain security group, which receives no mail.
    """

    name: str
    address: str = ""
    aliases: tuple[str, ...] = ()
    members: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """The object's id."""
        return identity(f"group {self.name}")


@dataclass(slots=True, kw_only=True)
class AppRegistration:
    """An app registration with the application permissions that were consented to."""

    client_id: str
    client_secret: str = field(repr=False)
    roles: frozenset[str] = GRAPH_ROLES | EXCHANGE_ROLES
    enabled: bool = True


@dataclass(slots=True, kw_only=True)
class Tenant:
    """The company's tenant and its Exchange on premises.

    `ews_error` and `aadsts_error` make the next answers that code, until they are set back: for tests that walk
    the tables of errors; `autodiscover_error` does so for the whole of an answer of autodiscover by SOAP.
    `ews_back_off` is how many milliseconds a busy Exchange asks to wait. `page` is the most objects of one Graph
    answer. `schemes` is how one may sign in to Exchange on premises, of Basic, NTLM and Negotiate; `unsigned_as` is
    the address as which it takes calls without a sign-in, empty for none.
    """

    id: str = DEMO_TENANT
    domains: tuple[str, ...] = (DEMO_TENANT_DOMAIN,)
    name: str = "Example Ltd"
    people: dict[str, Person] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    contacts: dict[str, Contact] = field(default_factory=dict)
    registrations: dict[str, AppRegistration] = field(default_factory=dict)
    ews_error: str = ""
    ews_back_off: int = 4000
    autodiscover_error: str = ""
    aadsts_error: int = 0
    schemes: tuple[str, ...] = ("Basic",)
    unsigned_as: str = ""
    page: int = 999

    def add(self, *objects: Person | Group | Contact | AppRegistration) -> None:
        """Add objects; one of the same address, name or client id is replaced."""
        for item in objects:
            match item:
                case Person():
                    self.people[item.address.casefold()] = item
                case Contact():
                    self.contacts[item.address.casefold()] = item
                case Group():
                    self.groups[item.name.casefold()] = item
                case AppRegistration():
                    self.registrations[item.client_id.casefold()] = item

    def person(self, address: str) -> Person | None:
        """Find a person by primary address or alias, in any spelling of upper and lower case."""
        wanted = address.casefold()
        found = self.people.get(wanted)
        if found is not None:
            return found
        return next((one for one in self.people.values() if wanted in map(str.casefold, one.aliases)), None)


def crowd(count: int, *, domain: str = DEMO_TENANT_DOMAIN) -> Iterator[Person]:
    """Make so many people with an alias each, the same ones every time: for benches and for many pages."""
    for number in range(1, count + 1):
        yield Person(
            address=f"person.{number:05}@{domain}",
            display_name=f"Person {number:05}",
            aliases=(f"p{number:05}@{domain}",),
        )


def demo_tenant() -> Tenant:
    """Make the demo's company: a mailbox account, a few people, nested groups with a cycle, a contact."""
    tenant = Tenant()
    tenant.add(
        Person(
            address=DEMO_MAILBOX,
            display_name="Synchronization Engine",
            password=DEMO_MAILBOX_PASSWORD,
            may_impersonate=True,
        ),
        Person(address="sync.admin@example.test", display_name="Sync Admin"),
        Person(address=DEMO_PROBE, display_name="Ada Lovelace", aliases=("ada@example.test", "countess@example.test")),
        Person(address="grace.hopper@example.test", display_name="Grace Hopper", aliases=("grace@example.test",)),
        Person(address="edsger.dijkstra@example.test", display_name="Edsger Dijkstra"),
        Person(address="left.company@example.test", display_name="Left Company", enabled=False),
        Person(address="no.licence@example.test", display_name="No Licence", licensed=False, mailbox=""),
        Person(address="zoe.muller@example.test", display_name="Zoë Müller"),
        Contact(address="partner@partner.test", display_name="A Partner"),
        Group(
            name="All Staff",
            address=DEMO_GROUP,
            aliases=("everybody@example.test",),
            members=("Engineering", "Sales", "left.company@example.test", "partner@partner.test"),
        ),
        Group(
            name="Engineering",
            address="engineering@example.test",
            members=(DEMO_PROBE, "grace.hopper@example.test", "Compilers"),
        ),
        # A circle: Compilers lies in Engineering, and Engineering in Compilers.
        Group(name="Compilers", members=("grace.hopper@example.test", "edsger.dijkstra@example.test", "Engineering")),
        Group(
            name="Sales", address="sales@example.test", members=("zoe.muller@example.test", "no.licence@example.test")
        ),
        Group(name="Empty Group", address="empty@example.test"),
        Group(name="Door Badges", members=(DEMO_PROBE,)),
        AppRegistration(client_id=DEMO_GRAPH_CLIENT, client_secret=DEMO_GRAPH_SECRET),
    )
    return tenant


def on_premises_tenant() -> Tenant:
    """Make the same company with every mailbox on premises, and nobody known to a cloud."""
    tenant = demo_tenant()
    for person in tenant.people.values():
        person.mailbox = person.mailbox and "on-premises"
    tenant.registrations.clear()
    return tenant


def hybrid_tenant() -> Tenant:
    """Make the same company in between: people synchronized, mailboxes on premises, Grace's moved to the cloud.

    There is an app registration, so that the mailbox account works on both sides.
    """
    tenant = demo_tenant()
    for person in tenant.people.values():
        person.synchronized = True
        person.mailbox = person.mailbox and "on-premises"
    tenant.people["grace.hopper@example.test"].mailbox = "microsoft-365"
    return tenant
