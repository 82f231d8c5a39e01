"""A directory server that is no Active Directory: the error is clear, and nothing breaks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from daemon.ports import DirectoryAccess, ProviderFault, Secret
from states import Fault
from tests.directory.conftest import Adapters
from tests.directory.openldap import ADMIN, BASE_DN, PASSWORD, OpenLdap

pytestmark = pytest.mark.parts


@pytest.fixture
def access(openldap: OpenLdap, plain: Adapters) -> DirectoryAccess:
    plain.ca_file = openldap.ca_file
    return DirectoryAccess(
        platform="active-directory",
        server=f"localhost:{openldap.tls_port}",
        base_dn=BASE_DN,
        user=ADMIN,
        password=Secret(PASSWORD),
        lookup="ada.lovelace@example.test",
    )


@pytest.mark.parametrize("security", ["ldaps", "starttls", "none"])
async def test_after_the_sign_in_the_base_says_that_it_is_no_active_directory(
    plain: Adapters, openldap: OpenLdap, access: DirectoryAccess, security: str
) -> None:
    port = openldap.tls_port if security == "ldaps" else openldap.port
    access = replace(access, server=f"localhost:{port}", security=security)
    examination = await plain.directory(access).examine()
    assert [layer.fault for layer in examination.layers[:-1]] == [None] * 3
    last = examination.layers[-1]
    assert last.name == "base dn"
    assert last.fault is not None
    assert last.fault.fault is Fault.DIRECTORY_UNSUITABLE
    assert f"it names no capability of Active Directory; it holds {BASE_DN}" in last.detail
    assert examination.sightings == ()


async def test_a_lookup_ends_in_the_same_fault(plain: Adapters, access: DirectoryAccess) -> None:
    directory = plain.directory(access)
    for _ in range(2):
        with pytest.raises(ProviderFault) as raised:
            await directory.find("ada.lovelace@example.test")
        assert raised.value.fault is Fault.DIRECTORY_UNSUITABLE


async def test_a_user_that_is_no_distinguished_name_gives_it_away(plain: Adapters, access: DirectoryAccess) -> None:
    examination = await plain.directory(replace(access, user="svc@example.test")).examine()
    last = examination.layers[-1]
    assert last.name == "directory sign-in"
    assert last.fault is not None
    assert last.fault.fault is Fault.DIRECTORY_UNSUITABLE


async def test_a_wrong_password_is_told_without_a_code_of_active_directory(
    plain: Adapters, access: DirectoryAccess
) -> None:
    examination = await plain.directory(replace(access, password=Secret("wrong"))).examine()
    last = examination.layers[-1]
    assert last.fault is not None
    assert last.fault.fault is Fault.DIRECTORY_SIGN_IN_REFUSED
    assert "(LDAP code 49)" in last.detail


async def test_ldaps_to_a_port_that_speaks_ldap_is_no_tls(
    plain: Adapters, openldap: OpenLdap, access: DirectoryAccess
) -> None:
    examination = await plain.directory(replace(access, server=f"localhost:{openldap.port}")).examine()
    last = examination.layers[-1]
    assert last.name == "directory tls"
    assert last.fault is not None
    assert last.fault.fault is Fault.TLS_FAILED
