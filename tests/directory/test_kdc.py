"""Key distribution centres that are silent, away or refuse: named, in time, and the loop runs on."""

from __future__ import annotations

import asyncio
import sys
import threading
from pathlib import Path

import pytest

from daemon.ports import DirectoryAccess, Secret
from daemon.providers import kerberos_errors
from daemon.providers.kerberos_errors import ROWS, Row
from daemon.providers.ldap_connection import LdapLimits
from daemon.threads import AllTaken, Threads
from states import Fault
from tests.directory.conftest import Adapters
from tests.directory.realm import REALM, Realm, scripted_kdc
from tests.directory.scripted import Scripted, serving
from tests.directory.stalls import TURN, Stalls

pytestmark = [pytest.mark.parts]

PASSWORD = "the password of the test"
BRIEF = LdapLimits(kdc=0.5)
SAID = [row for row in ROWS if 0 <= row.number < 128 and row.number != 29]
"""What a key distribution centre says. After 29 (out of service) the library goes on asking until its time is over."""


@pytest.fixture
def realm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Realm:
    return Realm(tmp_path, monkeypatch)


async def shown(plain: Adapters, limits: LdapLimits | None = None) -> tuple[Fault, str]:
    """What an examination says of the sign-in at a server that would take any."""
    async with serving(Scripted()) as script:
        access = DirectoryAccess(
            platform="active-directory",
            server=f"localhost:{script.port}",
            security="none",
            sign_in="kerberos",
            user=f"sync@{REALM}",
            password=Secret(PASSWORD),
        )
        examination = await plain.directory(access, limits=limits).examine()
        assert script.binds == []
    last = examination.layers[-1]
    assert last.name == "directory sign-in"
    assert last.fault is not None
    assert last.detail == last.fault.detail
    assert PASSWORD not in last.detail
    return last.fault.fault, last.detail


async def test_a_silent_one_is_given_up_in_time_and_the_loop_runs_on(realm: Realm, plain: Adapters) -> None:
    async with scripted_kdc(None) as kdc:
        realm.served_by(kdc)
        began = asyncio.get_running_loop().time()
        async with Stalls() as stalls:
            fault, detail = await shown(plain, BRIEF)
        took = asyncio.get_running_loop().time() - began
    assert fault is Fault.KERBEROS_KDC_UNREACHABLE
    assert f"the Kerberos sign-in of sync@{REALM} for localhost:" in detail
    assert "no key distribution centre answered within 0.5 s" in detail
    assert "open port 88" in fault.remedy
    assert BRIEF.kdc <= took < BRIEF.kdc + 2
    assert stalls.longest < TURN


async def test_one_that_is_away_is_told_at_once(realm: Realm, plain: Adapters) -> None:
    async with scripted_kdc(None) as kdc:
        realm.served_by(kdc)
    fault, detail = await shown(plain)
    assert fault is Fault.KERBEROS_KDC_UNREACHABLE
    assert "no key distribution centre of this realm can be reached (Kerberos error 156: " in detail


async def test_a_realm_that_nobody_names_is_told(realm: Realm, plain: Adapters) -> None:
    realm.served_by("127.0.0.1:9", realm="OTHER.TEST")
    fault, detail = await shown(plain)
    assert fault is Fault.KERBEROS_KDC_UNREACHABLE
    assert "neither krb5.conf nor DNS names a key distribution centre of this realm" in detail


async def test_a_configuration_that_makes_no_sense_is_told(realm: Realm, plain: Adapters) -> None:
    realm.configuration.write_text("[libdefaults\n")
    fault, detail = await shown(plain)
    assert fault is Fault.KERBEROS_UNAVAILABLE
    assert "krb5.conf is not written as such a file has to be" in detail


async def test_without_the_extra_it_is_said_what_to_install(
    realm: Realm, plain: Adapters, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "gssapi", None)  # as if it could not be found
    fault, detail = await shown(plain)
    assert fault is Fault.KERBEROS_UNAVAILABLE
    assert "sitebind[kerberos]" in detail
    assert "set [directory] sign_in = simple" in fault.remedy


