"""What the engine asks of the world, as small protocols; the values that cross them stand in `daemon.values`.

Owned by the engine, implemented by providers, store and metrics. No session, response or database row
crosses a port. The Microsoft side stands in `daemon.microsoft_ports`, who is told what happens in
`daemon.observer`; all are imported from here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from daemon.audit_values import AuditFilter, AuditRecord, Backup, ChainReport, ExportFormat, Seal
from daemon.microsoft import (
    DIRECTORY_LAYERS,
    MAILBOX_LAYERS,
    DirectoryAccess,
    DirectoryObject,
    Examination,
    Found,
    MailboxAccess,
    ObjectKind,
    Registration,
    Resolution,
    Sighting,
)
from daemon.microsoft_ports import Directories, Directory, Mailbox, Mailboxes
from daemon.observer import Observer, Upkeep
from daemon.values import (
    DIRECT_WAY,
    PROXY_WAY,
    ApiToken,
    Authorization,
    BindReport,
    BindState,
    Credentials,
    Greeting,
    JournalEntry,
    JournalUnavailable,
    Keys,
    Layer,
    Place,
    ProviderFault,
    Rekeyed,
    Route,
    Scope,
    Secret,
    VaultLocked,
)
from states import Event, Snapshot, Step

__all__ = [
    "DIRECTORY_LAYERS",
    "DIRECT_WAY",
    "MAILBOX_LAYERS",
    "PROXY_WAY",
    "ApiToken",
    "AuditFilter",
    "AuditRecord",
    "Authorization",
    "Backup",
    "BindReport",
    "BindState",
    "ChainReport",
    "Clock",
    "Cloud",
    "Clouds",
    "Credentials",
    "Directories",
    "Directory",
    "DirectoryAccess",
    "DirectoryObject",
    "Examination",
    "ExportFormat",
    "Found",
    "Greeting",
    "Inbox",
    "Journal",
    "JournalEntry",
    "JournalUnavailable",
    "Keys",
    "Layer",
    "Mailbox",
    "MailboxAccess",
    "Mailboxes",
    "ObjectKind",
    "Observer",
    "Place",
    "ProviderFault",
    "Registration",
    "Rekeyed",
    "Resolution",
    "Route",
    "Scope",
    "Seal",
    "Secret",
    "Sighting",
    "TokenStore",
    "Upkeep",
    "Vault",
    "VaultLocked",
]


class Clock(Protocol):
    """Time as the engine sees it: wall time for records, monotonic seconds for waiting."""

    def now(self) -> datetime:
        """The wall time, aware, in UTC."""

    def monotonic(self) -> float:
        """Seconds that never go back."""

    async def sleep(self, seconds: float) -> None:
        """Wait; zero and less only yields."""


class Cloud(Protocol):
    """The service that a site binds to, in one API version. Every method raises `ProviderFault`."""

    async def connect(self) -> str:
        """Prove name resolution, TCP and TLS to the first host; says what was reached, for the report."""

    async def examine(self, base_url: str = "") -> tuple[Layer, ...]:
        """Walk the same way as `connect`, to the first host or to `base_url`, and give every layer.

        The last layer holds the fault if the way ended there; only an address that is none is raised.
        """

    async def greet(self) -> Greeting:
        """Prove by a call without a sign-in that it is the service that answers, and hear its time."""

    async def discover(self, credentials: Credentials) -> Place:
        """Find the account's base address by the domain of the e-mail address."""

    async def authenticate(self, place: Place, credentials: Credentials, *, refresh: Keys | None) -> Keys:
        """Sign in and obtain keys; with `refresh` extend those instead of creating more."""

    async def authorize(self, keys: Keys) -> Authorization:
        """Prove that the keys may do a site's work."""

    async def verify(self, keys: Keys) -> datetime | None:
        """One cheap call with the keys. Returns the known expiry. Faults tell refused from unreachable."""

    async def revoke(self, keys: Keys) -> None:
        """End the keys at the service. Already gone is well."""


