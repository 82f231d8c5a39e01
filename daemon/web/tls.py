"""TLS for our listeners, with certificates that are read again when their files change. Built by `daemon.web.server`.

Each handshake takes the newest context that could be read; one that cannot be read is told in the log, once, and
the one before stays in force.
"""

from __future__ import annotations

import logging
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn

_log = logging.getLogger("sitebind.web.tls")

LOOK_EVERY: Final = 1.0
"""Seconds between two looks at the files, so that a burst of handshakes costs one."""


class TlsUnusable(Exception):
    """The files do not make a TLS listener. `str()` names the file and says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """What a TLS listener is made of. `client_auth` is only looked at where `client_ca` is set."""

    certificate: Path
    key: Path
    client_ca: Path | None = None
    client_auth: ssl.VerifyMode = ssl.CERT_REQUIRED
    lowest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2

    def signature(self) -> tuple[object, ...]:
        """What tells of a change of any of the files. A file that is away is a change too."""
        files = (self.certificate, self.key, *((self.client_ca,) if self.client_ca else ()))
        return (self, *(_status(file) for file in files))

    def context(self) -> ssl.SSLContext:
        """A context for servers. Raises `TlsUnusable`."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = self.lowest
        _load_certificate(context, self)
        if self.client_ca is not None:
            _load_client_ca(context, self.client_ca)
            context.verify_mode = self.client_auth
        return context


class ReloadingContext(ssl.SSLContext):
    """An SSLContext for asyncio that hands each handshake to the newest context. `files` says what to use now."""

    def __new__(cls, files: Callable[[], TlsFiles]) -> ReloadingContext:  # noqa: ARG004, PYI034 - as __init__
        return super().__new__(cls, ssl.PROTOCOL_TLS_SERVER)

    def __init__(self, files: Callable[[], TlsFiles]) -> None:
        self._files = files
        now = files()
        self._signature = now.signature()
        self._newest = now.context()
        self._looked_at = time.monotonic()

    def wrap_bio(self, *args: Any, **named: Any) -> ssl.SSLObject:
        """Begin a handshake; asyncio calls this for each connection."""
        return self.newest().wrap_bio(*args, **named)

    def newest(self) -> ssl.SSLContext:
        """The context that is in force, after a look at the files."""
        if time.monotonic() - self._looked_at >= LOOK_EVERY:
            self._look()
            self._looked_at = time.monotonic()
        return self._newest

    def _look(self) -> None:
        files = self._files()
        signature = files.signature()
        if signature == self._signature:
            return
        self._signature = signature
        try:
            self._newest = files.context()
        except TlsUnusable as error:
            _log.error("%s; the earlier certificate stays in force", error)
        else:
            _log.info("the certificate %s was read again", files.certificate)


def _status(file: Path) -> tuple[int, ...]:
    try:
        found = file.stat()
    except OSError:
        return ()
    return found.st_mtime_ns, found.st_size, found.st_ino, found.st_dev


def _no_passphrase() -> NoReturn:
    raise TlsUnusable("the key is locked by a passphrase")


def _load_certificate(context: ssl.SSLContext, files: TlsFiles) -> None:
    for file in (files.certificate, files.key):
        _must_be_readable(file)
    try:
        context.load_cert_chain(files.certificate, files.key, password=_no_passphrase)
    except TlsUnusable as error:
        raise TlsUnusable(f"{files.key}: {error}. Take it off: openssl pkey -in KEY -out NEW") from None
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise TlsUnusable(f"the key {files.key} does not belong to the certificate {files.certificate}") from None
        raise TlsUnusable(
            f"{files.certificate} and {files.key} cannot be used: {error.reason or 'not PEM'}. Both must be PEM files, "
            "the certificate with its chain, the server's own first"
        ) from None


def _load_client_ca(context: ssl.SSLContext, path: Path) -> None:
    _must_be_readable(path)
    try:
        context.load_verify_locations(cafile=path)
    except ssl.SSLError as error:
        raise TlsUnusable(f"{path} holds no certificates of CAs in PEM ({error.reason or 'not PEM'})") from None


def _must_be_readable(path: Path) -> None:
    try:
        path.open("rb").close()
    except OSError as error:
        raise TlsUnusable(f"{path} cannot be read: {(error.strerror or 'the system refused').lower()}") from None
