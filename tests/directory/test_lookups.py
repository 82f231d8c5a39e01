"""Objects of a real Active Directory, by every name that they have; and what is said when there is none."""

from __future__ import annotations

import uuid

import pytest

from daemon.ports import DirectoryObject, Found, ObjectKind, ProviderFault
from daemon.providers.ldap_directory import LdapDirectory
from daemon.sandbox.tenant import demo_tenant
from states import Fault
from tests.directory.conftest import Adapters, access_to
from tests.directory.samba import HOST, Samba

pytestmark = [pytest.mark.parts, pytest.mark.root]


def only(found: Found) -> DirectoryObject:
    [item] = found.objects
    return item


@pytest.mark.parametrize(
    "wanted",
    [
        "ada.lovelace@example.test",
        "ADA.Lovelace@Example.TEST",
        "countess@example.test",
        "smtp:ada@example.test",
        "ada.lovelace",
        "ADTEST\\ada.lovelace",
        "Ada Lovelace",
        "ada lovelace",
        "CN=Ada Lovelace,OU=Company,DC=ad,DC=example,DC=test",
        "cn=ada lovelace, ou=company, dc=ad, dc=example, dc=test",
    ],
)
async def test_a_user_is_found_by_every_name(directory: LdapDirectory, wanted: str) -> None:
    user = only(await directory.find(wanted))
    assert (user.kind, user.display_name, user.primary_address) == ("user", "Ada Lovelace", "ada.lovelace@example.test")
    assert set(user.addresses) == {"ada.lovelace@example.test", "ada@example.test", "countess@example.test"}
    assert (user.enabled, user.mail_enabled, user.licensed) == (True, True, None)
    assert user.source == f"ldap:{HOST}"


async def test_an_object_is_found_by_its_id(directory: LdapDirectory) -> None:
    user = only(await directory.find("ada@example.test"))
    assert str(uuid.UUID(user.id)) == user.id
    assert only(await directory.find(user.id)) == user
    assert only(await directory.find(f"{{{user.id.upper()}}}")) == user


@pytest.mark.parametrize(
    "wanted, kind, address",
    [
        ("all.staff@example.test", "group", "all.staff@example.test"),
        ("everybody@example.test", "group", "all.staff@example.test"),
        ("All Staff", "group", "all.staff@example.test"),
        ("partner@partner.test", "contact", "partner@partner.test"),
        ("zoe.muller@example.test", "user", "zoe.muller@example.test"),
        ("Zoë Müller", "user", "zoe.muller@example.test"),
    ],
)
async def test_groups_and_contacts_are_found_too(
    directory: LdapDirectory, wanted: str, kind: ObjectKind, address: str
) -> None:
    item = only(await directory.find(wanted))
    assert (item.kind, item.primary_address) == (kind, address)
    assert item.enabled is (True if kind == "user" else None)
    assert only(await directory.find(wanted, kind=kind)) == item


async def test_everybody_of_the_company_is_told_as_the_tenant_knows_them(directory: LdapDirectory) -> None:
    for person in demo_tenant().people.values():
        found = only(await directory.find(person.address))
        assert (found.display_name, found.enabled) == (person.display_name, person.enabled)
        assert set(found.addresses) == {person.address, *person.aliases}


@pytest.mark.parametrize("wanted", ["o'neill+(x)*@example.test", "Brackets, (old) *star* \\"])
async def test_characters_that_mean_something_in_a_filter_mean_themselves(
    directory: LdapDirectory, wanted: str
) -> None:
    assert only(await directory.find(wanted)).primary_address == "o'neill+(x)*@example.test"


@pytest.mark.parametrize(
    "wanted", ["*", "*@example.test", "ada*", "*)(objectClass=*", "ada.lovelace@example.test)(mail=*"]
)
async def test_no_name_is_a_pattern(directory: LdapDirectory, wanted: str) -> None:
    assert not (await directory.find(wanted)).objects


async def test_a_disabled_account_is_marked_and_told(directory: LdapDirectory) -> None:
    found = await directory.find("left.company@example.test")
    assert only(found).enabled is False
    assert found.reasons == ("its account is disabled",)


async def test_a_user_without_mail_is_found_by_the_sign_in_name(directory: LdapDirectory) -> None:
    user = only(await directory.find("nomail@example.test"))
    assert (user.primary_address, user.addresses, user.mail_enabled) == ("", (), False)


async def test_a_name_of_two_gives_both(directory: LdapDirectory) -> None:
    found = await directory.find("Twin")
    assert {item.primary_address for item in found.objects} == {"twin.one@example.test", "twin.two@example.test"}
    assert found.reasons == ("2 objects have this name: ask for one by its address or id",)


async def test_another_kind_is_told_for_what_it_is(directory: LdapDirectory) -> None:
    found = await directory.find("ada@example.test", kind="group")
    assert (found.objects, found.reasons) == ((), ("it is a user, not a group",))
    assert [item.display_name for item in found.near] == ["Ada Lovelace"]


