"""What options mean together: the rules that no single value can break. Used by `daemon.config.ini`."""

from __future__ import annotations

from pathlib import Path

from daemon.config import addresses, microsoft_rules
from daemon.config.clashes import clash, missing
from daemon.config.form import Form
from daemon.config.model import DaemonSettings, SiteSettings
from daemon.config.prerequisites import traces_can_be_sent

_DAEMON_NEEDS = (
    ("tls_certificate", "tls_key"),
    ("tls_key", "tls_certificate"),
    ("tls_client_ca", "tls_certificate"),
    ("metrics_web_config", "metrics_listen"),
    ("audit_forward_certificate", "audit_forward_key"),
    ("audit_forward_key", "audit_forward_certificate"),
    ("checkpoint_file", "checkpoint_key"),
    ("audit_keep", "checkpoint_key"),
)
_FORWARD_FILES = ("audit_forward_ca", "audit_forward_certificate", "audit_forward_key")
_FORWARD_OPTIONS = ("audit_forward_format", "audit_forward_from", *_FORWARD_FILES)


def check_site(form: Form, site: SiteSettings) -> None:
    """Report every rule that the site's settings break."""
    _proxy(form, site)
    _sign_in(form, site)
    microsoft_rules.check(form, site)
    _service_url(form, site)
    if site.binding.retry_first > site.binding.retry_ceiling:
        clash(form, ("binding", "retry_first"), "is longer than retry_ceiling", near=("binding", "retry_ceiling"))


def check_daemon(form: Form, daemon: DaemonSettings) -> None:
    """Report every rule that the [daemon] section breaks."""
    token = form.meant(("daemon", "api_token"))
    if not addresses.is_loopback(daemon.host) and not token:
        form.findings.error(
            ("daemon", "listen"),
            "answers beyond this machine without api_token, so the daemon refuses to start",
            hint="set api_token, or listen on 127.0.0.1 or [::1]",
        )
    if daemon.require_token and not token:
        missing(form, ("daemon", "api_token"), because=("daemon", "require_token"))
    if daemon.socket is None and not form.meant(("daemon", "socket")):
        form.findings.warning(
            ("daemon", "socket"), "is not set, and its path beside the database is too long for one: there is none",
            hint="name a shorter path, or leave it empty to say that none is wanted", near=[("daemon", "database")],
        )  # fmt: skip
    for name, needed in _DAEMON_NEEDS:
        if ("daemon", name) in form.given:
            missing(form, ("daemon", needed), because=("daemon", name))
    if daemon.metrics_listen == (daemon.host, daemon.port):
        clash(form, ("daemon", "metrics_listen"), "is the address of listen too", near=("daemon", "listen"),
               hint="give it another port, or remove it: listen serves /metrics as well")  # fmt: skip
    _forwarding(form, daemon)
    _checkpoints(form, daemon)
    _traces(form, daemon)


def _traces(form: Form, daemon: DaemonSettings) -> None:
    if daemon.traces and not traces_can_be_sent():
        form.findings.warning(
            ("daemon", "traces"), "needs an extra that is not installed here, so that the daemon does not start",
            hint='pip install "sitebind[opentelemetry]", or remove the option',
        )  # fmt: skip


def _checkpoints(form: Form, daemon: DaemonSettings) -> None:
    """What lies beside the database is in the hands of whoever may change the database."""
    file, key = ("daemon", "checkpoint_file"), ("daemon", "checkpoint_key")
    if daemon.checkpoint_file is not None and daemon.checkpoint_file.parent == daemon.database.parent:
        text = "lies beside the database: whoever cuts off the trail's end cuts off the checkpoints' too"
        form.findings.warning(file, text, hint="name a file on another machine's mount, or on another disk")
    source = daemon.checkpoint_key
    if source is not None and source.kind == "file" and Path(source.where).parent == daemon.database.parent:
        text = "lies beside the database: whoever copies that folder can sign as this daemon"
        form.findings.warning(key, text, hint="move it out of the folder, or use credential:NAME")
    every = ("daemon", "checkpoint_every")
    if every in form.given and daemon.checkpoint_file is None and not form.spoiled(file):
        form.findings.warning(every, "is not used, because checkpoint_file is not set", hint="set it, or remove this")


