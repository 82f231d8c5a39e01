"""Every option there is, as one table: the parser, the impacts, the example file and the documentation read it.

A new option is a row here and a field of the same name in `daemon.config.model`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from states import Impact

Kind = Literal[
    "text", "choice", "flag", "integer", "duration", "port", "listen", "host", "address", "url", "path",
    "secret", "site_id", "host_headers", "domains", "suffixes", "proxy_exceptions", "socket", "mode", "steps",
    "tenant", "distinguished_name", "receiver", "collector",
]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One section: where the Windows tool had it, and what it is for."""

    name: str
    tab: str
    help: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option. `default` and `example` are as one would write them; an empty default means "not set".

    `example` is None where the example file shows the option commented out with its default.
    `lowest` and `highest` are seconds for a duration. `pem` marks a secret that is a private key in PEM form.
    """

    section: str
    name: str
    kind: Kind
    help: str
    impact: Impact
    default: str = ""
    unit: str = ""
    choices: tuple[str, ...] = ()
    lowest: int = 0
    highest: int = 0
    example: str | None = None
    pem: bool = False

    @property
    def key(self) -> tuple[str, str]:
        """The option's place in a file."""
        return self.section, self.name


SECTIONS = (
    Section(name="site", tab="Site tab", help="What this site is called."),
    Section(name="account", tab="Accounts tab", help="The Microsoft mailbox account that the site works with."),
    Section(name="directory", tab="Accounts tab", help="Where groups and addresses are looked up on premises."),
    Section(name="binding", tab="Site Bind dialog", help="Who signs in to Mimecast, and how it is kept up."),
    Section(name="connection", tab="Connection tab", help="The way out: a proxy, and the CAs to trust."),
    Section(name="daemon", tab="not in the Windows tool", help="The process itself."),
)

ACTIVE_DIRECTORY = "microsoft-active-directory"
MICROSOFT_365 = "microsoft-365-directory"

_REBIND, _APPLY, _RESTART = Impact.REBIND, Impact.APPLY, Impact.RESTART
_HOUR, _DAY = 3600, 86400


def _rows(section: str, *rows: tuple[str, Kind, Impact, str, dict[str, object]]) -> tuple[Option, ...]:
    """A section's rows: name, kind, impact, help, and what is special about it."""
    return tuple(
        Option(section=section, name=name, kind=kind, impact=impact, help=text, **special)  # type: ignore[arg-type]
        for name, kind, impact, text, special in rows
    )


# fmt: off
# A table is read along its rows.
_SITE = _rows(
    "site",
    ("id", "site_id", _REBIND, ("The site's name in the API, the audit trail and metrics: a-z, 0-9 and -, 63 at most. "
     "In a folder of sites the default is the file's name without .ini."), {"default": "default"}),
    ("display_name", "text", _APPLY, "The name for people. Not set: this server's hostname.", {"example": ""}),
)

_ACCOUNT = _rows(
    "account",
    ("smtp_address", "address", _REBIND, "Primary SMTP address of the mailbox account; [binding] email defaults to it.",
     {"example": "engine@example.com"}),
    ("password", "secret", _REBIND, ("The mailbox account's password. Exchange on premises only: "
     "Microsoft 365 takes the client secret."), {"example": "file:/run/secrets/mailbox-password"}),
    ("use_exchange_impersonation", "flag", _REBIND, ("Work in other mailboxes through Exchange impersonation, or in "
     "Microsoft 365 with the application's permissions."), {"default": "yes"}),
    ("impersonation_probe", "address", _APPLY, ("Another mailbox, on which the right to impersonate is proven: its "
     "inbox is asked for, nothing in it is read. Not set: the user of [binding] email where that is another one; "
     "else it stays unproven, with a warning."), {}),
    ("directory_type", "choice", _REBIND, ("Where groups and addresses are resolved. On premises and hybrid: "
     "microsoft-active-directory. Microsoft 365 alone: microsoft-365-directory. "
     "The Windows tool's own spellings are understood."),
     {"default": ACTIVE_DIRECTORY, "choices": (ACTIVE_DIRECTORY, MICROSOFT_365), "example": ACTIVE_DIRECTORY}),
    ("requires_authentication", "flag", _REBIND, ("The mailbox server asks for a sign-in. With no, no credentials are "
     "sent."), {"default": "yes"}),
    ("autodiscover_url", "url", _REBIND, ("Where autodiscover of Exchange is asked first, https://host or "
     "https://host:port. Not set: the usual places of the address's domain."), {}),
    ("trusted_hosts", "suffixes", _REBIND, ("Hosts beyond the address's own domain that may be sent the mailbox "
     "password, where autodiscover leads to one by a way that can be forged; by their ending."), {}),
    ("microsoft_365_protocol", "choice", _REBIND, ("How the mailbox in Microsoft 365 is reached. ews works only in "
     "tenants on the allow-list, and ends on 2027-04-01."), {"default": "graph", "choices": ("graph", "ews")}),
    ("host_address", "host", _REBIND, ("Host of the app registration's identity platform, as host or host:port. Not "
     "set: login.microsoftonline.com. The national clouds are known by it; any other needs graph_url and "
     "exchange_online_url."), {}),
    ("graph_url", "url", _REBIND, ("Address of Microsoft Graph, https://host or https://host:port. Not set: that of "
     "the cloud of host_address. The US Department of Defense: https://dod-graph.microsoft.us."), {}),
    ("exchange_online_url", "url", _REBIND, ("Address of Exchange Online, https://host or https://host:port. Not set: "
     "that of the cloud of host_address."), {}),
    ("tenant_id", "tenant", _REBIND, ("Microsoft 365 tenant of the app registration: its GUID, or one of its domains. "
     "With microsoft-active-directory it means hybrid."), {}),
    ("client_id", "text", _REBIND, "Client id of the app registration; needs tenant_id and client_secret.", {}),
    ("client_secret", "secret", _REBIND, "Client secret of the app registration; needs client_id.", {}),
)