@pytest.mark.parametrize(
    "wanted, meant",
    [
        ("ada.lovelase@example.test", "ada.lovelace@example.test"),
        ("ada.lovelace@examples.test", "ada.lovelace@example.test"),
        ("lovelace@example.test", "ada.lovelace@example.test"),
        ("Ada Lovelase", "ada.lovelace@example.test"),
        ("crwd00007@example.test", "crowd00007@example.test"),
        ("all-staff@example.test", "all.staff@example.test"),
    ],
)
async def test_what_was_perhaps_meant_comes_first(directory: LdapDirectory, wanted: str, meant: str) -> None:
    found = await directory.find(wanted)
    assert not found.objects
    assert found.near[0].primary_address == meant
    assert len(found.near) <= 5


async def test_nothing_like_it_gives_the_reason_alone(directory: LdapDirectory, samba: Samba) -> None:
    found = await directory.find("xyzzyq")
    assert (found.objects, found.near) == ((), ())
    nowhere = f'no user, group or contact below "{samba.base_dn}" has it as name, account name or id'
    assert found.reasons == (f"{nowhere}; other domains are not looked at",)


@pytest.mark.parametrize(
    "wanted",
    [
        "CN=Nobody Here,DC=ad,DC=example,DC=test",
        "OU=Company,DC=other,DC=test",
        "a=b",
        " ",
        "prvs=12=ada@example.test",
        "\udcff@example.test",
        "x" * 300,
        "nul\0",
    ],
)
async def test_a_name_that_leads_nowhere_is_not_a_fault(directory: LdapDirectory, wanted: str) -> None:
    assert not (await directory.find(wanted)).objects


async def test_computers_are_nobody(directory: LdapDirectory) -> None:
    assert not (await directory.find("DC1$")).objects
    assert not (await directory.find("CN=DC1,OU=Domain Controllers,DC=ad,DC=example,DC=test")).objects


async def test_an_address_of_another_domain_is_not_asked_for(adapters: Adapters, samba: Samba) -> None:
    directory = adapters.directory(access_to(samba, domains=("corp.test", "Example.Test")))
    assert only(await directory.find("ada@example.test")).kind == "user"
    before = len(adapters.calls)
    found = await directory.find("partner@partner.test")
    assert found.reasons == ("partner.test is none of the [directory] domains (corp.test, example.test)",)
    assert len(adapters.calls) == before


async def test_what_the_base_leaves_out_is_told_with_its_place(adapters: Adapters, samba: Samba) -> None:
    directory = adapters.directory(access_to(samba, base_dn=f"OU=Company,{samba.base_dn}", server=samba.address))
    assert only(await directory.find("ada@example.test")).kind == "user"
    for wanted in ("only.hidden@example.test", f"CN=Only Hidden,OU=Hidden,{samba.base_dn}"):
        found = await directory.find(wanted)
        assert not found.objects
        assert found.near[0].primary_address == "only.hidden@example.test"
        assert "exists, but outside [directory] base_dn" in found.reasons[0]
        assert "OU=Hidden" in found.reasons[0]


async def test_a_security_group_that_is_meant_by_an_address_is_told(directory: LdapDirectory) -> None:
    found = await directory.find("door.badges@example.test")
    assert found.near[0].display_name == "Door Badges"
    assert 'the group "Door Badges" exists, but has no address' in found.reasons[0]


@pytest.mark.parametrize(
    "group, reason",
    [
        ("Empty Group", "it resolves to nothing: it has no members"),
        ("Nobody", "it resolves to nothing: it has no members"),
        ("No Addresses", "it resolves to nothing: none of its 1 members has an address"),
    ],
)
async def test_a_group_that_resolves_to_nothing_says_why(directory: LdapDirectory, group: str, reason: str) -> None:
    found = await directory.find(group)
    assert only(found).kind == "group"
    assert found.reasons[-1] == reason


async def test_a_group_that_resolves_says_nothing(directory: LdapDirectory) -> None:
    assert (await directory.find("all.staff@example.test")).reasons == ()
    assert (await directory.find("Ring 0")).reasons == (
        "it has no address, so it is not a group that mail can be sent to",
    )


async def test_a_member_of_another_forest_is_told_beside_those_of_this_one(directory: LdapDirectory) -> None:
    found = await directory.find("With A Stranger")
    assert [one.primary_address async for one in directory.members(only(found))] == ["ring0@example.test"]
    _, told = found.reasons
    assert told.startswith("1 of its members, counting those of groups inside it, lies in another domain")


async def test_after_closing_a_lookup_is_a_fault(adapters: Adapters, samba: Samba) -> None:
    directories = adapters.directories()
    directory = directories.directory(access_to(samba), ca_file=samba.ca_file)
    await directory.find("ada@example.test")
    await directories.close()
    await directories.close()
    for again in (directory, directories.directory(access_to(samba), ca_file=samba.ca_file)):
        with pytest.raises(ProviderFault) as raised:
            await again.find("ada@example.test")
        assert raised.value.fault is Fault.CONNECTION_LOST
        assert "stopping" in raised.value.detail
