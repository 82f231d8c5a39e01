"""What the engine asks of the world, as small protocols and plain values.

Owned by the engine, implemented by providers, store and metrics. No session, response or database row
crosses a port.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NoReturn, Protocol

from states import BindStep, Event, Fault, Snapshot, Step


class Secret:
    """Text that cannot be printed by accident; `reveal` is the only way to it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The text itself. Hand it to the wire, never to a log, an error or a record."""
        return self._value

    def __repr__(self) -> str:
        return "Secret('***')"

    def __str__(self) -> str:
        return "***"

    def __format__(self, spec: str) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __reduce__(self) -> NoReturn:
        message = "a Secret is not to be pickled or copied out of the process"
        raise TypeError(message)


class ProviderFault(Exception):  # noqa: N818 - it carries a Fault, which is the domain's word
    """A provider could not do what was asked. Raised at the edge, already classified and free of secrets.

    `detail` is a sentence for the administrator; `retry_after` is what the service asked for, in seconds.
    """

    def __init__(self, fault: Fault, detail: str, *, retry_after: float | None = None) -> None:
        super().__init__(f"{fault.code}: {detail}")
        self.fault = fault
        self.detail = detail
        self.retry_after = retry_after


class JournalUnavailable(Exception):  # noqa: N818 - a condition, not a mistake
    """The journal cannot be written now. `str()` says why and what to do."""


class VaultLocked(Exception):  # noqa: N818 - a condition, not a mistake
    """The vault's key is missing or does not fit. `str()` says where it was looked for."""


class Clock(Protocol):
    """Time as the engine sees it: wall time for records, monotonic seconds for waiting."""

    def now(self) -> datetime:
        """The wall time, aware, in UTC."""

    def monotonic(self) -> float:
        """Seconds that never go back."""

    async def sleep(self, seconds: float) -> None:
        """Wait; zero and less only yields."""


# The service that a site binds to.


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The way to the service, with its secrets resolved. Equal routes may share connections."""

    use_proxy: bool = False
    proxy_host: str = ""
    proxy_port: int = 0
    proxy_username: str = ""
    proxy_password: Secret | None = None
    no_proxy: tuple[str, ...] = ()
    ca_file: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """A sign-in, resolved for one attempt. Which fields are used follows from `method`."""

    method: Literal["cloud", "domain", "application"]
    email: str = ""
    password: Secret | None = None
    application_id: str = ""
    application_key: Secret | None = None
    client_id: str = ""
    client_secret: Secret | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the account lives: the base address for its calls (no trailing slash), its region if it was said."""

    base_url: str
    region: str
    authentication_types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """A binding's keys with all that is needed to use and to revoke them, whatever the configuration says later.

    `values` holds the adapter's own fields (access key, secret key, application key …) as Secrets.
    `identity` is a non-secret digest that two `Keys` share exactly when they are the same at the service.
    """

    method: Literal["cloud", "domain", "application"]
    base_url: str
    region: str
    email: str
    identity: str
    expires_at: datetime | None
    values: Mapping[str, Secret] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorization:
    """What the signed-in user or application may do, and for whom."""

    account_code: str
    company: str
    region: str
    role: str
    warnings: tuple[str, ...] = ()


class Cloud(Protocol):
    """The service that a site binds to, in one API version. Every method raises `ProviderFault`."""

    async def connect(self) -> str:
        """Prove name resolution, TCP and TLS to the first host; says what was reached, for the report."""

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

    def cloud(
        self, method: str, route: Route, *, service_url: str, trusted_suffixes: tuple[str, ...]
    ) -> Cloud:
        """The adapter for `method`; an empty `service_url` means the public host."""

    async def close(self) -> None:
        """Close every connection."""


# What is kept.

BindState = Literal["open", "succeeded", "failed", "cancelled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BindReport:
    """One attempt with its steps: what the API shows under `/binds/{id}`."""

    id: str
    site: str
    attempt: int
    actor: str
    reason: str
    state: BindState
    started_at: datetime
    finished_at: datetime | None = None
    fault: Fault | None = None
    steps: tuple[BindStep, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalEntry:
    """One thing to be recorded. `snapshot` and `report` are stored in the same transaction as the audit row.

    `site` is empty for what concerns the daemon as a whole. `detail` holds JSON's types without floats.
    """

    at: datetime
    site: str
    actor: str
    event: str
    before: str
    after: str
    request_id: str | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)
    snapshot: Snapshot | None = None
    report: BindReport | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord:
    """One link of the audit chain as it is stored and exported."""

    seq: int
    at: str
    site: str
    actor: str
    event: str
    before: str
    after: str
    request_id: str | None
    detail: Mapping[str, Any]
    previous_hash: str
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainReport:
    """What a verification of the audit chain found; `broken_at` is the first bad sequence number."""

    intact: bool
    records: int
    first: int
    last: int
    head: str
    broken_at: int | None = None
    reason: str = ""


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

    async def newest(self, *, site: str | None = None, limit: int = 50) -> list[AuditRecord]:
        """The newest audit records, oldest of them first."""

    async def verify(self) -> ChainReport:
        """Walk the whole chain without stopping the loop."""


class Vault(Protocol):
    """Where keys lie, sealed. Every method raises `VaultLocked` when the vault's key is missing."""

    async def put(self, bind_id: str, *, site: str, keys: Keys) -> None:
        """Seal and store; replaces. Raises `JournalUnavailable` when it cannot be written."""

    async def get(self, bind_id: str) -> Keys | None:
        """The keys, or None when there are none under this id."""

    async def ids(self) -> dict[str, str]:
        """Every stored bind id with its site. Needs no key."""

    async def wipe(self, bind_id: str) -> None:
        """Remove so that nothing is left in the database file or its journal. Nothing there is well."""

    def fingerprint(self, parts: Sequence[str]) -> str:
        """A keyed, non-reversible digest (hex) of the parts, stable across restarts."""


# Who listens.


class Observer(Protocol):
    """Is told about everything once; metrics and logs hang here. Must not block and must not raise."""

    def saw(self, step: Step, *, at: datetime) -> None:
        """A step was journalled (Moved, Ignored) or turned down (Refused)."""

    def bind_step(self, site: str, step: BindStep) -> None:
        """One step of an open bind ended."""

    def bind_ended(self, site: str, *, result: str, fault: Fault | None, seconds: float) -> None:
        """A bind attempt ended: succeeded, failed or cancelled."""

    def upstream(self, endpoint: str, *, code: str, seconds: float) -> None:
        """A call to the service ended; `code` is the HTTP status or a fault's code."""

    def reloaded(self, *, successful: bool, at: datetime) -> None:
        """The configuration was read again."""

    def recorded(self, count: int) -> None:
        """So many audit records were committed."""

    def journal_failed(self) -> None:
        """A record could not be committed."""

    def chain_verified(self, report: ChainReport) -> None:
        """The audit chain was walked."""

    def http_request(self, *, method: str, route: str, status: int, seconds: float) -> None:
        """The daemon answered a request; `route` is the pattern, never the raw path."""


class Inbox(Protocol):
    """Where anybody posts events; only the driver applies them."""

    def post(self, site: str, event: Event) -> None:
        """Leave an event; the answer is not waited for."""

    async def ask(self, site: str, event: Event) -> Step:
        """Leave an event and wait for its answer. Raises `JournalUnavailable` when it could not be recorded."""