_DIRECTORY = _rows(
    "directory",
    ("server", "host", _APPLY, ("Domain controller, as host or host:port. Only with microsoft-active-directory. Not "
     "set: those that DNS names for the domain of base_dn."), {"example": "dc1.example.com"}),
    ("base_dn", "distinguished_name", _APPLY, ("Where searches start, for example DC=corp,DC=example,DC=com. Not set: "
     "the whole domain of server."), {"example": "DC=example,DC=com"}),
    ("security", "choice", _APPLY, "How the connection to the directory is protected.",
     {"default": "ldaps", "choices": ("ldaps", "starttls", "none")}),
    ("sign_in", "choice", _APPLY, ("How the user signs in. kerberos needs sitebind[kerberos] and this host's "
     "krb5.conf; with security = none it signs and seals all that follows."),
     {"default": "simple", "choices": ("simple", "kerberos")}),
    ("user", "text", _APPLY, "Who looks up: a distinguished name or user@domain; for Kerberos user@REALM.",
     {"example": "sync@example.com"}),
    ("password", "secret", _APPLY, "Password of that user.",
     {"example": "file:/run/secrets/directory-password"}),
    ("keytab", "path", _APPLY, ("Key table with that user's keys, instead of the password. For Kerberos only. Without "
     "user, password and keytab the ticket is taken from the default cache of the daemon's own user."), {}),
    ("domains", "domains", _APPLY, "The mail domains that are looked up here. Not set: all of them.", {}),
    ("cache_for", "duration", _APPLY, ("How long an answer is used again; `--fresh` asks anew. The Windows engine "
     "keeps groups for an hour."), {"default": "1h", "lowest": 1, "highest": _DAY}),
    ("members_limit", "integer", _APPLY, ("So many members of a group are listed at the most; more are only said to be "
     "there."),
     {"default": "10000", "unit": "members", "lowest": 1, "highest": 1000000}),
)

