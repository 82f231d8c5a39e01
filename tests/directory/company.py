"""Who is in the test domain: the sandbox's demo company, accounts in trouble, and a crowd.

Each generator gives orders for `populate.py`.
"""

from __future__ import annotations

from collections.abc import Iterator

from daemon.sandbox.tenant import Contact, Group, Person, Tenant, demo_tenant

SERVICE = "svc.sitebind"
PASSWORD = "Directory battery staple 4711!"
CROWD = 2500
RING = 7
WIDE = 70
"""Groups inside one group: more than fit into one filter."""
STRANGER = "S-1-5-21-1111111111-2222222222-3333333333-1105"
"""Somebody of another forest."""

Orders = Iterator[list[object]]
_NORMAL = "66048"
_EXPIRING = "512"
_DISABLED = "514"
_PASSWORD_NOT_REQUIRED = "544"
_ENTERPRISE = 500
_YEAR_2001 = "126227808000000000"
_NOW_LOCKED = "134000000000000000"


def everybody_else(base: str) -> Orders:
    """All of them but the crowd."""
    yield from units(base)
    yield from server(base)
    yield from service(base)
    yield from company(demo_tenant(), base)
    yield from troubled(base)
    yield from oddities(base)
    yield from webs(base)


def units(base: str) -> Orders:
    for name in ("Company", "Troubled", "Webs", "Hidden"):
        yield ["add", {"dn": f"OU={name},{base}", "objectClass": "organizationalUnit"}]


def server(base: str) -> Orders:
    """The name by which Kerberos knows the domain controller: elsewhere it registers that itself."""
    yield ["insert", f"CN=DC1,OU=Domain Controllers,{base}", {"servicePrincipalName": "ldap/dc1.ad.example.test"}]


def service(base: str) -> Orders:
    """The account that signs in: a plain user."""
    yield _user(f"CN=Sitebind Service,CN=Users,{base}", SERVICE, upn=f"{SERVICE}@ad.example.test")
    yield from _usable(f"CN=Sitebind Service,CN=Users,{base}")


def company(tenant: Tenant, base: str) -> Orders:
    """The people, contacts and groups that the sandbox's tenant has, under the same names."""
    unit = f"OU=Company,{base}"
    for person in tenant.people.values():
        yield _person(person, unit)
    for contact in tenant.contacts.values():
        yield _contact(contact, unit)
    for group in tenant.groups.values():
        yield _group(group, unit)
    for group in tenant.groups.values():
        members = [_dn_of(name, tenant, unit) for name in group.members]
        if members:
            yield ["modify", f"CN={group.name},{unit}", {"member": members}]


def troubled(base: str) -> Orders:
    """Accounts with the right password that may not sign in, each for another reason."""
    unit = f"OU=Troubled,{base}"
    changes: dict[str, dict[str, str]] = {
        "victim": {"userAccountControl": _NORMAL},
        "disabled": {"userAccountControl": _DISABLED},
        "expired": {"accountExpires": _YEAR_2001},
        "locked": {"lockoutTime": _NOW_LOCKED},
        "mustchange": {"userAccountControl": _EXPIRING, "pwdLastSet": "0"},
        "oldpassword": {"userAccountControl": _EXPIRING},
        "notnow": {"logonHours": "\0" * 21},
    }
    # A lockout holds for a hundred years, so that no clock decides a test.
    yield ["modify", base, {"lockoutDuration": "-31536000000000000", "lockoutThreshold": "5"}]
    for name, change in changes.items():
        dn = f"CN={name},{unit}"
        yield _user(dn, name, upn=f"{name}@ad.example.test")
        yield from _usable(dn)
        yield ["modify", dn, change]
    yield ["password set", f"CN=oldpassword,{unit}", _YEAR_2001]


def oddities(base: str) -> Orders:
    """What a filter, a name or a schema may trip over."""
    unit = f"OU=Company,{base}"
    yield _user(
        f"CN=Brackets \\, (old) *star* \\\\,{unit}",
        "brackets",
        displayName="Brackets, (old) *star* \\",
        mail="o'neill+(x)*@example.test",
    )
    yield _user(f"CN=Twin,{unit}", "twin.one", displayName="Twin", mail="twin.one@example.test")
    yield _user(f"CN=Twin,OU=Hidden,{base}", "twin.two", displayName="Twin", mail="twin.two@example.test")
    yield _user(f"CN=Only Hidden,OU=Hidden,{base}", "only.hidden", mail="only.hidden@example.test")
    yield _user(f"CN=No Mail At All,{unit}", "nomail", upn="nomail@example.test")