def _forwarding(form: Form, daemon: DaemonSettings) -> None:
    key, receiver = ("daemon", "audit_forward"), daemon.audit_forward
    if receiver is not None and not receiver.tls and not addresses.is_loopback(receiver.host):
        text = "sends the audit trail in the clear: whoever is on the way can read and change it"
        form.findings.warning(key, text, hint="use tls://, or tcp:// to a relay on this machine that speaks TLS")
    if form.spoiled(key) or (receiver is not None and receiver.tls):
        return
    unused = _FORWARD_FILES if receiver is not None else _FORWARD_OPTIONS
    because = "audit_forward begins with tcp://" if receiver is not None else "audit_forward is not set"
    for name in unused:
        if ("daemon", name) in form.given:
            hint = f"remove it, or set audit_forward = tls://host:{receiver.port if receiver else 6514}"
            form.findings.warning(("daemon", name), f"is not used, because {because}", hint=hint)


def _proxy(form: Form, site: SiteSettings) -> None:
    connection = site.connection
    if connection.use_proxy:
        for name in ("proxy_host", "proxy_port"):
            missing(form, ("connection", name), because=("connection", "use_proxy"))
    if connection.use_proxy and connection.from_environment:
        text = "is not used, because use_proxy = yes"
        form.findings.warning(("connection", "from_environment"), text, hint="remove it, or set use_proxy = no")
    if connection.use_proxy:
        _proxy_sign_in(form, site)


def _proxy_sign_in(form: Form, site: SiteSettings) -> None:
    signs_in = ("connection", "proxy_requires_authentication")
    fields = [("connection", name) for name in ("proxy_username", "proxy_password")]
    if site.connection.proxy_requires_authentication:
        for key in fields:
            missing(form, key, because=signs_in)
        if ":" in site.connection.proxy_username:
            hint = "the proxy would take what follows for the password; write DOMAIN\\user or user@domain"
            form.findings.error(fields[0], "holds a colon, which a Basic sign-in cannot carry", hint=hint)
    elif not form.spoiled(signs_in):
        for key in fields:
            if key in form.given:
                text = "is not used, because proxy_requires_authentication = no"
                form.findings.warning(key, text, hint="set proxy_requires_authentication = yes, or remove it")


def _sign_in(form: Form, site: SiteSettings) -> None:
    if form.spoiled(("binding", "authentication_type")):
        return  # what else is wanted depends on the type
    method = site.binding.authentication_type
    user, client = ("application_id", "application_key"), ("client_id", "client_secret")
    needed, unused = (client, ("password", *user)) if method == "application" else (user, client)
    for name in needed:
        missing(form, ("binding", name), because=("binding", "authentication_type"), value=method)
    for name in unused:
        if ("binding", name) in form.given:
            text = f"is not used by authentication_type = {method}"
            form.findings.warning(("binding", name), text, hint="remove it, or mend authentication_type")
    if method != "application":
        _user(form, site)


def _user(form: Form, site: SiteSettings) -> None:
    """A configured password needs its user; without a password somebody must sign in for each bind."""
    if ("binding", "password") in form.given:
        if not form.meant(("binding", "email")) and not form.meant(("account", "smtp_address")):
            form.findings.error(
                ("binding", "email"), "is not set, so nobody can sign in with [binding] password",
                hint="set it, or [account] smtp_address", near=[("binding", "password")],
            )  # fmt: skip
    elif site.binding.automatic and not any(form.spoiled(("binding", name)) for name in ("automatic", "password")):
        form.findings.warning(
            ("binding", "password"), "is not set: the site waits for a bind with a one-time sign-in",
            hint="set it by reference, or automatic = no to say that this is meant",
            near=[("binding", "automatic"), ("binding", "email")],
        )  # fmt: skip


def _service_url(form: Form, site: SiteSettings) -> None:
    url = site.binding.service_url
    if not url or form.spoiled(("binding", "trusted_suffixes")):
        return
    host = addresses.host_of(url)
    if not addresses.is_loopback(host) and not addresses.is_trusted(host, site.binding.trusted_suffixes):
        suffixes = ", ".join(site.binding.trusted_suffixes)
        hint = "mend the address, or add its domain to trusted_suffixes if you trust it with the sign-in"
        clash(form, ("binding", "service_url"), f"its host {host} is not on trusted_suffixes ({suffixes})",
               near=("binding", "trusted_suffixes"), hint=hint)  # fmt: skip
