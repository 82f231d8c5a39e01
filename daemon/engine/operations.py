"""What may be asked of the running engine, in plain values. The web layer calls this and nothing else of the engine.

Implemented by `daemon.engine.front.FrontDoor`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal, Protocol

from daemon.config.model import DaemonSettings, SecretSource
from daemon.engine.config_views import ConfigEdit, ConfigView
from daemon.engine.history import ChainStatus, StateHistory
from daemon.ports import (
    AuditFilter,
    AuditRecord,
    Backup,
    BindReport,
    DirectoryObject,
    ExportFormat,
    ObjectKind,
    Rekeyed,
    Resolution,
    Secret,
)
from states import BindStep, HeldBinding, Problem, State

if TYPE_CHECKING:  # they hold views of sites, which stand here
    from daemon.engine.happenings import Following, Kind

Outcome = Literal["applied", "unchanged", "rejected"]
ChangeResult = Literal["applied", "rebind", "needs_restart"]
UserSignIn = Literal["cloud", "domain"]
"""How a user signs in: with a Mimecast password, or with one of the company's directory."""


class UnknownSite(LookupError):
    """No site has this id. `args[0]` is the id."""


class UnknownBind(LookupError):
    """The site has no bind with this id. `args[0]` is the id."""


class RequestRefused(Exception):
    """The lifecycle turned a request down. `code` is a `states.Refusal` value."""

    def __init__(self, code: str, reason: str, *, findings: tuple[str, ...] = (), bind_id: str | None = None) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.findings = findings
        self.bind_id = bind_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks: `actor` stands in the audit trail, for example `http:127.0.0.1` or `signal:SIGHUP`."""

    actor: str
    request_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OneTimeSignIn:
    """Credentials for one attempt and its retries, kept in memory for 15 minutes at most.

    `authentication_type` None: the one that is configured.
    """

    email: str
    password: Secret
    authentication_type: UserSignIn | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """What is to be looked up: an address, a name or an id. `fresh` asks the directory, whatever is remembered."""

    wanted: str
    kind: ObjectKind | None = None
    members: bool = False
    fresh: bool = False


class Unfolding(Protocol):
    """The answer to a lookup as it arrives: what was found, then each member, then what only the end can tell."""

    @property
    def head(self) -> Resolution:
        """What was found. `members` is empty where they follow, and None where there are none to list."""

    def members(self) -> AsyncGenerator[DirectoryObject, None]:
        """Each member once, to be walked once and closed. Raises `daemon.ports.ProviderFault`."""

    def ended(self) -> Resolution:
        """The answer after the last member, without them: whether there are more, every reason, the time it took."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteView:
    """A site as the API shows it. `version` is sitebind's own."""

    id: str
    state: State
    since: datetime
    reason: str
    server_name: str
    display_name: str
    site_code: str
    region: str
    company: str
    version: str
    binding: HeldBinding | None
    retry_at: datetime | None
    problems: tuple[Problem, ...]
    ready: bool
    unbinding: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingChange:
    """One option of a reload that differs; `site` is empty for [daemon]."""

    site: str
    section: str
    option: str
    result: ChangeResult


