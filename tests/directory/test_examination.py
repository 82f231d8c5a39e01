"""The layers of a directory, walked at a real domain controller: what passes, and what each trouble is called."""

from __future__ import annotations

from dataclasses import replace

import pytest

from daemon.ports import DIRECTORY_LAYERS, DirectoryAccess, Examination, Secret
from states import Fault
from tests.directory.certificates import Authority
from tests.directory.company import PASSWORD
from tests.directory.conftest import Adapters, access_to
from tests.directory.samba import HOST, Samba

pytestmark = [pytest.mark.parts, pytest.mark.root]


def ended(examination: Examination) -> tuple[str, Fault | None, str]:
    """The last layer that was walked, its fault and its words."""
    last = examination.layers[-1]
    return last.name, last.fault.fault if last.fault else None, last.detail


@pytest.mark.parametrize("security", ["ldaps", "starttls"])
async def test_a_healthy_domain_passes_every_layer(adapters: Adapters, samba: Samba, security: str) -> None:
    examination = await adapters.directory(access_to(samba, security=security)).examine()
    assert tuple(layer.name for layer in examination.layers) == DIRECTORY_LAYERS
    assert [layer.fault for layer in examination.layers] == [None] * 5
    server, tls, sign_in, base, lookup = (layer.detail for layer in examination.layers)
    assert HOST in server
    assert "of this host's site Default-First-Site-Name" in server
    assert 'issued by "Directory tests CA"' in tls
    assert ("StartTLS" in tls) is (security == "starttls")
    assert sign_in == f"signed in as {samba.user}"
    assert base == f'Active Directory ad.example.test; "{samba.base_dn}" exists'
    assert 'is the user "Ada Lovelace"' in lookup
    [sighting] = examination.sightings
    assert sighting.whereabouts == "on-premises"
    assert sighting.seen == f"the domain controller {HOST} answers for ad.example.test"


async def test_a_configured_address_is_asked_without_dns(adapters: Adapters, samba: Samba) -> None:
    adapters.nameservers = []
    examination = await adapters.directory(access_to(samba, server=samba.address, base_dn="")).examine()
    assert ended(examination)[:2] == ("lookup", None)
    assert "is the server's whole domain, since base_dn is empty" in examination.layers[3].detail


async def test_a_port_may_be_named(adapters: Adapters, samba: Samba) -> None:
    examination = await adapters.directory(access_to(samba, server=f"{samba.address}:3269")).examine()
    assert ended(examination)[:2] == ("lookup", None)
    assert f"{samba.address}:3269" in examination.layers[0].detail


async def test_a_wrong_ca_is_named_with_the_issuer(adapters: Adapters, samba: Samba, authority: Authority) -> None:
    adapters.ca_file = str(authority.ca_file)
    for security in ("ldaps", "starttls"):
        layer, fault, detail = ended(await adapters.directory(access_to(samba, security=security)).examine())
        assert (layer, fault) == ("directory tls", Fault.CERTIFICATE_UNTRUSTED)
        assert 'issued by "Directory tests CA"' in detail


async def test_a_certificate_of_another_name_is_refused(adapters: Adapters, samba: Samba) -> None:
    other = samba.authority.server("other", names=("another.example.test",))
    try:
        samba.restart(certificate=other)
        layer, fault, detail = ended(await adapters.directory(access_to(samba)).examine())
    finally:
        samba.restart()
    assert (layer, fault) == ("directory tls", Fault.CERTIFICATE_UNTRUSTED)
    assert "ostname mismatch" in detail


async def test_an_expired_certificate_is_told_with_its_date(adapters: Adapters, samba: Samba) -> None:
    expired = samba.authority.server("expired", names=(HOST, samba.address), days=(-20, -10))
    try:
        samba.restart(certificate=expired)
        layer, fault, detail = ended(await adapters.directory(access_to(samba)).examine())
    finally:
        samba.restart()
    assert (layer, fault) == ("directory tls", Fault.CERTIFICATE_UNTRUSTED)
    assert "certificate has expired" in detail
    assert "valid until" in detail
    assert "this host's clock" in detail


async def test_in_the_clear_the_server_refuses_and_a_warning_stands_before(adapters: Adapters, samba: Samba) -> None:
    examination = await adapters.directory(access_to(samba, security="none")).examine()
    tls = examination.layers[1]
    assert tls.status == "warning"
    assert "not encrypted" in tls.detail
    assert "security = ldaps or starttls" in tls.remedy
    layer, fault, detail = ended(examination)
    assert (layer, fault) == ("directory sign-in", Fault.DIRECTORY_PROTECTION_REQUIRED)
    assert "Transport encryption required" in detail


