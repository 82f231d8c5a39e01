"""Keyed digests of what a bind is made from, so that a change is noticed without keeping any secret.

The digest of all bind inputs is stored beside the binding and notices a change made while the daemon was
down; the marks of single secrets live in memory and tell which reference was rotated.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
from collections.abc import Iterable
from pathlib import Path

from daemon.config import environment
from daemon.config.impact import bind_inputs, has_sign_in, sign_in_inputs
from daemon.config.model import DaemonSettings, SecretSource, SiteSettings
from daemon.config.secrets import SecretUnreadable, secret_sources
from daemon.engine.signin import Resolve
from daemon.ports import Vault
from states import Terms

Marks = dict[tuple[str, str], str]
Inputs = Iterable[tuple[str, str, object]]

UNREADABLE = "\x00unreadable"
_MARK_LENGTH = 16


class Fingerprints:
    """Resolves and digests. Raises `daemon.ports.VaultLocked` when the digest's key is missing."""

    def __init__(self, *, vault: Vault, resolve: Resolve) -> None:
        self._vault = vault
        self._resolve = resolve
        self._key = os.urandom(32)  # marks need not outlive the process, nor the vault be open for them

    async def prepare(self) -> None:
        """Once before the settings of many sites are taken: a locked vault may have got its key back meanwhile.

        The disk may have refused once, or the key was put back: no restart is needed for that.
        """
        if self._vault.problem() is not None:
            await self._vault.open()

    async def take(self, settings: SiteSettings) -> tuple[Terms, Marks]:
        """The terms of these settings with their digests, and marks of every secret and file."""
        inputs = {(s, o): value for s, o, value in (*bind_inputs(settings), *sign_in_inputs(settings))}
        texts = {key: await self._text(value) for key, value in inputs.items()}
        if settings.connection.from_environment and not settings.connection.use_proxy:
            # A restart with another HTTPS_PROXY is a changed connection like any other.
            texts["connection", "from_environment"] = environment.all_of(os.environ)
        binding = settings.binding
        terms = Terms(
            fingerprint=self._digest(bind_inputs(settings), texts),
            credentials=self._digest(sign_in_inputs(settings), texts) if has_sign_in(settings) else None,
            automatic=binding.automatic,
            verify_every=binding.verify_every,
            lost_after=binding.lost_after,
            retry_first=binding.retry_first,
            retry_ceiling=binding.retry_ceiling,
        )
        files = [(s, o) for s, o, value in bind_inputs(settings) if isinstance(value, Path)]
        return terms, {key: self._mark(texts[key]) for key in files} | await self.marks(settings)

    async def marks(self, settings: SiteSettings | DaemonSettings) -> Marks:
        """A mark for every configured secret."""
        return {(s, o): self._mark(await self._text(source)) for s, o, source in secret_sources(settings)}

    def _mark(self, text: str) -> str:
        return hmac.digest(self._key, text.encode("utf-8", "surrogatepass"), "sha256").hex()[:_MARK_LENGTH]

    def _digest(self, inputs: Inputs, texts: dict[tuple[str, str], str]) -> str:
        parts = [part for s, o, _ in inputs for part in (f"{s}.{o}", texts[s, o])]
        return self._vault.fingerprint(parts)

    async def _text(self, value: object) -> str:
        if isinstance(value, Path):
            return await asyncio.to_thread(_content, value)
        if not isinstance(value, SecretSource):
            return repr(value)
        try:
            return (await self._resolve(value)).reveal()
        except SecretUnreadable:
            # The bind attempt tells it with its remedy; here it is only another value than before.
            return UNREADABLE


def _content(path: Path) -> str:
    """A file that counts by what is in it: the CA file."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return UNREADABLE