@dataclass(frozen=True, slots=True, kw_only=True)
class ReloadAnswer:
    """What a reload did. `rejected` when any file had errors; good files of other sites still apply.

    `by_site`: the findings again by site, those of [daemon] under an empty name. `in_force_since`: when settings were
    applied last, by this reload or by one before it.
    """

    outcome: Outcome
    changes: tuple[SettingChange, ...] = ()
    findings: tuple[str, ...] = ()
    by_site: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    in_force_since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigWritten:
    """A changed configuration file. `backup` is the name of the file as it was; `bind_id` the bind that this began."""

    etag: str
    backup: str
    reload: ReloadAnswer
    bind_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One line of a health answer."""

    name: str
    status: Literal["pass", "warn", "fail"]
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """A health answer; `ok` decides between 200 and 503."""

    ok: bool
    checks: tuple[Check, ...]

    @property
    def status(self) -> Literal["pass", "warn", "fail"]:
        """The worst line in one word."""
        if not self.ok:
            return "fail"
        return "warn" if any(check.status != "pass" for check in self.checks) else "pass"


class Operations(Protocol):
    """The engine's front door."""

    @property
    def settings(self) -> DaemonSettings:
        """The [daemon] settings in force."""

    def api_token(self) -> Secret | None:
        """The resolved `api_token`, or None when none is configured."""

    def site_ids(self) -> list[str]:
        """The ids of every site, sorted."""

    def sites(self) -> list[SiteView]:
        """Every site, in order of id."""

    def site(self, site: str) -> SiteView:
        """One site. Raises `UnknownSite`."""

    async def rebind(
        self, site: str, *, caller: Caller, reason: str, one_time: OneTimeSignIn | None = None
    ) -> BindReport:
        """Ask for a bind; a plain request joins an open one. The answer is the open report.

        Raises `UnknownSite`, `RequestRefused`, `daemon.ports.JournalUnavailable`.
        """

    async def unbind(self, site: str, *, caller: Caller, reason: str, local_only: bool = False) -> SiteView:
        """End the association: revoke at the service, then wipe; with `local_only` only wipe.

        Answers when the intent is recorded; the view's `unbinding` says whether it is still under way.
        Raises `UnknownSite`, `RequestRefused` (nothing is held), `daemon.ports.JournalUnavailable`.
        """

    async def wait_for_unbind(self, site: str, *, seconds: float) -> SiteView:
        """The site when no unbind is under way, or as it stands after `seconds`. Raises `UnknownSite`."""

    async def wait_for_bind(self, site: str, bind_id: str, *, seconds: float) -> BindReport:
        """The report when the bind has ended, or as it stands after `seconds`. Raises `UnknownBind`."""

    async def binds(self, site: str, *, limit: int = 50) -> list[BindReport]:
        """Reports, newest first; the open one shows its steps so far. Raises `UnknownSite`."""

    async def bind(self, site: str, bind_id: str) -> BindReport:
        """One report. Raises `UnknownSite`, `UnknownBind`."""

    async def doctor(
        self, site: str, *, caller: Caller, sign_in: bool = False, told: Callable[[BindStep], None] | None = None
    ) -> tuple[BindStep, ...]:
        """Examine every layer between this server and a working binding, without touching the binding.

        Held keys are proved by one cheap call; with `sign_in` a real login is made and ended again. The run is
        recorded first. `told` and those who follow hear of each layer as it ends, these under the caller's request id,
        and again of one that a later layer proved wrong. Raises `UnknownSite`; with `sign_in` also
        `daemon.ports.JournalUnavailable`.
        """

    async def lookup(self, site: str, lookup: Lookup) -> Resolution:
        """Look an address or a group up in the site's directory; answers are remembered for a while.

        A long list of members is cut, and says so. Raises `UnknownSite`, `RequestRefused` (nothing is configured to
        look it up in), `daemon.ports.ProviderFault`.
        """

    async def unfold(self, site: str, lookup: Lookup) -> Unfolding:
        """As `lookup`, with the members as they come; before the first of them it raises the same."""

    async def reload(self, *, caller: Caller) -> ReloadAnswer:
        """Read the configuration again now. Raises `daemon.ports.JournalUnavailable`."""

    async def config(self, site: str) -> ConfigView:
        """The site's configuration file, without its secrets. Raises `UnknownSite`."""

    async def write_config(self, site: str, edit: ConfigEdit, *, caller: Caller) -> ConfigWritten:
        """Change the site's file and apply it; written and recorded, or not at all.

        Raises `UnknownSite`, `daemon.ports.JournalUnavailable` and, of `daemon.engine.config_views`, `ConfigRejected`,
        `ConfigChanged`, `ConfigManaged`, `ConfigNotWritten`.
        """

    async def rekey_vault(self, *, caller: Caller, source: SecretSource | None = None) -> Rekeyed:
        """Seal every record of the vault with the key at `source`, or with a new key file.

        Raises `RequestRefused` (`vault-key-configured`, `vault-locked`), `daemon.ports.JournalUnavailable`.
        """

    async def record_backup(self, backup: Backup, *, caller: Caller) -> int:
        """Record a backup that was made of the database; the record's number.

        Raises `RequestRefused` (`backup-of-another-trail`), `daemon.ports.JournalUnavailable`.
        """

    async def audit(self, wanted: AuditFilter) -> list[AuditRecord]:
        """The audit records that are wanted. Like the next, raises `UnknownSite`, `daemon.ports.JournalUnavailable`."""

    async def export_audit(self, wanted: AuditFilter, format: ExportFormat, *, caller: Caller) -> AsyncIterator[bytes]:
        """The same to be kept, in pieces of whole lines. It is recorded first that they are exported."""

    async def chain(self, *, fresh: bool = False) -> ChainStatus:
        """Whether the audit chain is intact, as seen at most a minute ago, or now with `fresh`."""

    async def state_history(self, site: str, since: datetime) -> StateHistory:
        """In which states the site was since a time, beginning with the one that it was in then."""

    def follow(
        self, *, site: str | None, after: int | None, only: frozenset[Kind], cut: Callable[[], None]
    ) -> Following:
        """Hear of what happens, of every site or of one, of these kinds; with `after` first of the records behind it.

        How the sites look is told at once. `cut` is called when the client is too slow and nothing more will come.
        Raises `UnknownSite`.
        """

    def healthy(self) -> Health:
        """About the process and its loop only."""

    def ready(self, site: str | None = None) -> Health:
        """Whether every site (or the one named) holds a usable binding. Raises `UnknownSite`."""
