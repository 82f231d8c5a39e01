"""Sealing with AES-256-GCM: a binding's keys as a row, and a few bytes as text. Called by the vault and the rekeying.

What is sealed is bound to its place: the record's identity is associated data, so a blob that was copied into
another row does not open. Every record names the key that sealed it.
"""

from __future__ import annotations

import base64
import binascii
import json
import secrets
from datetime import datetime
from typing import Any

from daemon.ports import Keys, Secret, VaultLocked
from daemon.store import vault_key

VERSION = 1
_NONCE = 12

Row = tuple[str, int, str, bytes, bytes]
"""Site, version, key id, nonce and sealed document of a bind id."""


def seal_keys(key: bytes, bind_id: str, *, site: str, keys: Keys) -> Row:
    """The row that holds the keys."""
    return _row(key, bind_id, site, _document(keys))


def open_keys(key: bytes, bind_id: str, row: Row) -> Keys:
    """The keys in a row. Raises `VaultLocked` with the reason."""
    return _keys(_opened(key, bind_id, row))


def reseal(bind_id: str, row: Row, *, old: bytes, new: bytes) -> Row:
    """The same document under another key. Raises `VaultLocked`."""
    return _row(new, bind_id, row[0], _opened(old, bind_id, row))


def seal_text(key: bytes, name: str, content: bytes) -> str:
    """A few bytes as text, bound to their name."""
    nonce = secrets.token_bytes(_NONCE)
    return base64.b64encode(nonce + _cipher(key).encrypt(nonce, content, _place(key, name))).decode()


def open_text(key: bytes, name: str, text: str) -> bytes:
    """What `seal_text` sealed. Raises `VaultLocked`."""
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - see _cipher

    try:
        raw = base64.b64decode(text, validate=True)
        opened: bytes = _cipher(key).decrypt(raw[:_NONCE], raw[_NONCE:], _place(key, name))
    except (InvalidTag, binascii.Error, ValueError) as error:
        raise VaultLocked(
            f"the sealed {name.replace('_', ' ')} was changed: find out who wrote into the database, run "
            "`sitebind audit verify`, and restore a backup"
        ) from error
    return opened


def _row(key: bytes, bind_id: str, site: str, document: bytes) -> Row:
    used, nonce = vault_key.key_id(key), secrets.token_bytes(_NONCE)
    sealed = _cipher(key).encrypt(nonce, document, _identity(bind_id, site, used, VERSION))
    return site, VERSION, used, nonce, sealed


def _opened(key: bytes, bind_id: str, row: Row) -> bytes:
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - see _cipher

    site, version, used, nonce, sealed = row
    if used != vault_key.key_id(key):
        raise VaultLocked(f"the keys of bind {bind_id} were sealed with another key ({used}): restore it, or rebind")
    if version != VERSION:
        raise VaultLocked(f"the keys of bind {bind_id} were sealed by a newer sitebind: install that, or rebind")
    try:
        opened: bytes = _cipher(key).decrypt(nonce, sealed, _identity(bind_id, site, used, version))
    except InvalidTag as error:
        raise VaultLocked(
            f"the sealed keys of bind {bind_id} were changed or moved from another record: find out who wrote "
            "into the database, run `sitebind audit verify`, then rebind"
        ) from error
    return opened


def _identity(bind_id: str, site: str, used: str, version: int) -> bytes:
    # Only the first can hold a bar, so no two identities look the same.
    return f"{bind_id}|{site}|{used}|{version}".encode()


def _place(key: bytes, name: str) -> bytes:
    return f"meta|{name}|{vault_key.key_id(key)}".encode()


def _cipher(key: bytes) -> Any:
    # Loading it takes longer than everything else at start; this runs on the database's thread, when needed.
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

    return AESGCM(vault_key.derived(key, "seal"))


def _document(keys: Keys) -> bytes:
    """The keys as JSON with their secrets: exists only on its way into the seal."""
    return json.dumps(
        {
            "method": keys.method,
            "base_url": keys.base_url,
            "region": keys.region,
            "email": keys.email,
            "identity": keys.identity,
            "expires_at": None if keys.expires_at is None else keys.expires_at.isoformat(),
            "values": {name: value.reveal() for name, value in keys.values.items()},
        }
    ).encode()


def _keys(document: bytes) -> Keys:
    found = json.loads(document)
    expires_at, values = found.pop("expires_at"), found.pop("values")
    return Keys(
        **found,
        expires_at=None if expires_at is None else datetime.fromisoformat(expires_at),
        values={name: Secret(value) for name, value in values.items()},
    )
