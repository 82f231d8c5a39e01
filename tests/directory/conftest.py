"""Directories on the wire for tests: Samba, OpenLDAP, and adapters that are closed again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from daemon.engine.clock import SystemClock
from daemon.ports import DirectoryAccess, Secret
from daemon.providers.ldap_connection import LdapLimits
from daemon.providers.ldap_directories import LdapDirectories
from daemon.providers.ldap_directory import LdapDirectory
from daemon.providers.refused_sign_ins import RefusedSignIns
from daemon.providers.trust import TrustStore
from tests.directory.certificates import Authority
from tests.directory.openldap import OpenLdap
from tests.directory.samba import Samba, samba

__all__ = ["samba"]

SHORT = LdapLimits(connect=0.4, tls=0.4, search=0.6, idle=30.0)
"""For servers that are silent on purpose."""


class Adapters:
    """Makes adapters as `app.py` does. `calls` are what was observed: endpoint and code."""

    def __init__(self, *, ca_file: str = "", nameserver: str = "") -> None:
        self.ca_file = ca_file
        self.nameservers = [nameserver] if nameserver else []
        self.calls: list[tuple[str, str]] = []
        self.clock = SystemClock()
        self.refused = RefusedSignIns(self.clock.monotonic)
        self._made: list[LdapDirectories] = []

    def directories(self, limits: LdapLimits | None = None) -> LdapDirectories:
        """The shared part, which is closed at the end of the test."""
        made = LdapDirectories(
            lambda endpoint, code, seconds: self.calls.append((endpoint, code)),
            clock=self.clock,
            trust=TrustStore(self.clock.monotonic),
            refused=self.refused,
            limits=limits or LdapLimits(),
            nameservers=self.nameservers,
        )
        self._made.append(made)
        return made

    def directory(self, access: DirectoryAccess, *, limits: LdapLimits | None = None) -> LdapDirectory:
        """An adapter with a shared part of its own."""
        return self.directories(limits).directory(access, ca_file=self.ca_file)

    async def close(self) -> None:
        for made in self._made:
            await made.close()


def access_to(samba: Samba, **changes: object) -> DirectoryAccess:
    """The domain, found by DNS and asked over LDAPS."""
    usual = DirectoryAccess(
        platform="active-directory",
        base_dn=samba.base_dn,
        user=samba.user,
        password=Secret(samba.password),
        lookup="ada.lovelace@example.test",
    )
    return replace(usual, **changes)  # type: ignore[arg-type]


@pytest.fixture
async def adapters(samba: Samba) -> AsyncIterator[Adapters]:
    """Adapters that trust Samba's certificate and ask Samba's DNS."""
    made = Adapters(ca_file=samba.ca_file, nameserver=samba.address)
    yield made
    await made.close()


@pytest.fixture
async def plain() -> AsyncIterator[Adapters]:
    """Adapters that trust this system only."""
    made = Adapters()
    yield made
    await made.close()


@pytest.fixture
def access(samba: Samba) -> DirectoryAccess:
    return access_to(samba)


@pytest.fixture
def directory(adapters: Adapters, access: DirectoryAccess) -> LdapDirectory:
    return adapters.directory(access)


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Another CA than Samba's."""
    return Authority(tmp_path_factory.mktemp("authority"), "Somebody Else's CA")


@pytest.fixture(scope="module")
def openldap(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[OpenLdap]:
    """A directory server that is no Active Directory."""
    folder: Path = tmp_path_factory.mktemp("openldap")
    with OpenLdap(folder, authority) as server:
        yield server
