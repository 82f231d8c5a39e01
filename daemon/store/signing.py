"""Ed25519 keys that sign checkpoints and anchors, and what exactly is signed. Used here and by `sitebind audit`.

A seal says: record `seq` has this hash. As a `checkpoint` it says what the trail held at a time, as an `anchor` that
the records up to there were pruned. The signature is over the seal without it, as canonical JSON. The kind is signed
too: a checkpoint, which lies open in a second place, must not serve anybody as an anchor.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from daemon.audit_ports import SealingFailed
from daemon.durable import sync
from daemon.ports import ChainReport, Seal, Secret
from daemon.store.chain import canonical

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

VERSION: Final = 1
_KINDS: Final = ("anchor", "checkpoint")
_FIELDS: Final = {"version": int, "kind": str, "seq": int, "hash": str, "count": int, "at": str, "key": str}


class UnusableKey(Exception):
    """It is no Ed25519 key in the form that is wanted. `str()` says what it should be, never what it is."""


class PublicKey:
    """Judges seals."""

    def __init__(self, key: Ed25519PublicKey) -> None:
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        self._key = key
        der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self.fingerprint = hashlib.sha256(der).hexdigest()
        self.pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    @classmethod
    def from_pem(cls, text: str) -> PublicKey:
        """Raises `UnusableKey`."""
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from cryptography.hazmat.primitives.serialization import load_pem_public_key

        try:
            found = load_pem_public_key(text.encode())
        except (ValueError, UnsupportedAlgorithm):
            found = None
        if not isinstance(found, Ed25519PublicKey):
            raise UnusableKey("is no public Ed25519 key in PEM form; `sitebind audit key --public` prints it")
        return cls(found)

    def signed(self, seal: Seal) -> bool:
        """Whether the seal says exactly what the holder of this key signed."""
        from cryptography.exceptions import InvalidSignature

        try:
            self._key.verify(base64.b64decode(seal.signature, validate=True), statement(seal))
        except (InvalidSignature, binascii.Error, ValueError):
            return False
        return seal.key == self.fingerprint


class SigningKey:
    """Makes seals. Never shown."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = PublicKey(key.public_key())

    @classmethod
    def from_pem(cls, text: str) -> SigningKey:
        """Raises `UnusableKey`, which knows nothing of the text."""
        found = _loaded(text)
        if found is None:
            raise UnusableKey("is no private Ed25519 key in PEM form (PKCS#8) without a passphrase")
        return cls(found)

    def sealed(self, seal: Seal) -> Seal:
        """The same, signed."""
        named = replace(seal, key=self.public.fingerprint, signature="")
        return replace(named, signature=base64.b64encode(self._key.sign(statement(named))).decode())


def sealed_by(key: Secret, seal: Seal) -> Seal:
    """The seal, signed with `[daemon] checkpoint_key`. Raises `SealingFailed` for a key that cannot sign."""
    try:
        return SigningKey.from_pem(key.reveal()).sealed(seal)
    except UnusableKey as error:
        words = f"[daemon] checkpoint_key {error}"
    raise SealingFailed(words, "Put the key back, or make another one with `sitebind audit key --new PATH`.")


def judged_by(key: Secret, report: ChainReport) -> ChainReport:
    """The report of a whole walk, broken where its anchor says to be signed with this key and is not.

    An anchor of another key is no fault: keys are changed.
    """
    anchor = report.anchor
    if anchor is None or not report.intact:
        return report
    try:
        public = SigningKey.from_pem(key.reveal()).public
    except UnusableKey:
        return report  # who signs with it says so
    if public.fingerprint != anchor.key:
        return replace(report, signer="other")
    if public.signed(anchor):
        return replace(report, signer="own")
    reason = f"the anchor of the records up to {anchor.seq} was forged: its signature does not fit checkpoint_key"
    return replace(report, intact=False, broken_at=anchor.seq + 1, reason=reason)


def _loaded(text: str) -> Ed25519PrivateKey | None:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        found = load_pem_private_key(text.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None
    return found if isinstance(found, Ed25519PrivateKey) else None


def make_key(path: Path) -> PublicKey:
    """A new private key in a new file with mode 0400, whole or not at all. Raises OSError, also when it exists."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = Ed25519PrivateKey.generate()
    draft = path.with_name(f".{path.name}.{os.getpid()}.new")
    draft.unlink(missing_ok=True)  # of one that was killed: in a container the next one has its number
    file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o400)
    try:
        with os.fdopen(file, "wb") as writing:
            writing.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
            writing.flush()
            os.fsync(writing.fileno())
        os.link(draft, path)  # unlike a rename it never replaces
    finally:
        draft.unlink()
    sync(path.parent)
    return SigningKey(key).public


def statement(seal: Seal) -> bytes:
    """What is signed."""
    return canonical(_document(seal)).encode()


def line(seal: Seal) -> str:
    """A seal as it is kept in a file: its statement with the signature, as canonical JSON."""
    return canonical({**_document(seal), "signature": seal.signature})


def seal_in(document: Any) -> Seal | None:
    """The seal that a JSON value is; None for anything else."""
    if not isinstance(document, dict) or set(document) != {*_FIELDS, "signature"}:
        return None
    right = all(type(document[name]) is kind for name, kind in {**_FIELDS, "signature": str}.items())
    if not right or document["version"] != VERSION or document["kind"] not in _KINDS:
        return None
    return Seal(**{name: value for name, value in document.items() if name != "version"})


def seal_of(text: str) -> Seal | None:
    """The seal on a line; None for a line that holds another thing. Raises ValueError for what is no JSON at all."""
    return seal_in(json.loads(text))


def _document(seal: Seal) -> dict[str, Any]:
    return {
        "version": VERSION,
        "kind": seal.kind,
        "seq": seal.seq,
        "hash": seal.hash,
        "count": seal.count,
        "at": seal.at,
        "key": seal.key,
    }
