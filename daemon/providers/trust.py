"""Whom this host trusts: TLS contexts made off the loop and kept, and certificates put into words.

Called by `http.py`, `reach.py` and `ldap_connector.py`, which thereby judge a certificate alike.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from daemon.ports import ProviderFault
from daemon.providers.quoting import quoted
from states import Fault

if TYPE_CHECKING:
    from cryptography import x509

_LOOK_EVERY = 1.0
_KEPT = 64
_Stamp = tuple[int, int, int]
_Key = tuple[str, tuple[str, ...]]
HTTP: Final = ("http/1.1",)
"""The protocols that HTTP's own TLS offers (ALPN)."""


@dataclass(slots=True)
class _Kept:
    context: ssl.SSLContext
    stamp: _Stamp | None
    looked_at: float


class TrustStore:
    """TLS 1.2 at least, always verifying: the system's roots, and those of a file in addition.

    A context is made anew when its file has changed; the file is looked at once a second at most.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._kept: dict[_Key, _Kept] = {}
        self._lock = asyncio.Lock()

    async def context(self, ca_file: str, *, protocols: tuple[str, ...] = ()) -> ssl.SSLContext:
        """Give the context for `ca_file` (empty: system roots only). Raises `ProviderFault` if unreadable.

        `protocols` are offered to the server (ALPN). What is not HTTP offers none: LDAP has no name there.
        """
        key = (ca_file, protocols)
        kept = self._kept.get(key)
        if kept is not None and (not ca_file or self._monotonic() - kept.looked_at < _LOOK_EVERY):
            return kept.context
        async with self._lock:
            return await self._fresh(key)

    async def _fresh(self, key: _Key) -> ssl.SSLContext:
        kept, (ca_file, protocols) = self._kept.get(key), key
        failure: ProviderFault
        try:
            stamp = await asyncio.to_thread(_stamp_of, ca_file)
            if kept is None or kept.stamp != stamp:
                kept = _Kept(await asyncio.to_thread(_make, ca_file, protocols), stamp, 0.0)
        except OSError as error:
            failure = _unreadable(ca_file, error)
        else:
            kept.looked_at = self._monotonic()
            self._keep(key, kept)
            return kept.context
        raise failure

    def _keep(self, key: _Key, kept: _Kept) -> None:
        self._kept.pop(key, None)
        while len(self._kept) >= _KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept[key] = kept


def _stamp_of(ca_file: str) -> _Stamp | None:
    if not ca_file:
        return None
    found = Path(ca_file).stat()
    return found.st_mtime_ns, found.st_size, found.st_ino


def _make(ca_file: str, protocols: tuple[str, ...]) -> ssl.SSLContext:
    context = alike(ssl.create_default_context())
    if protocols:
        context.set_alpn_protocols(list(protocols))
    if ca_file:
        context.load_verify_locations(cafile=ca_file)
    return context


def alike(context: ssl.SSLContext) -> ssl.SSLContext:
    """Let this context judge as all of ours do."""
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # The same judgement on every Python: 3.13 turned both around. Certificate authorities of inspecting
    # firewalls often lack what "strict" wants, and administrators put an intermediate one into the file.
    context.verify_flags &= ~ssl.VerifyFlags.VERIFY_X509_STRICT
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    return context


def _unreadable(ca_file: str, error: OSError) -> ProviderFault:
    reason = "it holds no certificate in PEM form" if isinstance(error, ssl.SSLError) else error.strerror
    return ProviderFault(Fault.CA_FILE_UNREADABLE, f"[connection] ca_file {quoted(ca_file)} cannot be used: {reason}")


def reading_context() -> ssl.SSLContext:
    """A context that accepts every certificate. Only to read a refused one: nothing is sent over it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def in_words(der: bytes) -> str:
    """Describe a certificate: whose it is, who issued it, how long it holds. Empty if it cannot be read."""
    from cryptography import x509  # noqa: PLC0415 - only a refused certificate needs it, and it delays every start

    try:
        certificate = x509.load_der_x509_certificate(der)
        until = certificate.not_valid_after_utc
        issuer, subject = _name(certificate.issuer), _name(certificate.subject)
    except ValueError:
        return ""
    return f'certificate of "{subject}", issued by "{issuer}", valid until {until:%Y-%m-%d %H:%M} UTC'


def _name(name: x509.Name) -> str:
    """The common name with the organization, as far as they are there; else the whole name."""
    from cryptography.x509.oid import NameOID  # noqa: PLC0415 - see above

    parts: list[str] = []
    for kind in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME):
        found = name.get_attributes_for_oid(kind)
        parts.extend(quoted(item.value, longest=80) for item in found[:1])
    return ", ".join(dict.fromkeys(filter(None, parts))) or quoted(name.rfc4514_string(), longest=80)
