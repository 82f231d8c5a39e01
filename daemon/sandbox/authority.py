"""The sandbox's own certificate authority and server certificates; called once by `server.py` at start.

Certificates live in real time, whatever clock the simulated service shows: TLS clients judge them by theirs.
"""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_CA_LIFE: Final = timedelta(days=1825)
_SERVER_LIFE: Final = timedelta(days=365)
_RENEW_BEFORE: Final = timedelta(days=30)
_ADDRESSES: Final = (ipaddress.ip_network("127.0.0.1/32"), ipaddress.ip_network("::1/128"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A certificate (PEM) and its private key (PEM, mode 0600)."""

    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificates:
    """What the sandbox may present, and the CA that a client has to trust."""

    ca_file: Path
    server: Pair
    expired: Pair
    forged: Pair


@dataclass(frozen=True, slots=True)
class _Signer:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def ensure_certificates(directory: Path, *, today: datetime) -> Certificates:
    """Make what is missing or about to expire in `directory` (created 0700); a valid CA stays the same."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    ca_pair, server_pair = _pair(directory, "ca"), _pair(directory, "server")
    ca = _load(ca_pair, today=today)
    if ca is None:
        ca = _make_ca("sitebind sandbox CA", today=today)
        _save(ca, ca_pair)
    server = _load(server_pair, today=today)
    if server is None or not _issued_by(server.certificate, ca.certificate):
        _save(_make_server(ca, since=today, life=_SERVER_LIFE), server_pair)
    expired, forged = _pair(directory, "expired"), _pair(directory, "forged")
    _save(_make_server(ca, since=today - timedelta(days=30), life=timedelta(days=29)), expired)
    stranger = _make_ca("somebody else's CA", today=today)
    _save(_make_server(stranger, since=today, life=_SERVER_LIFE), forged)
    return Certificates(ca_file=ca_pair.certificate, server=server_pair, expired=expired, forged=forged)


def _pair(directory: Path, stem: str) -> Pair:
    return Pair(certificate=directory / f"{stem}.pem", key=directory / f"{stem}.key")


def _load(pair: Pair, *, today: datetime) -> _Signer | None:
    """Read a pair back; None when it is absent, unreadable as PEM, mismatched or about to expire."""
    try:
        certificate = x509.load_pem_x509_certificate(pair.certificate.read_bytes())
        key = serialization.load_pem_private_key(pair.key.read_bytes(), password=None)
    except (FileNotFoundError, ValueError):
        return None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        return None
    if not certificate.not_valid_before_utc <= today < certificate.not_valid_after_utc - _RENEW_BEFORE:
        return None
    return _Signer(certificate, key)


def _issued_by(certificate: x509.Certificate, ca: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(ca)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def _make_ca(name: str, *, today: datetime) -> _Signer:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name(name)
    # The name constraints keep harm away from somebody who adds this CA to the system's trust store.
    permitted = [x509.DNSName("localhost"), *(x509.IPAddress(network) for network in _ADDRESSES)]
    builder = (
        _builder(subject, issuer=subject, key=key, since=today, life=_CA_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.NameConstraints(permitted_subtrees=permitted, excluded_subtrees=None), critical=True)
    )
    return _Signer(builder.sign(key, hashes.SHA256()), key)


def _make_server(ca: _Signer, *, since: datetime, life: timedelta) -> _Signer:
    key = ec.generate_private_key(ec.SECP256R1())
    names = [x509.DNSName("localhost"), *(x509.IPAddress(network.network_address) for network in _ADDRESSES)]
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.key.public_key())
    builder = (
        _builder(_name("sitebind sandbox"), issuer=ca.certificate.subject, key=key, since=since, life=life)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(authority, critical=False)
    )
    return _Signer(builder.sign(ca.key, hashes.SHA256()), key)


def _builder(
    subject: x509.Name,
    *,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    since: datetime,
    life: timedelta,
) -> x509.CertificateBuilder:
    # An hour of slack: a client in a container may lag behind a little.
    start = since - timedelta(hours=1)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _save(signer: _Signer, pair: Pair) -> None:
    secret = signer.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    _write(pair.key, secret, mode=0o600)
    _write(pair.certificate, signer.certificate.public_bytes(serialization.Encoding.PEM), mode=0o644)


def _write(path: Path, content: bytes, *, mode: int) -> None:
    """Replace `path` at once: a reader never sees half a file, and others never see a key."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as out:
        out.write(content)
    fresh.replace(path)
