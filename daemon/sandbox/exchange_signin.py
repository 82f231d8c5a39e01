"""Sign-in at Exchange on premises: Basic, and NTLM or Negotiate where the tenant offers them. Used by `exchange.py`.

The latter two need pyspnego with its file of users (NTLM_USER_FILE), which tests have and the shipped sandbox has not.
"""

from __future__ import annotations

import base64
import binascii
import struct
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

from multidict import CIMultiDict

from daemon.sandbox.call import Answer, Call, Refusal
from daemon.sandbox.script import Script, Trouble
from daemon.sandbox.tenant import Person, Tenant

if TYPE_CHECKING:
    from spnego import ContextProxy

_REALM: Final = 'realm="localhost"'
_OF_A_CONNECTION: Final = frozenset({"ntlm", "negotiate"})


class SignIn:
    """Tells who calls. What NTLM and Negotiate have proved holds for the connection, as with real servers."""

    def __init__(self, *, tenant: Tenant, script: Script) -> None:
        self._tenant = tenant
        self._script = script
        self._begun: WeakKeyDictionary[object, ContextProxy] = WeakKeyDictionary()
        self._proved: WeakKeyDictionary[object, Person] = WeakKeyDictionary()

    def caller(self, call: Call) -> Person:
        """Give who calls. Raises `Refusal`, a 401 with the schemes that are offered."""
        scheme, _, credentials = call.headers.get("Authorization", "").partition(" ")
        if not scheme:
            return self._unsigned(call)
        offered = {each.casefold() for each in self._tenant.schemes}
        if scheme.casefold() not in offered or self._script.strikes(Trouble.WRONG_MAILBOX_PASSWORD, call.endpoint):
            raise self._refusal()
        if scheme.casefold() in _OF_A_CONNECTION:
            return self._negotiated(call, scheme, credentials.strip())
        return self._by_password(credentials.strip())

    def _unsigned(self, call: Call) -> Person:
        proved = self._proved.get(call.connection) if call.connection is not None else None
        found = proved or self._tenant.person(self._tenant.unsigned_as)
        if found is None:
            raise self._refusal()
        return found

    def _by_password(self, credentials: str) -> Person:
        try:
            user, _, password = base64.b64decode(credentials, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise self._refusal() from None
        person = self._named(user)
        if person is None or not person.password_is(password):
            raise self._refusal()
        return person

    def _named(self, user: str) -> Person | None:
        """Find an account by address or user principal name; behind a domain's name too, whatever the domain."""
        name = user.rpartition("\\")[2].casefold()
        people = self._tenant.people.values()
        return next((one for one in people if name in {one.address.casefold(), one.signs_in_as.casefold()}), None)

    def _negotiated(self, call: Call, scheme: str, token: str) -> Person:
        import spnego  # noqa: PLC0415 - in tests only, see above
        from spnego.exceptions import SpnegoError  # noqa: PLC0415

        self._proved.pop(call.connection, None)
        context = self._begun.get(call.connection)
        if context is None or context.complete:
            context = self._begun[call.connection] = spnego.server(protocol=scheme.casefold())
        try:
            reply = context.step(base64.b64decode(token, validate=True)) or b""
        except (SpnegoError, ValueError, struct.error):  # the latter two come of tokens that make no sense
            del self._begun[call.connection]
            raise self._refusal() from None
        if not context.complete:
            raise self._refusal(f"{scheme} {base64.b64encode(reply).decode()}")
        person = self._named(context.client_principal or "")
        if person is None:
            raise self._refusal()
        self._proved[call.connection] = person
        return person

    def _refusal(self, *challenges: str) -> Refusal:
        headers = CIMultiDict({"Content-Type": "text/plain"})
        for offer in challenges or self._tenant.schemes:
            headers.add("WWW-Authenticate", f"Basic {_REALM}" if offer.casefold() == "basic" else offer)
        return Refusal(Answer(status=401, body=b"", headers=headers))
