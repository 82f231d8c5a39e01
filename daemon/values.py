"""The values that cross the ports: frozen, plain, and free of anybody's session or row.

Import them from `daemon.ports`, beside the protocols that use them.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, Final, Literal, NoReturn

from states import BindStep, Fault, Snapshot


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


class ProviderFault(Exception):
    """A provider could not do what was asked. Raised at the edge, already classified and free of secrets.

    `detail` is a sentence for the administrator; `retry_after` is what the service asked for, in seconds.
    """

    def __init__(self, fault: Fault, detail: str, *, retry_after: float | None = None) -> None:
        super().__init__(f"{fault.code}: {detail}")
        self.fault = fault
        self.detail = detail
        self.retry_after = retry_after


class Scope(Enum):
    """What a call is for, and what a caller may do: admin may all, operate may read too; health is for anyone."""

    HEALTH = "health"
    READ = "read"
    METRICS = "metrics"
    OPERATE = "operate"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiToken:
    """A bearer token as it is kept: `digest` is the SHA-256 of the token in hex, the token itself is nowhere."""

    id: str
    name: str
    scopes: frozenset[Scope]
    digest: str = field(repr=False)
    created_at: datetime
    created_by: str
    expires_at: datetime | None = None
    last_used_at: datetime | None = None

    def is_valid(self, at: datetime) -> bool:
        """Whether it has not expired."""
        return self.expires_at is None or at < self.expires_at


class JournalUnavailable(Exception):
    """The journal cannot be written now. `str()` says why and what to do."""


class VaultLocked(Exception):
    """The vault's key is missing or does not fit. `str()` says where it was looked for."""


# The service that a site binds to.


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The way to the service, with its secrets resolved. Equal routes may share connections.

    `proxy_source` names where the proxy was found when that is not the configuration, for what people read.
    """

    use_proxy: bool = False
    proxy_host: str = ""
    proxy_port: int = 0
    proxy_username: str = ""
    proxy_password: Secret | None = None
    no_proxy: tuple[str, ...] = ()
    ca_file: str = ""
    proxy_source: str = ""


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


DIRECT_WAY: Final = ("dns", "tcp", "tls")
PROXY_WAY: Final = ("proxy dns", "proxy tcp", "proxy connect", "proxy authentication", "tls")
"""The layers between this server and the service, in the order in which they are passed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One layer of a way, as it was tried. Without `fault` it was passed, unless `status` says otherwise.

    A `warning` and a `skipped` layer do not end the way; `remedy` then says what to do about it.
    """

    name: str
    seconds: float
    detail: str
    fault: ProviderFault | None = None
    status: Literal["passed", "warning", "skipped"] = "passed"
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Greeting:
    """The service answered a call that needs no sign-in. `service_time` is the time that it believes, if it said it."""

    detail: str
    service_time: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorization:
    """What the signed-in user or application may do, and for whom."""

    account_code: str
    company: str
    region: str
    role: str
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rekeyed:
    """What a change of the vault's key did. Keys are named by ids that say nothing about them.

    `left` are bind ids whose records could not be opened before and were not touched; `late` says in words
    what is still to be done by itself or by a person.
    """

    records: int
    left: tuple[str, ...]
    old_key: str
    new_key: str
    late: tuple[str, ...] = ()


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
