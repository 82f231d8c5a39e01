"""What adapters of one process share: sessions, which end with it, however many there were."""

from __future__ import annotations

from daemon.providers import ldap_directories
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