_BINDING = _rows(
    "binding",
    ("authentication_type", "choice", _REBIND, ("How to sign in: cloud (a Mimecast password), domain (a directory "
     "password) or application (API 2.0 client credentials: what a new customer uses)."),
     {"default": "cloud", "choices": ("cloud", "domain", "application"), "example": "cloud"}),
    ("email", "address", _REBIND, ("Mimecast user with the Synchronization Engine Administrator role. "
     "Not set: [account] smtp_address. For cloud and domain."), {"example": "sync-admin@example.com"}),
    ("password", "secret", _REBIND, ("That user's password. Not set: each bind needs a one-time sign-in. "
     "For cloud and domain."), {"example": "file:/run/secrets/sitebind-password"}),
    ("application_id", "text", _REBIND, "Id of the registered API 1.0 application. For cloud and domain.",
     {"example": "00000000-0000-0000-0000-000000000000"}),
    ("application_key", "secret", _REBIND, "Key of that application. For cloud and domain.",
     {"example": "env:SITEBIND_APPLICATION_KEY"}),
    ("client_id", "text", _REBIND, "Client id of the API 2.0 application. For application.", {}),
    ("client_secret", "secret", _REBIND, "Client secret of the API 2.0 application. For application.", {}),
    ("service_url", "url", _REBIND, ("First address to call, https://host or https://host:port, on a trusted suffix "
     "or this machine. Not set: the public host of the API version."), {}),
    ("trusted_suffixes", "suffixes", _REBIND, ("Credentials go only to hosts that end in one of these, whatever "
     "discovery answers."), {"default": "mimecast.com"}),
    ("require", "steps", _APPLY, ("What must pass before the sign-in at Mimecast: mailbox, directory, both, or none. "
     "What is not required is looked at too, and warns when it fails. At the next bind."),
     {"default": "mailbox, directory", "unit": "mailbox, directory or none"}),
    ("automatic", "flag", _APPLY, "Bind without being asked: at start, after a change, after a loss.",
     {"default": "yes"}),
    ("verify_every", "duration", _APPLY, "How often the service is asked whether it still accepts the keys.",
     {"default": "15m", "lowest": 5, "highest": 7 * _DAY}),
    ("lost_after", "integer", _APPLY, "The binding counts as lost after so many refusals in a row.",
     {"default": "3", "unit": "refusals", "lowest": 1, "highest": 100}),
    ("retry_first", "duration", _APPLY, ("Upper limit of the first wait before a failed bind is tried again; it "
     "doubles each time."), {"default": "2s", "lowest": 1, "highest": _HOUR}),
    ("retry_ceiling", "duration", _APPLY, "Upper limit of every wait.",
     {"default": "5m", "lowest": 1, "highest": _DAY}),
)

_CONNECTION = _rows(
    "connection",
    ("use_proxy", "flag", _REBIND, "Reach Mimecast through the proxy below.", {"default": "no"}),
    ("from_environment", "flag", _REBIND, ("With use_proxy = no: take the proxy from HTTPS_PROXY and exceptions from "
     "NO_PROXY (or in lower case, which goes first) of the daemon's process. Otherwise these variables are ignored."),
     {"default": "no"}),
    ("proxy_host", "host", _REBIND, "Host of the proxy, without http:// and without a port.", {}),
    ("proxy_port", "port", _REBIND, "Port of the proxy, 1 to 65535.", {}),
    ("proxy_requires_authentication", "flag", _REBIND, ("The proxy wants a sign-in (Basic; NTLM and Negotiate are "
     "not spoken)."), {"default": "no"}),
    ("proxy_username", "text", _REBIND, ("User for the proxy, in the format that it expects, for example "
     "DOMAIN\\user or user@domain. Sent as UTF-8; a colon cannot stand in it."), {}),
    ("proxy_password", "secret", _REBIND, "Password for the proxy.", {}),
    ("no_proxy", "proxy_exceptions", _REBIND, ("Reached directly, by commas: example.com (and everything below it), "
     ".example.com or *.example.com (only what is below), srv*.local, addresses, networks (10.0.0.0/8, fd00::/8), each "
     "with or without :port ([::1]:443); <local> for names without a dot, * for all. No name is resolved for this."),
     {}),
    ("ca_file", "path", _REBIND, ("PEM file of CAs to trust in addition to the system's, for a firewall or proxy that "
     "opens TLS."), {}),
)

