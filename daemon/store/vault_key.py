"""The vault's key: read, made or derived. Called by the vault, off the loop.

A key file beside the database protects copies and backups of the database, nothing more. A key that was used
before is never replaced by a new one: what it sealed would be lost without a word.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import secrets
from pathlib import Path

from daemon.durable import sync
from daemon.ports import VaultLocked

SIZE = 32
PRINTS = "fingerprint"
"""The purpose from which the key of fingerprints followed in the first versions."""


def beside(database: Path) -> Path:
    """The key file that is used when no key is configured."""
    return database.with_name(f"{database.name}.key")


def from_text(text: str) -> bytes | None:
    """The key, when the text is the base64 form (either alphabet) of 32 bytes; None for a passphrase."""
    try:
        found = base64.b64decode(text.strip().translate(str.maketrans("-_", "+/")), validate=True)
    except (binascii.Error, ValueError):
        return None
    return found if len(found) == SIZE else None


def from_passphrase(text: str, salt: bytes) -> bytes:
    """The key of a passphrase: scrypt with 32 MiB, about a tenth of a second."""
    return hashlib.scrypt(text.encode(), salt=salt, n=2**15, r=8, p=1, maxmem=64 * 2**20, dklen=SIZE)


def from_file(path: Path) -> bytes:
    """The key in a file: 32 bytes, or their base64 form. Raises `VaultLocked`; FileNotFoundError when missing."""
    try:
        mode, content = path.stat().st_mode, path.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise VaultLocked(f"the vault's key file cannot be read: {error}") from error
    if mode & 0o077:
        raise VaultLocked(
            f"others may read the vault's key file {path}: find out who did, then `chmod 400 {path}` and restart"
        )
    key = _in(content)
    if key is None:
        raise VaultLocked(f"the vault's key file {path} does not hold a key: restore it from a backup")
    return key


def _in(content: bytes) -> bytes | None:
    return content if len(content) == SIZE else from_text(content.decode("ascii", "replace"))


def coming(path: Path) -> Path:
    """Where the key that is about to replace the one in `path` lies while the vault is sealed anew."""
    return path.with_name(f"{path.name}.next")


def is_in(path: Path, key: bytes) -> bool:
    """Whether the file holds this key; one that is missing or holds none does not. Raises OSError."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return False
    found = _in(content)
    return found is not None and hmac.compare_digest(found, key)


def take_over(path: Path) -> None:
    """Put the key that was coming in the place of the old one, whole or not at all. Raises OSError."""
    coming(path).replace(path)
    sync(path.parent)


def forget(path: Path) -> None:
    """Remove a key file that opens nothing. Raises OSError; one that is gone is well."""
    path.unlink(missing_ok=True)
    sync(path.parent)


def make(path: Path, *, like: Path | None = None) -> bytes:
    """A new key in a new file with mode 0400, whole or not at all. Raises `VaultLocked`.

    `like` names a file whose owner the key shall have: an administrator's command may run as another user than
    the daemon, which must be able to read it.
    """
    key = secrets.token_bytes(SIZE)
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        # A kill leaves one behind, and in a container every process has the same number.
        draft.unlink(missing_ok=True)
        _write(draft, base64.b64encode(key) + b"\n", like=like)
        try:
            os.link(draft, path)  # unlike a rename it never replaces
        finally:
            draft.unlink()
        sync(path.parent)
    except OSError as error:
        raise VaultLocked(f"the vault's key file could not be made: {error}") from error
    return key


def key_id(key: bytes) -> str:
    """A name for the key that says nothing about it: 16 hex digits."""
    return derived(key, "key id").hex()[:16]


def derived(key: bytes, purpose: str) -> bytes:
    """A key for one purpose (HKDF with SHA-256, RFC 5869): none tells anything about another."""
    extracted = hmac.digest(b"sitebind vault", key, "sha256")
    return hmac.digest(extracted, purpose.encode() + b"\x01", "sha256")


def _write(path: Path, content: bytes, *, like: Path | None) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o400)
    try:
        os.write(file, content)
        if like is not None and (owner := like.stat()).st_uid != os.geteuid():
            os.fchown(file, owner.st_uid, owner.st_gid)
        os.fsync(file)
    finally:
        os.close(file)
