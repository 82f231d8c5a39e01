"""Secrets by reference: found again at every use, never kept. Called by the engine at each attempt."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Iterator
from pathlib import Path

from daemon.config.model import DaemonSettings, SecretSource, SiteSettings
from daemon.config.options import OPTIONS
from daemon.config.textfile import Unreadable, read_small
from daemon.ports import Secret

LARGEST_SECRET = 64 * 1024
CREDENTIALS_VARIABLE = "CREDENTIALS_DIRECTORY"

_PEM = re.compile(r"-----BEGIN PRIVATE KEY-----[A-Za-z0-9+/=\s]+-----END PRIVATE KEY-----")


class SecretUnreadable(Exception):
    """A secret cannot be had now. `str()` names where it was looked for and what to do, never what was found."""


async def resolve(source: SecretSource) -> Secret:
    """The secret, as it is now. Raises `SecretUnreadable`. Files and keyrings are asked in a thread."""
    if source.kind in {"file", "credential", "keyring"}:
        return await asyncio.to_thread(resolve_now, source)
    return resolve_now(source)


def resolve_now(source: SecretSource) -> Secret:
    """As `resolve`, for those who may block."""
    match source.kind:
        case "file":
            found = _from_file(source, Path(source.where))
        case "credential":
            found = _from_file(source, _credentials(source) / source.where)
        case "env":
            found = _from_environment(source)
        case "keyring":
            found = _from_keyring(source)
        case _:
            found = source.text.reveal() if source.text else ""
    return Secret(_usable(source, found))


def secret_sources(settings: SiteSettings | DaemonSettings) -> Iterator[tuple[str, str, SecretSource]]:
    """Every configured secret as (section, option, source), in the table's order."""
    for option in OPTIONS:
        if option.kind != "secret":
            continue
        part = settings if isinstance(settings, DaemonSettings) else getattr(settings, option.section, None)
        value = getattr(part, option.name, None)
        belongs = (option.section == "daemon") is isinstance(settings, DaemonSettings)
        if belongs and value is not None:
            yield option.section, option.name, value


def watched_files(settings: SiteSettings | DaemonSettings) -> set[Path]:
    """The files beside the configuration itself that the settings depend on: secrets and the CA file."""
    found: set[Path] = set()
    for _, _, source in secret_sources(settings):
        if source.kind == "file":
            found.add(Path(source.where))
        elif source.kind == "credential" and (folder := os.environ.get(CREDENTIALS_VARIABLE)):
            found.add(Path(folder) / source.where)
    if isinstance(settings, SiteSettings) and settings.connection.ca_file:
        found.add(settings.connection.ca_file)
    return found


def _from_file(source: SecretSource, path: Path) -> str:
    try:
        data = read_small(path, limit=LARGEST_SECRET).data
    except Unreadable as reason:
        raise _unreadable(source, f"cannot be read: {reason}", f"check {path} and who may read it") from None
    text = data.decode("utf-8", errors="replace")  # an exception would carry the bytes along
    if "\ufffd" in text:
        raise _unreadable(source, "is not UTF-8 text", f"write {path} anew as one line of UTF-8")
    return text


def _credentials(source: SecretSource) -> Path:
    folder = os.environ.get(CREDENTIALS_VARIABLE)
    if not folder:
        raise _unreadable(
            source, f"has nowhere to come from: ${CREDENTIALS_VARIABLE} is not set",
            f"start the daemon with systemd and LoadCredential={source.where}:PATH in its unit, or use file:PATH",
        )  # fmt: skip
    return Path(folder)


def _from_environment(source: SecretSource) -> str:
    found = os.environ.get(source.where)
    if found is None:
        hint = f"set {source.where} for the daemon's process and start it again"
        raise _unreadable(source, "is not in the environment", hint)
    return found


def _from_keyring(source: SecretSource) -> str:
    try:
        import keyring
    except ImportError:
        hint = 'install it with: pip install "sitebind[keyring]"'
        raise _unreadable(source, "needs the keyring extra, which is not installed", hint) from None
    service, _, user = source.where.rpartition("/")
    try:
        found = keyring.get_password(service, user)
    except Exception as refused:  # noqa: BLE001 - back ends raise what they like, and their text may say too much
        text = f"cannot be had: the keyring answered {type(refused).__name__}"
        raise _unreadable(source, text, "unlock the keyring for the daemon's user") from None
    if found is None:
        raise _unreadable(source, "is not in the keyring", f"store it with: keyring set {service} {user}")
    return found


def _usable(source: SecretSource, found: str) -> str:
    """The text without the one newline that editors and `echo` leave at the end."""
    text = found.removesuffix("\n").removesuffix("\r") if found.endswith("\n") else found
    if not text:
        raise _unreadable(source, "is empty", "put the secret there")
    if source.pem:
        return _private_key(source, text)
    if any(char in text for char in "\n\r\0"):
        raise _unreadable(source, "holds more than one line, or a NUL", "only the secret itself may stand there")
    return text


def _private_key(source: SecretSource, text: str) -> str:
    """The one kind of secret that has several lines; what it holds is judged by who uses it."""
    if not _PEM.fullmatch(text.strip()):
        hint = "`sitebind audit key --new PATH` makes one"
        raise _unreadable(source, "is not a private key in PEM form (PKCS#8) without a passphrase", hint)
    return text


def _unreadable(source: SecretSource, what: str, remedy: str) -> SecretUnreadable:
    return SecretUnreadable(f"the secret {source} {what}; {remedy}")