async def test_in_the_clear_works_only_where_the_server_lets_it(adapters: Adapters, samba: Samba) -> None:
    try:
        samba.restart(strong="no")
        examination = await adapters.directory(access_to(samba, security="none")).examine()
    finally:
        samba.restart()
    assert ended(examination)[:2] == ("lookup", None)
    assert examination.layers[1].status == "warning"


TROUBLED = {
    "disabled": (Fault.DIRECTORY_ACCOUNT_BLOCKED, "the account is disabled", "533"),
    "expired": (Fault.DIRECTORY_ACCOUNT_BLOCKED, "the account has expired", "701"),
    "locked": (Fault.DIRECTORY_ACCOUNT_BLOCKED, "the account is locked", "775"),
    "mustchange": (Fault.DIRECTORY_PASSWORD_EXPIRED, "has to change the password", "773"),
    "oldpassword": (Fault.DIRECTORY_PASSWORD_EXPIRED, "the password has expired", "532"),
    "notnow": (Fault.DIRECTORY_ACCOUNT_BLOCKED, "at this hour", "530"),
}


@pytest.mark.parametrize("name", TROUBLED)
async def test_an_account_in_trouble_is_told_by_what_troubles_it(adapters: Adapters, samba: Samba, name: str) -> None:
    fault, words, code = TROUBLED[name]
    examination = await adapters.directory(access_to(samba, user=f"{name}@ad.example.test")).examine()
    layer, found, detail = ended(examination)
    assert (layer, found) == ("directory sign-in", fault)
    assert words in detail
    assert f"data {code}" in detail
    assert PASSWORD not in detail


@pytest.mark.parametrize("user", ["ADTEST\\svc.sitebind", "CN=Sitebind Service,CN=Users,DC=ad,DC=example,DC=test"])
async def test_other_ways_to_write_the_user_are_taken_too(adapters: Adapters, samba: Samba, user: str) -> None:
    assert ended(await adapters.directory(access_to(samba, user=user)).examine())[:2] == ("lookup", None)


async def test_a_wrong_password_is_tried_once_and_never_locks_the_account(adapters: Adapters, samba: Samba) -> None:
    wrong = access_to(samba, user="victim@ad.example.test", password=Secret("not this one"))
    details = [ended(await adapters.directory(wrong).examine())[2] for _ in range(8)]
    assert "data 52e" in details[0]
    assert "so as not to lock the account" not in details[0]
    assert all("so as not to lock the account, it is not tried again for 15 min" in detail for detail in details[1:])
    right = replace(wrong, password=Secret(PASSWORD))
    assert ended(await adapters.directory(right).examine())[:2] == ("lookup", None)


@pytest.mark.parametrize("password", [None, Secret("")])
async def test_a_sign_in_without_a_password_is_not_even_tried(
    adapters: Adapters, samba: Samba, password: Secret | None
) -> None:
    """An LDAP server takes it for an anonymous one and says that it succeeded."""
    layer, fault, detail = ended(await adapters.directory(access_to(samba, password=password)).examine())
    assert (layer, fault) == ("directory sign-in", Fault.DIRECTORY_SIGN_IN_REFUSED)
    assert "no sign-in is configured" in detail


@pytest.mark.parametrize(
    "base", ["OU=Nowhere,DC=ad,DC=example,DC=test", "DC=elsewhere,DC=test", "this is no name", "OU=\\zz,DC=test"]
)
async def test_a_base_that_is_not_there_is_told(adapters: Adapters, samba: Samba, base: str) -> None:
    layer, fault, detail = ended(
        await adapters.directory(access_to(samba, server=samba.address, base_dn=base)).examine()
    )
    assert (layer, fault) == ("base dn", Fault.DIRECTORY_BASE_UNKNOWN)
    assert base in detail


async def test_an_address_that_is_not_there_fails_the_lookup_with_near_misses(adapters: Adapters, samba: Samba) -> None:
    layer, fault, detail = ended(
        await adapters.directory(access_to(samba, lookup="ada.lovelase@example.test")).examine()
    )
    assert (layer, fault) == ("lookup", Fault.DIRECTORY_OBJECT_MISSING)
    assert "near to it: ada.lovelace@example.test" in detail


async def test_without_an_address_the_lookup_is_skipped(adapters: Adapters, samba: Samba) -> None:
    examination = await adapters.directory(access_to(samba, lookup="")).examine()
    assert examination.layers[-1].status == "skipped"


async def test_no_secret_is_in_what_is_shown(adapters: Adapters, samba: Samba, access: DirectoryAccess) -> None:
    examination = await adapters.directory(access).examine()
    assert PASSWORD not in repr(examination)
    assert PASSWORD not in repr(access)
