"""The layer `directory sign-in`: by name and password or by Kerberos, each not again when it was refused lately.

Called by `ldap_connector.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from daemon.ports import DirectoryAccess, ProviderFault, Secret
from daemon.providers.domain_controllers import Server
from daemon.providers.kerberos import Wanted
from daemon.providers.layers import Finding
from daemon.providers.ldap_connection import LdapConnection, LdapLimits
from daemon.providers.ldap_errors import SignInRefused
from daemon.providers.ldap_kerberos import KerberosSignIn
from daemon.providers.quoting import quoted
from daemon.providers.refused_sign_ins import PAUSE, RefusedSignIns, SignIn
from daemon.threads import Threads
from states import Fault

_BRIEFLY: Final = 60.0
_REFUSES_THE_SIGN_IN: Final = frozenset(
    {Fault.DIRECTORY_SIGN_IN_REFUSED, Fault.DIRECTORY_ACCOUNT_BLOCKED, Fault.DIRECTORY_PASSWORD_EXPIRED}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectorySignIn:
    """The sign-in of one access at one server. `certificate`: the server's, where the connection is one of TLS."""

    access: DirectoryAccess
    server: Server
    certificate: bytes
    refused: RefusedSignIns
    threads: Threads
    limits: LdapLimits

    async def over(self, connection: LdapConnection) -> Finding:
        """Sign in, one at a time of equal ones. Raises `ProviderFault`."""
        self._check()
        key = self._key()
        async with self.refused.turn(key):
            fault: ProviderFault | None = None
            try:
                detail = await self._signed_in(connection)
            except ProviderFault as found:
                fault = found
            if fault is not None:
                self._note(key, fault)
                raise fault
            self.refused.forget(key)
        return Finding(detail=detail)

    def _check(self) -> None:
        access = self.access
        has_password = access.password is not None and bool(access.password.reveal())
        if access.sign_in == "kerberos":
            whole = bool(access.user) == (has_password or bool(access.keytab))
            needed = "user and password, or user and keytab, or none of them"
        else:
            # A bind without a password succeeds everywhere, and signs in nobody.
            whole, needed = bool(access.user) and has_password, "user and password are both needed"
        if not whole:
            detail = f"no sign-in is configured: [directory] {needed}"
            raise ProviderFault(Fault.DIRECTORY_SIGN_IN_REFUSED, detail)

    async def _signed_in(self, connection: LdapConnection) -> str:
        access = self.access
        if access.sign_in == "kerberos":
            wanted = Wanted(
                host=self.server.host.lower(),
                user=access.user,
                password=access.password,
                keytab=access.keytab,
                certificate=self.certificate,
            )
            return await KerberosSignIn(
                connection=connection, wanted=wanted, threads=self.threads, seconds=self.limits.kdc
            ).run()
        await connection.bind(access.user, access.password or Secret(""))
        return f"signed in as {quoted(access.user)}"

    def _note(self, key: SignIn, fault: ProviderFault) -> None:
        if fault.fault in _REFUSES_THE_SIGN_IN:
            harmless = isinstance(fault, SignInRefused) and fault.harmless
            self.refused.note(key, fault, pause=_BRIEFLY if harmless else PAUSE)

    def _key(self) -> SignIn:
        """Servers that DNS names are one directory with one account: another of them refuses just the same."""
        access = self.access
        where = (self.server.host if access.server else access.base_dn).lower()
        proof = access.password or Secret(access.keytab)
        return ("ldap", access.sign_in, where, access.user.lower(), proof)
