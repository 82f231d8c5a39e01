"""What adapters of one process share: sessions, which end with it, and whom they trust."""

from __future__ import annotations

import pytest

from daemon.providers import ldap_directories
from tests.directory.certificates import Authority
from tests.directory.conftest import Adapters
from tests.directory.scripted import Reply, Scripted, serving, user
from tests.directory.test_ldap_errors import access_to
from tests.directory.test_ldap_wire import fault_of


async def test_a_session_that_made_room_for_others_ends_with_the_rest(plain: Adapters) -> None:
    """A thousand sites must not leave hundreds of connections behind that nobody says good-bye on."""
    script = Scripted(search=lambda request: Reply([user("ada")]))
    async with serving(script):
        directories = plain.directories()
        first = directories.directory(access_to(script))
        await first.find("ada@corp.test")
        for number in range(ldap_directories._KEPT):
            directories.directory(access_to(script, user=f"svc{number}@corp.test"))
        assert directories.directory(access_to(script))._session is not first._session
        signed = first._session._signed
        assert signed is not None
        assert signed.connection.usable
        await directories.close()
        assert not signed.connection.usable
        assert "sitebind is stopping" in (await fault_of(first)).detail


@pytest.mark.parametrize("security", ["ldaps", "starttls"])
async def test_the_tls_of_a_directory_offers_no_protocol_of_the_web(
    plain: Adapters, authority: Authority, security: str
) -> None:
    """A gateway that chooses by what is offered would take it for HTTP."""
    plain.ca_file = str(authority.ca_file)
    script = Scripted(
        search=lambda request: Reply([user("ada")]), certificate=authority.server("no-web", names=("127.0.0.1",))
    )
    async with serving(script, tls=security == "ldaps"):
        assert (await plain.directory(access_to(script, security=security)).find("ada@corp.test")).objects
    assert script.agreed == [None]