class Clouds(Protocol):
    """Makes the adapter for a sign-in method. Cheap: connections are shared behind it."""

    def cloud(self, method: str, route: Route, *, service_url: str, trusted_suffixes: tuple[str, ...]) -> Cloud:
        """The adapter for `method`; an empty `service_url` means the public host."""

    async def close(self) -> None:
        """Close every connection."""


class Journal(Protocol):
    """Durable memory: an append-only audit chain with each site's snapshot and bind reports beside it."""

    async def append(self, entry: JournalEntry) -> int:
        """Make `entry` durable and return its sequence number. Raises `JournalUnavailable`.

        Must be awaited to its end: implementations shield the commit from cancellation.
        """

    async def snapshots(self) -> dict[str, Snapshot]:
        """The last snapshot of every site that was ever known."""

    async def reports(self, site: str, *, limit: int = 50) -> list[BindReport]:
        """The newest bind reports of a site, newest first."""

    async def report(self, site: str, bind_id: str) -> BindReport | None:
        """One bind report."""

    async def audit(self, *, site: str | None = None, after: int = 0, limit: int = 100) -> list[AuditRecord]:
        """Audit records with `seq > after` in order."""

    def find(self, wanted: AuditFilter) -> AsyncIterator[list[AuditRecord]]:
        """The audit records that are wanted, in pages; what is recorded meanwhile is not among them."""

    def export(self, wanted: AuditFilter, format: ExportFormat) -> AsyncIterator[bytes]:
        """The same to be kept, in pieces of whole lines; `csv` begins with its header."""

    async def moves(self, site: str, *, since: datetime, most: int) -> list[AuditRecord]:
        """The newest `most` records since a time that changed the site's state, in order.

        When that is all of them, the last one before that time comes first; where there is none, the first record of
        the site, whatever it tells.
        """

    async def verify(self) -> ChainReport:
        """Walk the whole chain without stopping the loop."""


class TokenStore(Protocol):
    """Where API tokens are kept, by their hashes. What changes them is audited in the same transaction."""

    async def all(self) -> list[ApiToken]:
        """Every token, oldest first. Raises `JournalUnavailable`, as all of these."""

    async def add(self, token: ApiToken, *, entry: JournalEntry) -> None:
        """Keep a token and record `entry`."""

    async def remove(self, token_id: str, *, entry: JournalEntry) -> None:
        """Forget a token and record `entry`."""

    async def used(self, moments: Mapping[str, datetime]) -> None:
        """When tokens were used last, by id."""


class Vault(Protocol):
    """Where keys lie, sealed. Every method raises `VaultLocked` when the vault's key is missing."""

    async def open(self) -> None:
        """Look for the key, once more if there was none. Never fails for want of one: `problem` says it."""

    async def put(self, bind_id: str, *, site: str, keys: Keys) -> None:
        """Seal and store; replaces. Raises `JournalUnavailable` when it cannot be written."""

    async def get(self, bind_id: str) -> Keys | None:
        """The keys, or None when there are none under this id."""

    async def ids(self) -> dict[str, str]:
        """Every stored bind id with its site. Needs no key."""

    async def wipe(self, bind_id: str) -> None:
        """Remove so that nothing is left in the database file or its journal. Nothing there is well."""

    def fingerprint(self, parts: Sequence[str]) -> str:
        """A keyed, non-reversible digest (hex) of the parts, stable across restarts and new keys."""

    def problem(self) -> str | None:
        """Why the vault is locked; None while all is well."""

    @property
    def key_is_configured(self) -> bool:
        """Whether the key comes from a place where only a person can put another one."""

    async def rekey(
        self, *, actor: str, at: datetime, to: Secret | None = None, source: str = "", request_id: str | None = None
    ) -> Rekeyed:
        """Seal everything with another key, `to` or one that is made, and record it: all in one transaction.

        `source` says where `to` lies. Raises `VaultLocked` and `JournalUnavailable`; then nothing happened.
        """


class Inbox(Protocol):
    """Where anybody posts events; only the driver applies them."""

    def post(self, site: str, event: Event) -> None:
        """Leave an event; the answer is not waited for."""

    async def ask(self, site: str, event: Event) -> Step:
        """Leave an event and wait for its answer. Raises `JournalUnavailable` when it could not be recorded."""
