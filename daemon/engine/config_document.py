"""A site's configuration file as it is now, and as it is shown: values, findings, and of secrets only where they are.

Used by `daemon.engine.editing`.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from daemon.config import values
from daemon.config.edit import values_of
from daemon.config.filing import why_managed
from daemon.config.ini import LARGEST_FILE, all_problems, reading_of
from daemon.config.model import FileProblem, SecretKind, SecretSource
from daemon.config.options import OPTIONS, Option
from daemon.config.problems import BadValue
from daemon.config.secrets import CREDENTIALS_VARIABLE, SecretUnreadable
from daemon.config.textfile import Content, read_small
from daemon.engine.config_views import ConfigView, FieldFinding, Key, OptionView, SecretForm, WhenChanged
from daemon.engine.signin import Resolve
from daemon.ports import Vault, VaultLocked
from states import Impact

SITE_OPTIONS = tuple(option for option in OPTIONS if option.section != "daemon")

_WHEN_CHANGED: dict[Impact, WhenChanged] = {
    Impact.REBIND: "rebind",
    Impact.APPLY: "apply",
    Impact.RESTART: "restart",
}
_FORMS: dict[SecretKind, SecretForm] = {
    "file": "file",
    "env": "env",
    "credential": "credential",
    "keyring": "keyring",
    "literal": "text",
    "plain": "text",
}
_FINGERPRINT = 8
_ETAG = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigFile:
    """One look at a file. `texts` is what stands in it, unparsed."""

    path: Path
    in_folder: bool
    content: Content
    texts: Mapping[Key, str] = field(repr=False)
    problems: tuple[FileProblem, ...]
    managed: str


def look(path: Path, *, in_folder: bool) -> ConfigFile:
    """Read it. Blocks. Raises `daemon.config.textfile.Unreadable`."""
    content = read_small(path, limit=LARGEST_FILE)
    texts, _ = values_of(content.data)
    return ConfigFile(
        path=path,
        in_folder=in_folder,
        content=content,
        texts=texts,
        problems=tuple(all_problems(reading_of(path, content, in_folder=in_folder))),
        managed=why_managed(path),
    )


def source_of(text: str, folder: Path) -> SecretSource | None:
    """Where a secret that is given so is to be found; None for what is no reference and no secret either."""
    try:
        return values.secret_source(text, folder)
    except BadValue:
        return None


def as_shown(option: Option, text: str) -> str:
    """A plain value in one spelling: the closed ones by their names, a list on one line, the rest as it stands."""
    if option.kind in values.LIST_KINDS:
        return ", ".join(item.strip() for item in text.replace("\n", ",").split(",") if item.strip())
    if option.kind not in {"flag", "choice"}:
        return text
    try:
        value = values.parse(option, text, folder=Path())
    except BadValue:
        return text
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def finding_of(problem: FileProblem) -> FieldFinding:
    """What `check-config` says, at its option."""
    return FieldFinding(
        section=problem.section,
        option=problem.option,
        line=problem.line or None,
        severity=problem.severity,
        text=problem.text,
        remedy=problem.hint,
    )


class Showing:
    """Shows files. Resolves secrets only for their fingerprints."""

    def __init__(self, *, vault: Vault, resolve: Resolve) -> None:
        self._vault = vault
        self._resolve = resolve
        self._key = os.urandom(32)

    def etag(self, data: bytes) -> str:
        """The version of a file. Keyed: whoever sees it learns nothing of a secret that stands in the file."""
        digest = hashlib.sha256(data).hexdigest()
        try:
            keyed = self._vault.fingerprint(["configuration file", digest])
        except VaultLocked:
            keyed = hmac.digest(self._key, digest.encode(), "sha256").hex()
        return f'"{keyed[:_ETAG]}"'

    async def view(self, site: str, file: ConfigFile) -> ConfigView:
        """The file with all options, those too that are not given."""
        return ConfigView(
            site=site,
            file=file.path.name,
            etag=self.etag(file.content.data),
            managed=file.managed,
            options=tuple([await self._option(site, file, option) for option in SITE_OPTIONS]),
            findings=tuple(map(finding_of, file.problems)),
        )

    async def _option(self, site: str, file: ConfigFile, option: Option) -> OptionView:
        text = file.texts.get(option.key, "")
        secret = option.kind == "secret"
        source = source_of(text, file.path.parent) if secret and text else None
        return OptionView(
            section=option.section,
            option=option.name,
            value="" if secret else as_shown(option, text),
            default=_default(option, file),
            given=option.key in file.texts,
            secret=secret,
            impact=_WHEN_CHANGED[option.impact],
            meaning=option.help,
            kind=_form(text, source) if secret else "",
            reference=text if source is not None and source.where else "",
            fingerprint=await self._fingerprint(site, option, source) if source else "",
            set_at=await asyncio.to_thread(_set_at, source) if source else None,
            choices=("yes", "no") if option.kind == "flag" else option.choices,
        )

    async def _fingerprint(self, site: str, option: Option, source: SecretSource) -> str:
        """Tells one secret of an option from another, and nothing of two options or sites with the same one."""
        try:
            text = (await self._resolve(source)).reveal()
            whole = self._vault.fingerprint(["configured secret", site, option.section, option.name, text])
        except (SecretUnreadable, VaultLocked):
            return ""
        return whole[:_FINGERPRINT]


def _default(option: Option, file: ConfigFile) -> str:
    if option.key == ("site", "id") and file.in_folder:
        return file.path.stem
    if option.key == ("binding", "email"):
        return file.texts.get(("account", "smtp_address"), "")
    return option.default


def _form(text: str, source: SecretSource | None) -> SecretForm:
    """What is no reference is text, also where it wanted to be one."""
    if not text:
        return ""
    return "text" if source is None else _FORMS[source.kind]


def _set_at(source: SecretSource) -> datetime | None:
    """When the file of a secret was written; of the others nobody knows."""
    credentials = os.environ.get(CREDENTIALS_VARIABLE)
    if source.kind == "file":
        path = Path(source.where)
    elif source.kind == "credential" and credentials:
        path = Path(credentials) / source.where
    else:
        return None
    try:
        return datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except OSError:
        return None