REMEDIES = {
    1: "Unlock or enable the directory user",
    6: "Check [directory] user",
    7: "Name the domain controller in [directory] server by its own full name",
    8: "Name the domain controller in [directory] server by its own full name",
    12: "Unlock or enable the directory user",
    14: "Mend what the detail names",
    18: "Unlock or enable the directory user",
    21: "Unlock or enable the directory user",
    23: "Set a new password for the directory user",
    24: "Check [directory] user",
    31: "Check [directory] user",
    32: "Mend what the detail names",
    33: "Set the clock of this host",
    37: "Set the clock of this host",
    68: "Check [directory] user",
}


@pytest.mark.parametrize("row", SAID, ids=lambda row: str(row.number))
async def test_every_refusal_shows_its_words_and_its_remedy(realm: Realm, plain: Adapters, row: Row) -> None:
    async with scripted_kdc(row.number) as kdc:
        realm.served_by(kdc)
        fault, detail = await shown(plain)
    assert fault is row.fault
    assert f"{row.words} (Kerberos error {row.number}: " in detail
    assert fault.remedy.startswith(REMEDIES[row.number])


@pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row.number))
def test_every_number_is_known_as_the_library_gives_it(row: Row) -> None:
    """GSSAPI carries it as the library's own error code, without a sign."""
    found = kerberos_errors.trouble(row.number - 1765328384 + 2**32, "said")
    if row.number < 0:
        found = kerberos_errors.Trouble(row.number, "said")
    fault = kerberos_errors.refused(found, who="of somebody", server="dc1:389", secrets=())
    assert fault.fault is row.fault
    assert fault.harmless is row.harmless
    assert fault.detail.startswith(f"the Kerberos sign-in of somebody for dc1:389: {row.words} (")


def test_an_error_that_nobody_has_met_is_told_with_the_librarys_words() -> None:
    for minor in (22, 127 - 1765328384 + 2**32):
        found = kerberos_errors.trouble(minor, "something odd")
        fault = kerberos_errors.refused(found, who="of somebody", server="dc1:389", secrets=("odd",))
        assert fault.fault is Fault.KERBEROS_UNAVAILABLE
        assert "Kerberos failed (" in fault.detail
        assert "something ***)" in fault.detail


class TestThreads:
    async def test_what_is_given_up_counts_until_it_returns(self) -> None:
        threads, release, before = Threads(2), threading.Event(), set(threading.enumerate())
        for _ in range(2):
            with pytest.raises(TimeoutError):
                await threads.run(lambda: release.wait(30), seconds=0.01)
        with pytest.raises(AllTaken):
            await threads.run(lambda: release.wait(30), seconds=0.01)
        release.set()
        for thread in set(threading.enumerate()) - before:
            thread.join(5)
        assert await threads.run(lambda: "again", seconds=5) == "again"

    async def test_what_it_raises_is_raised(self) -> None:
        with pytest.raises(ZeroDivisionError):
            await Threads(1).run(lambda: 1 // 0, seconds=5)

    def test_a_loop_that_has_ended_is_told_nothing(self) -> None:
        release, threads, before = threading.Event(), Threads(1), set(threading.enumerate())

        async def give_up() -> None:
            with pytest.raises(TimeoutError):
                await threads.run(lambda: release.wait(30), seconds=0.01)

        asyncio.run(give_up())
        [thread] = set(threading.enumerate()) - before
        release.set()
        thread.join(5)
        assert not thread.is_alive()

    async def test_sign_ins_that_wait_for_a_silent_one_are_not_without_number(
        self, realm: Realm, plain: Adapters
    ) -> None:
        async with scripted_kdc(None) as kdc, serving(Scripted()) as script:
            realm.served_by(kdc)
            directories = plain.directories(BRIEF)
            users = [f"sync{one}@{REALM}" for one in range(9)]
            examined = await asyncio.gather(
                *(
                    directories.directory(
                        DirectoryAccess(
                            platform="active-directory",
                            server=f"localhost:{script.port}",
                            security="none",
                            sign_in="kerberos",
                            user=user,
                            password=Secret(PASSWORD),
                        )
                    ).examine()
                    for user in users
                )
            )
        details = [each.layers[-1].detail for each in examined]
        assert sum("answered within 0.5 s" in detail for detail in details) == 8
        assert sum("earlier sign-ins still wait" in detail for detail in details) == 1