_DAEMON = _rows(
    "daemon",
    ("listen", "listen", _RESTART, "Where the HTTP API answers. Beyond this machine it needs api_token.",
     {"default": "127.0.0.1:8787", "unit": "host:port"}),
    ("database", "path", _RESTART, "The SQLite file of journal, audit trail and sealed keys.",
     {"default": "sitebind.db"}),
    ("log_format", "choice", _APPLY, "Log lines for people or for machines.",
     {"default": "text", "choices": ("text", "json")}),
    ("log_level", "choice", _APPLY, "From which weight on lines are written.",
     {"default": "info", "choices": ("debug", "info", "warning", "error")}),
    ("api_token", "secret", _APPLY, "Bearer token of the HTTP API.", {}),
    ("allowed_hosts", "host_headers", _APPLY, "Host headers that the HTTP API answers to.",
     {"default": "localhost, 127.0.0.1, [::1]"}),
    ("require_token", "flag", _APPLY, "Ask for the token on this machine too.", {"default": "no"}),
    ("socket", "socket", _RESTART, ("Unix socket of the HTTP API, the command line's way in: who calls is known from "
     "the system. An empty value: none. Not set: beside the database, as sitebind.sock beside sitebind.db."), {}),
    ("socket_mode", "mode", _RESTART, "Mode of the socket; whoever may write to it may call.",
     {"default": "0660", "unit": "octal"}),
    ("socket_group", "text", _RESTART, ("Group of the socket: its members may read and operate. Not set: the daemon's "
     "own."), {}),
    ("socket_admin_group", "text", _RESTART, ("Members of this group administer over the socket, as root and the "
     "daemon's own user always do."), {}),
    ("tls_certificate", "path", _RESTART, ("PEM file of the listener's certificate with its chain; needs tls_key. "
     "Read again when it changes. Not set: no TLS."), {}),
    ("tls_key", "path", _RESTART, "PEM file of that certificate's key, without a passphrase.", {}),
    ("tls_client_ca", "path", _RESTART, ("PEM file of CAs: callers must show a certificate from one of them, beside "
     "their token."), {}),
    ("rate_limit", "integer", _APPLY, ("Requests from one caller (token, user of the socket, else address); more are "
     "answered 429. 0: no limit. Not set: 100 for callers from the network, no limit on this machine."),
     {"unit": "per second", "highest": 1000000}),
    ("rate_burst", "integer", _APPLY, "So many requests may come at once. Not set: twice rate_limit.",
     {"unit": "requests", "lowest": 1, "highest": 1000000}),
    ("metrics_listen", "listen", _RESTART, "A second listener with nothing but /metrics and health. Not set: none.",
     {"unit": "host:port"}),
    ("metrics_web_config", "path", _RESTART, ("web-config.yml of that listener in the format of Prometheus' exporters: "
     "TLS and basic_auth_users. Read again when it changes."), {}),
    ("traces", "collector", _RESTART, ("Where each bind attempt is told as an OpenTelemetry trace, over OTLP/HTTP; "
     "needs sitebind[opentelemetry]. Not set: nowhere."), {"unit": "http(s)://host:4318/v1/traces"}),
    ("audit_forward", "receiver", _APPLY, ("Where audit records are sent as they happen: tls://host:port, or "
     "tcp://host:port in the clear. Not set: nowhere."), {"unit": "tls://host:port or tcp://host:port"}),
    ("audit_forward_format", "choice", _APPLY, ("How they are written: syslog messages of RFC 5424, cef inside those, "
     "each framed by its length; ocsf or jsonl, one JSON object a line."),
     {"default": "syslog", "choices": ("syslog", "cef", "ocsf", "jsonl")}),
    ("audit_forward_from", "choice", _APPLY, ("Where sending begins the first time: at the trail's beginning, or with "
     "what is recorded from now on. Afterwards it goes on where it was, also to another receiver."),
     {"default": "beginning", "choices": ("beginning", "now")}),
    ("audit_forward_ca", "path", _APPLY, ("PEM file of the only CAs that the receiver's certificate may come from. Not "
     "set: the system's."), {}),
    ("audit_forward_certificate", "path", _APPLY, ("PEM file of our own certificate for the receiver, with its chain; "
     "needs audit_forward_key."), {}),
    ("audit_forward_key", "path", _APPLY, "PEM file of that certificate's key, without a passphrase.", {}),
    ("checkpoint_file", "path", _APPLY, ("A second place for the audit trail's signed checkpoints, to which they are "
     "appended, for example on a mount of another machine: they show a trail whose end was cut off, and one that was "
     "rewritten whole. Needs checkpoint_key. Not set: none are written."), {}),
    ("checkpoint_key", "secret", _APPLY, ("Ed25519 private key in PEM form (PKCS#8) that signs checkpoints and what is "
     "pruned; `sitebind audit key --new PATH` makes one."), {"unit": "file:PATH or credential:NAME", "pem": True}),
    ("checkpoint_every", "duration", _APPLY, ("How often a checkpoint is written, if there are new records; one is "
     "written at each start and stop too."), {"default": "1h", "lowest": 10, "highest": 7 * _DAY}),
    ("audit_keep", "duration", _APPLY, ("Whole days (UTC) of audit records that are older are pruned, behind a signed "
     "anchor. Needs checkpoint_key. Not set: they are kept for ever."),
     {"unit": "365d or 8760h", "lowest": _DAY, "highest": 36500 * _DAY}),
    ("pace", "integer", _APPLY, "Automatic binds and verifications, over all sites.",
     {"default": "20", "unit": "per second", "lowest": 1, "highest": 10000}),
    ("vault_key", "secret", _RESTART, ("Key that seals the stored keys. Not set: a key file is made beside the "
     "database."), {}),
)
# fmt: on

OPTIONS = _SITE + _ACCOUNT + _DIRECTORY + _BINDING + _CONNECTION + _DAEMON
BY_KEY = {option.key: option for option in OPTIONS}
SECTION_NAMES = tuple(section.name for section in SECTIONS)


def of_section(section: str) -> tuple[Option, ...]:
    """The options of one section, in the table's order."""
    return tuple(option for option in OPTIONS if option.section == section)
