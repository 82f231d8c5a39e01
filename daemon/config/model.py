"""The settings: frozen values that a configuration file is parsed into.

Light on purpose: every command imports it. Secrets are kept as `SecretSource` (where to look), never as text
that could be printed; they are resolved again at every attempt by `daemon.config.secrets`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from daemon.audit_values import ForwardFormat, Receiver
from daemon.ports import Secret

AuthenticationType = Literal["cloud", "domain", "application"]
DirectoryType = Literal["microsoft-active-directory", "microsoft-365-directory"]
MailboxProtocol = Literal["graph", "ews"]
RequiredStep = Literal["mailbox", "directory"]
DirectorySecurity = Literal["ldaps", "starttls", "none"]
DirectorySignIn = Literal["simple", "kerberos"]
SecretKind = Literal["file", "env", "credential", "keyring", "literal", "plain"]
LogFormat = Literal["text", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]
ForwardFrom = Literal["beginning", "now"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretSource:
    """Where a secret comes from. `where` is a path, a name or `service/user`; `text` is set for literal and plain.

    `pem` is set for a private key in PEM form, the only secret that has several lines.
    """

    kind: SecretKind
    where: str = ""
    text: Secret | None = None
    pem: bool = False

    def __str__(self) -> str:
        """The provenance, safe to show."""
        return f"{self.kind}:{self.where}" if self.where else f"{self.kind} (in the file)"


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonSettings:
    """[daemon]: the process itself. `pace` is automatic binds and verifications per second, over all sites.

    `socket` None means that there is none: the default was already worked out. `rate_limit` None means the
    default of its kind of caller, and 0 no limit. The files of `audit_forward` stand beside it, not in it.
    Durations in whole seconds; `audit_keep` None means for ever.
    """

    host: str = "127.0.0.1"
    port: int = 8787
    database: Path = Path("sitebind.db")
    log_format: LogFormat = "text"
    log_level: LogLevel = "info"
    api_token: SecretSource | None = None
    allowed_hosts: tuple[str, ...] = ("localhost", "127.0.0.1", "[::1]")
    require_token: bool = False
    socket: Path | None = None
    socket_mode: int = 0o660
    socket_group: str = ""
    socket_admin_group: str = ""
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    tls_client_ca: Path | None = None
    rate_limit: int | None = None
    rate_burst: int | None = None
    metrics_listen: tuple[str, int] | None = None
    metrics_web_config: Path | None = None
    traces: str = ""
    audit_forward: Receiver | None = None
    audit_forward_format: ForwardFormat = "syslog"
    audit_forward_from: ForwardFrom = "beginning"
    audit_forward_ca: Path | None = None
    audit_forward_certificate: Path | None = None
    audit_forward_key: Path | None = None
    checkpoint_file: Path | None = None
    checkpoint_key: SecretSource | None = None
    checkpoint_every: int = 3600
    audit_keep: int | None = None
    pace: int = 20
    vault_key: SecretSource | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSettings:
    """[account]: the Microsoft mailbox account (the Accounts tab)."""

    smtp_address: str = ""
    password: SecretSource | None = None
    use_exchange_impersonation: bool = True
    impersonation_probe: str = ""
    directory_type: DirectoryType = "microsoft-active-directory"
    requires_authentication: bool = True
    autodiscover_url: str = ""
    trusted_hosts: tuple[str, ...] = ()
    microsoft_365_protocol: MailboxProtocol = "graph"
    host_address: str = ""
    graph_url: str = ""
    exchange_online_url: str = ""
    tenant_id: str = ""
    client_id: str = ""
    client_secret: SecretSource | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectorySettings:
    """[directory]: where groups and addresses are looked up on premises, and how answers are kept (seconds)."""

    server: str = ""
    base_dn: str = ""
    security: DirectorySecurity = "ldaps"
    sign_in: DirectorySignIn = "simple"
    user: str = ""
    password: SecretSource | None = None
    keytab: Path | None = None
    domains: tuple[str, ...] = ()
    cache_for: int = 3600
    members_limit: int = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class BindingSettings:
    """[binding]: who signs in, how, and how the binding is kept. Durations in whole seconds.

    `email` is already defaulted to `[account] smtp_address`; `service_url` empty means the public host of
    the API version that `authentication_type` uses.
    """

    authentication_type: AuthenticationType = "cloud"
    email: str = ""
    password: SecretSource | None = None
    application_id: str = ""
    application_key: SecretSource | None = None
    client_id: str = ""
    client_secret: SecretSource | None = None
    service_url: str = ""
    trusted_suffixes: tuple[str, ...] = ("mimecast.com",)
    require: tuple[RequiredStep, ...] = ("mailbox", "directory")
    automatic: bool = True
    verify_every: int = 900
    lost_after: int = 3
    retry_first: int = 2
    retry_ceiling: int = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionSettings:
    """[connection]: the way out (the Connection tab). `from_environment` counts only without `use_proxy`."""

    use_proxy: bool = False
    from_environment: bool = False
    proxy_host: str = ""
    proxy_port: int = 0
    proxy_requires_authentication: bool = False
    proxy_username: str = ""
    proxy_password: SecretSource | None = None
    no_proxy: tuple[str, ...] = ()
    ca_file: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteSettings:
    """One site, whole. `source` is the file that it came from."""

    id: str = "default"
    display_name: str = ""
    account: AccountSettings = field(default_factory=AccountSettings)
    directory: DirectorySettings = field(default_factory=DirectorySettings)
    binding: BindingSettings = field(default_factory=BindingSettings)
    connection: ConnectionSettings = field(default_factory=ConnectionSettings)
    source: Path = Path("config.ini")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileProblem:
    """One finding: where, what was found, what is wanted, and a next step. `line` 0 means the whole file."""

    file: str
    line: int
    section: str
    option: str
    text: str
    hint: str = ""
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        """`config.ini:12: [connection] proxy_prot: unknown option; did you mean "proxy_port"?`."""
        place = f"{self.file}:{self.line}" if self.line else self.file
        named = f" [{self.section}]" if self.section else ""
        option = f" {self.option}" if self.option else ""
        colon = ":" if named or option else ""
        hint = f"; {self.hint}" if self.hint else ""
        return f"{place}:{named}{option}{colon} {self.text}{hint}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteFile:
    """One site's part of a reading: settings, or None with the errors that prevented them."""

    id: str
    source: Path
    settings: SiteSettings | None
    problems: tuple[FileProblem, ...] = ()

    @property
    def errors(self) -> tuple[FileProblem, ...]:
        """What must be mended before the settings can be used."""
        return tuple(problem for problem in self.problems if problem.severity == "error")

    @property
    def warnings(self) -> tuple[FileProblem, ...]:
        """What works but should not stay so."""
        return tuple(problem for problem in self.problems if problem.severity == "warning")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one look at the configuration found: a file with one site, or a folder with many.

    `daemon` is None when the [daemon] section has errors. `problems` are those that belong to no site.
    """

    daemon: DaemonSettings | None
    sites: tuple[SiteFile, ...]
    problems: tuple[FileProblem, ...] = ()

    @property
    def errors(self) -> tuple[FileProblem, ...]:
        """Every error, wherever it stands."""
        own = tuple(problem for problem in self.problems if problem.severity == "error")
        return own + tuple(error for site in self.sites for error in site.errors)
