"""The sign-in at a directory by Kerberos: SASL GSSAPI (RFC 4752), bound to TLS, or signed and sealed without it.

Called by `ldap_signin.py`. The library's calls run in threads and are given up after a time, because a silent key
distribution centre keeps them for half a minute.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeVar

from daemon.ports import ProviderFault
from daemon.providers import kerberos, kerberos_errors, ldap_errors
from daemon.providers.kerberos import Context, Wanted
from daemon.providers.kerberos_errors import Trouble
from daemon.providers.ldap_connection import LdapConnection
from daemon.providers.ldap_seal import RECEIVES, KerberosSeal
from daemon.providers.quoting import quoted
from daemon.threads import AllTaken, Threads
from states import Fault

MECHANISM: Final = "GSSAPI"
SASL_IN_PROGRESS: Final = 14
_ROUNDS: Final = 4
_PLAIN, _SEALED = 1, 4
"""Of the layers that a server offers: none, or everything signed and encrypted."""

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class KerberosSignIn:
    """One sign-in over one connection. `seconds`: for a ticket."""

    connection: LdapConnection
    wanted: Wanted
    threads: Threads
    seconds: float

    async def run(self) -> str:
        """Sign in, and tell as whom and how it is protected. Raises `ProviderFault`."""
        context, token = await self._worked(partial(kerberos.begun, self.wanted))
        proof = await self._stepped(token)
        for _ in range(_ROUNDS):
            if context.complete:
                break
            token = await self._worked(partial(context.step, proof))
            proof = await self._stepped(token)
        if not context.complete:
            raise self._senseless("it went on without an end")
        await self._agreed(context, proof)
        who = quoted(context.signed_in_as)
        if self.wanted.certificate:
            how = "bound to the TLS connection" if context.bound else "inside TLS"
            return f"signed in as {who} by Kerberos, {how}"
        return f"signed in as {who} by Kerberos; all that follows is signed and sealed"

    async def _agreed(self, context: Context, proof: bytes) -> None:
        """Agree on what protects the rest: TLS where there is one, else the sign-in's own keys."""
        offer = await self._worked(partial(context.unwrapped, proof, encrypted=False))
        if len(offer) != 4:
            raise self._senseless("the layers that it offers make no sense")
        layer = _PLAIN if self.wanted.certificate else _SEALED
        if not offer[0] & layer:
            raise ProviderFault(Fault.DIRECTORY_KERBEROS_REFUSED, f"{self._where}: {_MISSING[layer]}")
        seal = None if layer == _PLAIN else KerberosSeal(context, sends=int.from_bytes(offer[1:], "big"))
        chosen = bytes([layer]) + (RECEIVES if seal else 0).to_bytes(3, "big")
        token = await self._worked(partial(context.wrapped, chosen, encrypt=False))
        answer = await self.connection.sasl(MECHANISM, token, seal=seal)
        if answer.refusal is not None:
            raise ldap_errors.kerberos_refused(answer.refusal, server=self.connection.server)

    async def _stepped(self, token: bytes) -> bytes:
        """What the server says to it. That it is content before everything is agreed upon is no success."""
        answer = await self.connection.sasl(MECHANISM, token)
        if answer.refusal is None:
            raise self._senseless("it ended before what protects the connection was agreed upon")
        if answer.refusal.code != SASL_IN_PROGRESS:
            raise ldap_errors.kerberos_refused(answer.refusal, server=self.connection.server)
        return answer.proof

    async def _worked(self, call: Callable[[], _Result | Trouble]) -> _Result:
        """Let the library work in a thread, for so long and no longer. Raises `ProviderFault`."""
        try:
            result = await self.threads.run(call, seconds=self.seconds)
        except TimeoutError:
            reason = f"no key distribution centre answered within {self.seconds:g} s"
        except AllTaken:
            reason = "earlier sign-ins still wait for a key distribution centre that does not answer"
        else:
            if not isinstance(result, Trouble):
                return result
            raise kerberos_errors.refused(result, who=self._who, server=self.connection.server, secrets=self._secrets)
        detail = f"the Kerberos sign-in {self._who} for {self.connection.server}: {reason}"
        raise ProviderFault(Fault.KERBEROS_KDC_UNREACHABLE, detail)

    def _senseless(self, reason: str) -> ProviderFault:
        return ProviderFault(Fault.ANSWER_MALFORMED, f"{self._where}: {reason}")

    @property
    def _where(self) -> str:
        return f"the Kerberos sign-in at {self.connection.server}"

    @property
    def _who(self) -> str:
        if not self.wanted.user:
            return "with this process's own ticket"
        key = f" with the keytab {quoted(self.wanted.keytab)}" if self.wanted.keytab else ""
        return f"of {quoted(self.wanted.principal)}{key}"

    @property
    def _secrets(self) -> tuple[str, ...]:
        return (self.wanted.password.reveal(),) if self.wanted.password is not None else ()


_MISSING: Final = {
    _PLAIN: "the server insists on signing inside TLS, and does not sign there",
    _SEALED: "the server does not offer to encrypt what follows, and without TLS it would be plain text",
}
