"""What is asked of the audit trail and what it answers: values that cross the port `Journal`.

Imported from `daemon.ports` like all others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

ExportFormat = Literal["jsonl", "csv", "syslog", "cef", "ocsf"]
"""JSON lines can be verified as a chain; CSV is for reading in a spreadsheet, the others for who collects events."""
ForwardFormat = Literal["syslog", "cef", "ocsf", "jsonl"]
"""How records are sent on as they happen."""


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
class AuditFilter:
    """Which audit records are wanted, and in which order; what is not given narrows nothing.

    `after` and `before` are sequence numbers and not among those wanted; of times, `since` is and `until` is not.
    An `actor` that ends in `*` is how it begins. Events are those named, and none of `without`. `limit`: at most so
    many.
    """

    site: str | None = None
    after: int = 0
    before: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    actor: str | None = None
    events: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    newest_first: bool = False
    limit: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """A proven copy of the database: how many records it holds, the last one's number and hash."""

    file: str
    records: int
    last: int
    head: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """A signed statement that record `seq` has this hash.

    As a checkpoint: the trail held `count` records then, this the last. As an anchor: `count` records up to this one
    were pruned. `key` is the fingerprint of the key that signed it; `at` is written as in a record.
    """

    kind: Literal["anchor", "checkpoint"]
    seq: int
    hash: str
    count: int
    at: str
    key: str = ""
    signature: str = ""


Signer = Literal["own", "other", "unchecked"]
"""By the key that signs now, by another one than it says itself, or nobody has looked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainReport:
    """What a verification of the audit chain found; `broken_at` is the first bad sequence number.

    `anchor` is behind which the trail begins, where older records were pruned; `signer` is who proved to have signed
    it.
    """

    intact: bool
    records: int
    first: int
    last: int
    head: str
    broken_at: int | None = None
    reason: str = ""
    anchor: Seal | None = None
    signer: Signer = "unchecked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """Who takes audit records as they happen. Without `tls` no file counts; an empty `ca` means this system's roots."""

    host: str
    port: int
    tls: bool = True
    ca: str = ""
    certificate: str = ""
    key: str = ""

    def __str__(self) -> str:
        """As it is configured: `tls://siem.example.com:6514`."""
        shape = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'tls' if self.tls else 'tcp'}://{shape}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardPage:
    """Some records, framed for the wire: how many they are, and the number of the last one."""

    last: int
    records: int
    data: bytes = field(repr=False)