def crowd(base: str, *, number: int) -> Orders:
    """Users without a password, all in one group."""
    unit, members = f"OU=Crowd,{base}", list[str]()
    yield ["add", {"dn": unit, "objectClass": "organizationalUnit"}]
    yield ["commit"]
    for one in range(number):
        members.append(f"CN=Crowd {one:05},{unit}")
        yield _user(
            members[-1],
            f"crowd{one:05}",
            displayName=f"Crowd {one:05}",
            mail=f"crowd{one:05}@example.test",
            proxyAddresses=[f"SMTP:crowd{one:05}@example.test", f"smtp:c{one:05}@alias.test"],
            userAccountControl=_PASSWORD_NOT_REQUIRED,
        )
        if one % _ENTERPRISE == _ENTERPRISE - 1:
            yield ["commit"]
    yield ["add", {**_group_attributes(f"CN=The Crowd,{unit}"), "mail": "crowd@example.test", "member": members}]


def webs(base: str) -> Orders:
    """Groups in groups: a ring, a group of many groups, and a primary group."""
    unit = f"OU=Webs,{base}"
    for number in range(RING):
        yield ["add", _group_attributes(f"CN=Ring {number},{unit}")]
        yield from _member(f"CN=Ring {number},{unit}", f"ring{number}")
    for number in range(RING):
        inner = f"CN=Ring {(number + 1) % RING},{unit}"
        yield ["modify", f"CN=Ring {number},{unit}", {"member": [inner, f"CN=ring{number},{unit}"]}]
    inner_groups = [f"CN=Wide {number:03},{unit}" for number in range(WIDE)]
    for number, dn in enumerate(inner_groups):
        yield ["add", {**_group_attributes(dn), "member": [f"CN=ring{number % RING},{unit}"]}]
    yield ["add", {**_group_attributes(f"CN=Wide,{unit}"), "member": inner_groups}]
    yield ["add", {**_group_attributes(f"CN=Primary,{unit}"), "member": [f"CN=ring0,{unit}", f"CN=ring1,{unit}"]}]
    yield ["primary", f"CN=ring1,{unit}", f"CN=Primary,{unit}"]
    yield ["add", _group_attributes(f"CN=Nobody,{unit}")]
    no_mail = f"CN=No Mail At All,OU=Company,{base}"
    yield ["add", {**_group_attributes(f"CN=No Addresses,{unit}"), "member": [no_mail]}]
    # Samba makes the object that stands for somebody of another forest, as a Windows domain controller does.
    members = [f"<SID={STRANGER}>", f"CN=ring0,{unit}"]
    yield ["add", {**_group_attributes(f"CN=With A Stranger,{unit}"), "member": members}]


def _member(group: str, name: str) -> Orders:
    unit = group.partition(",")[2]
    yield _user(f"CN={name},{unit}", name, mail=f"{name}@example.test", userAccountControl=_PASSWORD_NOT_REQUIRED)


def _usable(dn: str) -> Orders:
    yield ["password", dn, PASSWORD]
    yield ["modify", dn, {"userAccountControl": _NORMAL}]


def _person(person: Person, unit: str) -> list[object]:
    return _user(
        f"CN={person.display_name},{unit}",
        person.address.partition("@")[0][:20],
        displayName=person.display_name,
        givenName=person.display_name.partition(" ")[0],
        sn=person.display_name.rpartition(" ")[2],
        mail=person.address,
        proxyAddresses=_proxies(person.address, person.aliases),
        userAccountControl=_PASSWORD_NOT_REQUIRED if person.enabled else "546",
        upn=person.address,
    )


def _contact(contact: Contact, unit: str) -> list[object]:
    attributes = {"dn": f"CN={contact.display_name},{unit}", "objectClass": "contact", "mail": contact.address}
    return ["add", {**attributes, "displayName": contact.display_name}]


def _group(group: Group, unit: str) -> list[object]:
    attributes = _group_attributes(f"CN={group.name},{unit}")
    if group.address:
        attributes |= {"mail": group.address, "proxyAddresses": _proxies(group.address, group.aliases)}
    return ["add", attributes]


def _group_attributes(dn: str) -> dict[str, object]:
    name = dn.partition(",")[0].removeprefix("CN=")
    return {"dn": dn, "objectClass": "group", "sAMAccountName": f"{name} group", "groupType": "-2147483640"}


def _proxies(primary: str, aliases: tuple[str, ...]) -> list[str]:
    return [f"smtp:{alias}" for alias in aliases] + [f"SMTP:{primary}"]


def _user(dn: str, account: str, *, upn: str = "", **more: object) -> list[object]:
    attributes: dict[str, object] = {"dn": dn, "objectClass": "user", "sAMAccountName": account, **more}
    return ["add", attributes | ({"userPrincipalName": upn} if upn else {})]


def _dn_of(name: str, tenant: Tenant, unit: str) -> str:
    item = tenant.people.get(name.casefold()) or tenant.contacts.get(name.casefold())
    return f"CN={item.display_name if item else name},{unit}"
