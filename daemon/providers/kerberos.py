"""Kerberos through MIT's GSSAPI: a ticket for a directory server, and the security context that is made with it.

Called by `ldap_kerberos.py`. Everything blocks; `begun` asks a key distribution centre. The library comes with the
extra `sitebind[kerberos]` and is imported when it is needed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from daemon.ports import Secret
from daemon.providers.kerberos_errors import NO_LIBRARY, NOT_KERBEROS, Trouble, trouble

_WEAK: Final = frozenset({"md5", "sha1"})
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A ticket for the LDAP service of `host`, got with a password or a keytab; with neither, this process's own.

    `certificate`: the server's, in DER, where the connection is one of TLS. Without it, signing and sealing are asked
    for.
    """

    host: str
    user: str
    password: Secret | None
    keytab: str
    certificate: bytes

    @property
    def principal(self) -> str:
        """The user as Active Directory's realms spell it: in capitals behind the @."""
        name, at, realm = self.user.rpartition("@")
        return f"{name}{at}{realm.upper()}"


class Context:
    """A security context; `bound` to the TLS connection or not. Nothing of it is for two threads at a time."""

    def __init__(self, context: Any, *, bound: bool) -> None:
        self._context = context
        self.bound = bound

    @property
    def complete(self) -> bool:
        """Whether both sides have proven who they are."""
        return bool(self._context.complete)

    @property
    def signed_in_as(self) -> str:
        """Who, as the realm spells it; of a complete context."""
        return str(self._context.initiator_name)

    def step(self, token: bytes | None) -> bytes | Trouble:
        """The next token, out of the other side's."""
        return attempted(lambda: self._context.step(token) or b"")

    def wrapped(self, data: bytes, *, encrypt: bool) -> bytes | Trouble:
        """Signed, and with `encrypt` unreadable."""
        return attempted(lambda: bytes(self._context.wrap(data, encrypt).message))

    def unwrapped(self, data: bytes, *, encrypted: bool) -> bytes | Trouble:
        """What was wrapped. With `encrypted`, what was only signed is refused."""
        found = attempted(lambda: self._context.unwrap(data))
        if isinstance(found, Trouble):
            return found
        if encrypted and not found.encrypted:
            return Trouble(NOT_KERBEROS, "the other side has stopped encrypting")
        return bytes(found.message)

    def room_in(self, size: int) -> int:
        """How much fits into `size` bytes once it is sealed."""
        return int(self._context.get_wrap_size_limit(size, encrypted=True))


def begun(wanted: Wanted) -> tuple[Context, bytes] | Trouble:
    """A context and its first token, for which the key distribution centre is asked."""
    try:
        import gssapi  # noqa: PLC0415 - an optional extra

        from daemon.providers import kerberos_cache  # noqa: PLC0415 - ctypes is loaded with it

        with kerberos_cache.passing() if wanted.keytab else nullcontext("") as cache:
            return attempted(lambda: _begun(gssapi, wanted, cache))
    except (ImportError, OSError) as error:
        return Trouble(NO_LIBRARY, str(error))


def attempted(work: Callable[[], _Result]) -> _Result | Trouble:
    """Do it. Of a failure only number and text are given: the exception holds frames with secrets."""
    from gssapi.exceptions import GSSError  # noqa: PLC0415 - an optional extra

    try:
        return work()
    except GSSError as error:
        return trouble(error.min_code, "; ".join(error.get_all_statuses(error.min_code, is_maj=False)))


def _begun(gssapi: Any, wanted: Wanted, cache: str) -> tuple[Context, bytes]:
    binding = end_point(wanted.certificate) if wanted.certificate else b""
    # Without a realm: the user's own domain is asked, and refers to the server's. A name that says its service is not
    # looked up in DNS, where others could change it for a server of their own.
    server = gssapi.Name(f"ldap/{wanted.host}@", gssapi.NameType.kerberos_principal)
    context = gssapi.SecurityContext(
        name=server,
        creds=_credentials(gssapi, wanted, cache),
        usage="initiate",
        mech=gssapi.MechType.kerberos,
        flags=_flags(gssapi, sealed=not wanted.certificate),
        channel_bindings=gssapi.raw.ChannelBindings(application_data=binding) if binding else None,
    )
    return Context(context, bound=bool(binding)), context.step() or b""


def _credentials(gssapi: Any, wanted: Wanted, cache: str) -> Any:
    asked = {"usage": "initiate", "mechs": [gssapi.MechType.kerberos]}
    if not wanted.user:
        return gssapi.Credentials(**asked)
    name = gssapi.Name(wanted.principal, gssapi.NameType.kerberos_principal)
    if wanted.keytab:
        store = {"client_keytab": f"FILE:{wanted.keytab}", "ccache": cache}
        return gssapi.Credentials(name=name, store=store, **asked)
    password = wanted.password.reveal().encode() if wanted.password is not None else b""
    # Their cache is one in memory that ends with them.
    return gssapi.Credentials(gssapi.raw.acquire_cred_with_password(name, password, **asked).creds)


def _flags(gssapi: Any, *, sealed: bool) -> list[Any]:
    flag = gssapi.RequirementFlag
    always = [flag.mutual_authentication, flag.out_of_sequence_detection]
    return [*always, flag.replay_detection, flag.integrity, flag.confidentiality] if sealed else always


def end_point(certificate: bytes) -> bytes:
    """The channel binding tls-server-end-point (RFC 5929); empty where the certificate's signature defines none."""
    from cryptography import x509  # noqa: PLC0415 - loaded with the first certificate
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415

    try:
        algorithm = x509.load_der_x509_certificate(certificate).signature_hash_algorithm
    except (UnsupportedAlgorithm, ValueError):
        return b""
    if algorithm is None:
        return b""
    name = "sha256" if algorithm.name in _WEAK else algorithm.name
    return b"tls-server-end-point:" + hashlib.new(name, certificate).digest()
