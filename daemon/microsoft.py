"""The values of the Microsoft side that cross the ports: who works there, what was seen, what a directory holds.

Import them from `daemon.ports`, beside the protocols that use them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

from daemon.values import Layer, Secret

Platform = Literal["exchange", "microsoft-365"]
ObjectKind = Literal["user", "group", "contact"]
Whereabouts = Literal["on-premises", "microsoft-365", "hybrid"]

MAILBOX_LAYERS: Final = ("autodiscover", "mailbox sign-in", "mail enabled", "impersonation")
DIRECTORY_LAYERS: Final = ("directory server", "directory tls", "directory sign-in", "base dn", "lookup")
"""What is walked, in the order in which an administrator would check it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """An app registration in the Microsoft identity platform.

    `authority`, `graph` and `outlook` are https addresses without a path or trailing slash; `outlook` serves
    autodiscover and EWS of Exchange Online.
    """

    tenant_id: str
    client_id: str
    client_secret: Secret
    authority: str
    graph: str
    outlook: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxAccess:
    """The mailbox account on one platform, with its secrets resolved for one examination.

    `probe_address` is another mailbox on which impersonation is proven; `bind_address` the bind account's user
    where it is another one. `autodiscover_url` is asked before the usual places. `trusted_hosts` are suffixes
    beyond the address's own domain whose hosts may be sent the password. `exchange_online` is the address of Exchange
    Online in the account's cloud, to be known where autodiscover leads there; the registration's goes before it.
    On premises a `registration` means hybrid; its secret is no business of Exchange, and is empty there.
    """

    platform: Platform
    smtp_address: str
    password: Secret | None = None
    requires_authentication: bool = True
    impersonates: bool = True
    probe_address: str = ""
    bind_address: str = ""
    autodiscover_url: str = ""
    trusted_hosts: tuple[str, ...] = ()
    registration: Registration | None = None
    protocol: Literal["graph", "ews"] = "graph"
    exchange_online: str = ""
    afresh: bool = False
    """A person asks: a sign-in that was refused lately is tried all the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryAccess:
    """Where addresses and groups are looked up: Active Directory over LDAP, or Microsoft 365 over Graph.

    For LDAP: `server` is `host` or `host:port`, empty to ask DNS for the domain controllers of `base_dn`'s domain;
    an empty `base_dn` takes the server's default naming context. For Graph only `registration` counts.
    With `sign_in` = kerberos the ticket is got with `user` and `password` or `keytab` (a path); without all three it is
    the default one of this process. `domains` are the mail domains that are looked up here; empty: all.
    """

    platform: Literal["active-directory", "microsoft-365"]
    server: str = ""
    base_dn: str = ""
    security: Literal["ldaps", "starttls", "none"] = "ldaps"
    sign_in: Literal["simple", "kerberos"] = "simple"
    user: str = ""
    password: Secret | None = None
    keytab: str = ""
    domains: tuple[str, ...] = ()
    registration: Registration | None = None
    lookup: str = ""
    """The address that the examination looks up; it must be found."""
    afresh: bool = False
    """As for the mailbox."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """Something seen on the way that tells where mailboxes or directory really live, in a clause for people."""

    whereabouts: Whereabouts
    seen: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """Layers as they were walked, in order; the last one holds the fault if the way ended there."""

    layers: tuple[Layer, ...]
    sightings: tuple[Sighting, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryObject:
    """A user, group or contact. `id` is the objectGUID or Graph id, in lower case with dashes.

    `addresses` are all SMTP addresses in lower case, the primary one first, without a prefix. `enabled` and
    `licensed` are None where the directory does not know them (groups, contacts; licences on premises).
    `source` names the directory that answered: `ldap:HOST` or `graph:HOST`.
    """

    kind: ObjectKind
    id: str
    display_name: str
    primary_address: str
    addresses: tuple[str, ...]
    enabled: bool | None
    mail_enabled: bool
    licensed: bool | None = None
    source: str
    handle: str = field(default="", compare=False, repr=False)
    """The adapter's own name for it (a DN, for example), to go on from; never shown as the object's identity."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a lookup gave. More than one object: the name is ambiguous. None: `near` misses and `reasons` help."""

    objects: tuple[DirectoryObject, ...]
    near: tuple[DirectoryObject, ...] = ()
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """The answer to a lookup. `members` is None where they were not asked for.

    `truncated`: there are more members than the limit. `source` names the directory that was asked, `seconds` is how
    long it took then; `age_seconds` is 0 for a fresh answer.
    """

    wanted: str
    objects: tuple[DirectoryObject, ...]
    members: tuple[DirectoryObject, ...] | None = None
    truncated: bool = False
    near: tuple[DirectoryObject, ...] = ()
    reasons: tuple[str, ...] = ()
    source: str
    asked_at: datetime
    seconds: float
    age_seconds: float = 0.0
