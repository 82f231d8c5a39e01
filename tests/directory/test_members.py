"""Members of groups in a real Active Directory: nested, in circles, many, and as they arrive."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sansldap

from daemon.ports import DirectoryObject, ProviderFault
from daemon.providers.ldap_connection import LdapLimits
from daemon.providers.ldap_directory import LdapDirectory
from daemon.sandbox.tenant import Tenant, demo_tenant
from states import Fault
from tests.directory.company import CROWD, RING, WIDE
from tests.directory.conftest import Adapters, access_to
from tests.directory.samba import Samba
from tests.directory.stalls import TURN, shortest

pytestmark = [pytest.mark.parts, pytest.mark.root]

Searches = list[sansldap.SearchRequest]
Shape = set[tuple[str, str, bool | None]]


async def members(directory: LdapDirectory, group: str) -> list[DirectoryObject]:
    [found] = (await directory.find(group, kind="group")).objects
    return [member async for member in directory.members(found)]


def shape(items: list[DirectoryObject]) -> Shape:
    return {(item.primary_address, item.kind, item.enabled) for item in items}


def expected_of(tenant: Tenant, name: str, met: set[str]) -> Shape:
    """What the company's group holds, worked out from the tenant itself."""
    group = tenant.groups[name.casefold()]
    found: Shape = set()
    for member in group.members:
        if (key := member.casefold()) in met:
            continue
        met.add(key)
        if key in tenant.people:
            found.add((member, "user", tenant.people[key].enabled))
        elif key in tenant.contacts:
            found.add((member, "contact", None))
        else:
            found |= expected_of(tenant, member, met)
    return found


@pytest.fixture
def searches(monkeypatch: pytest.MonkeyPatch) -> Searches:
    """Every search that goes out, as it is sent."""
    seen: Searches = []
    pack = sansldap.SearchRequest.pack

    def noted(self: sansldap.SearchRequest, options: object) -> bytes:
        seen.append(self)
        return pack(self, options)  # type: ignore[arg-type]

    monkeypatch.setattr(sansldap.SearchRequest, "pack", noted)
    return seen


def parts_of(wanted: sansldap.LDAPFilter) -> Iterator[sansldap.LDAPFilter]:
    yield wanted
    for inner in getattr(wanted, "filters", ()):
        yield from parts_of(inner)


@pytest.mark.parametrize("name", ["All Staff", "Engineering", "Compilers", "Sales", "Empty Group", "Door Badges"])
async def test_the_company_s_groups_have_the_members_that_the_tenant_says(directory: LdapDirectory, name: str) -> None:
    found = await members(directory, name)
    assert shape(found) == expected_of(demo_tenant(), name, set())
    assert len({item.id for item in found}) == len(found)


async def test_a_ring_of_groups_ends_and_gives_each_member_once(directory: LdapDirectory) -> None:
    found = await members(directory, "Ring 3")
    assert sorted(item.primary_address for item in found) == [f"ring{one}@example.test" for one in range(RING)]


async def test_many_groups_in_one_are_asked_for_fifty_at_a_time(directory: LdapDirectory, searches: Searches) -> None:
    [group] = (await directory.find("Wide")).objects
    searches.clear()
    found = [member async for member in directory.members(group)]
    assert len(found) == RING
    assert len([search for search in searches if search.scope == sansldap.SearchScope.SUBTREE]) == 1 + -(-WIDE // 50)


async def test_the_servers_rule_for_chains_is_never_used(directory: LdapDirectory, searches: Searches) -> None:
    for name in ("All Staff", "Ring 0", "Nobody"):
        await members(directory, name)
    assert searches
    rules = [part for search in searches for part in parts_of(search.filter)]
    assert not [part for part in rules if isinstance(part, sansldap.FilterExtensibleMatch)]


async def test_members_by_primary_group_belong_to_it(directory: LdapDirectory) -> None:
    found = await members(directory, "Primary")
    assert {item.primary_address for item in found} == {"ring0@example.test", "ring1@example.test"}


async def test_a_base_does_not_narrow_who_belongs_to_a_group(
    adapters: Adapters, directory: LdapDirectory, samba: Samba
) -> None:
    [group] = (await directory.find("Ring 0")).objects
    narrow = adapters.directory(access_to(samba, base_dn=f"CN=Users,{samba.base_dn}", server=samba.address))
    assert len([member async for member in narrow.members(group)]) == RING


async def test_a_large_group_comes_in_pages_without_stalling_the_loop(adapters: Adapters, samba: Samba) -> None:
    directory = adapters.directory(access_to(samba))
    found: list[DirectoryObject] = []

    async def walk() -> None:
        found[:] = await members(directory, "crowd@example.test")

    assert await shortest(walk) < TURN
    assert len(found) == CROWD
    assert all(item.mail_enabled and item.enabled and len(item.addresses) == 2 for item in found)


async def test_the_first_members_are_there_before_the_last_page_is_asked_for(
    adapters: Adapters, samba: Samba, searches: Searches
) -> None:
    directory = adapters.directory(access_to(samba), limits=LdapLimits(page=100))
    [group] = (await directory.find("crowd@example.test")).objects
    searches.clear()
    arriving = directory.members(group)
    await anext(arriving)
    pages = [search for search in searches if search.scope == sansldap.SearchScope.SUBTREE]
    assert len(pages) == 1
    await arriving.aclose()


async def test_a_walk_that_is_given_up_leaves_no_connection_behind(adapters: Adapters, samba: Samba) -> None:
    directory = adapters.directory(access_to(samba), limits=LdapLimits(page=100))
    [group] = (await directory.find("crowd@example.test")).objects
    connection = directory._session._signed.connection  # type: ignore[union-attr]
    arriving = directory.members(group)
    await anext(arriving)
    await arriving.aclose()
    assert not connection.usable
    assert connection.idle
    assert (await directory.find("ada@example.test")).objects


async def test_only_groups_have_members(directory: LdapDirectory) -> None:
    [user] = (await directory.find("ada@example.test")).objects
    with pytest.raises(ProviderFault, match="no group"):
        [member async for member in directory.members(user)]


async def test_a_group_that_is_gone_is_told(directory: LdapDirectory) -> None:
    gone = DirectoryObject(
        kind="group",
        id="00000000-0000-0000-0000-000000000000",
        display_name="Gone",
        primary_address="",
        addresses=(),
        enabled=None,
        mail_enabled=False,
        source="ldap:dc1",
        handle="CN=Gone,DC=ad,DC=example,DC=test",
    )
    with pytest.raises(ProviderFault) as raised:
        [member async for member in directory.members(gone)]
    assert raised.value.fault is Fault.DIRECTORY_OBJECT_MISSING
