"""What the options of the Microsoft side mean together: the guide's rules of the Accounts tab. Used by `rules`."""

from __future__ import annotations

from typing import Final

from daemon.config import addresses, kerberos_rules
from daemon.config.clashes import NOT_SET, clash, missing
from daemon.config.form import Form
from daemon.config.model import AccountSettings, SiteSettings
from daemon.config.options import ACTIVE_DIRECTORY, MICROSOFT_365
from daemon.config.prerequisites import LACKS, cloud_for, platforms
from daemon.config.problems import Key

_KIND: Final = ("account", "directory_type")
_REQUIRE: Final = ("binding", "require")
_ADDRESS: Final = ("account", "smtp_address")
_ON_PREMISES: Final = ("server", "base_dn", "user", "password", "keytab")


def check(form: Form, site: SiteSettings) -> None:
    """Report every rule that the site's settings break."""
    if not form.spoiled(_KIND):
        _directory_type(form, site)
        _clouds(form, site.account)
        _sign_in(form, site.account)
        _required(form, site)
    _mailbox(form)
    _probe(form, site.account)
    _domains(form, site)


def _directory_type(form: Form, site: SiteSettings) -> None:
    if site.account.directory_type == MICROSOFT_365:
        for name in _ON_PREMISES:
            if ("directory", name) in form.given:
                clash(form, ("directory", name), f"contradicts directory_type = {MICROSOFT_365}", near=_KIND,
                      hint=f"remove it, or for hybrid take directory_type = {ACTIVE_DIRECTORY}")  # fmt: skip
    else:
        kerberos_rules.check(form, site.directory)
    _registration(form, site.account)


def _registration(form: Form, account: AccountSettings) -> None:
    """The app registration: client id and secret go together and belong to a tenant."""
    client, secret, tenant = (("account", name) for name in ("client_id", "client_secret", "tenant_id"))
    if client in form.given:
        missing(form, secret, because=client)
    if secret in form.given:
        missing(form, client, because=secret)
    present = [key for key in (client, secret) if key in form.given]
    if not present or form.meant(tenant):
        return
    if account.directory_type == ACTIVE_DIRECTORY:
        text = f"contradicts directory_type = {ACTIVE_DIRECTORY} without tenant_id"
        hint = f"for hybrid set tenant_id; for Microsoft 365 alone take directory_type = {MICROSOFT_365}"
        clash(form, present[0], text, near=tenant, hint=hint)
    else:
        missing(form, tenant, because=present[0])


def _clouds(form: Form, account: AccountSettings) -> None:
    """A host address that is none of Microsoft's own says nothing of where Graph and Exchange Online are."""
    host = ("account", "host_address")
    if host not in form.values or cloud_for(account) is not None:
        return
    for name in ("graph_url", "exchange_online_url"):
        missing(form, ("account", name), because=host)


def _sign_in(form: Form, account: AccountSettings) -> None:
    """What is not used, and a sign-in that is left out where nothing works without."""
    places, demand = platforms(account), ("account", "requires_authentication")
    password = ("account", "password")
    if "exchange" not in places and password in form.given:
        form.findings.warning(
            password, f"is not used by directory_type = {MICROSOFT_365}",
            hint="Microsoft 365 takes client_id and client_secret: remove it",
        )  # fmt: skip
    if account.requires_authentication or form.spoiled(demand):
        return
    if "microsoft-365" in places:
        form.findings.warning(
            demand, "no sends no credentials, and Microsoft 365 serves no mailbox without",
            hint="set yes", near=[_KIND],
        )  # fmt: skip
    elif password in form.given:
        form.findings.warning(password, "is not used, because requires_authentication = no", hint="remove one of them")


def _required(form: Form, site: SiteSettings) -> None:
    """Required steps that cannot be taken. Required by default only, it is a warning: older files go on working."""
    if form.spoiled(_REQUIRE):
        return
    lacking = {step: LACKS[step](site) for step in site.binding.require}
    without = {step: option for step, option in lacking.items() if option and not form.spoiled(_key(option))}
    if not without:
        return
    options = " and ".join(dict.fromkeys(without.values()))
    steps, are = " and ".join(without), "are" if len(set(without.values())) > 1 else "is"
    skipped = "they are" if len(without) > 1 else "it is"
    left = ", ".join(step for step in site.binding.require if step not in without) or "none"
    hint = f"set {'them' if are == 'are' else 'it'}, or take the {steps} out: require = {left}"
    if _REQUIRE in form.given:
        form.findings.error(_REQUIRE, f"names the {steps}, and {options} {are} not set", hint=hint)
    else:
        text = f"includes {steps} by default, and {options} {are} not set, so {skipped} not looked at"
        form.findings.warning(_REQUIRE, text, hint=hint)


def _key(shown: str) -> Key:
    section, _, name = shown.removeprefix("[").partition("] ")
    return section, name


def _mailbox(form: Form) -> None:
    """A half-described account is a slip."""
    about = [("account", name) for name in ("password", "client_id", "host_address") if ("account", name) in form.given]
    if about and not form.meant(("account", "smtp_address")):
        text = f"{NOT_SET}, so the mailbox account cannot be used"
        form.findings.warning(("account", "smtp_address"), text, hint="set its primary address", near=about)


def _probe(form: Form, account: AccountSettings) -> None:
    """Opening one's own mailbox proves no right to open another one."""
    if account.impersonation_probe and account.impersonation_probe.casefold() == account.smtp_address.casefold():
        form.findings.warning(
            ("account", "impersonation_probe"), "is the account itself, which proves nothing",
            hint="name another mailbox, or remove the line", near=[_ADDRESS],
        )  # fmt: skip


def _domains(form: Form, site: SiteSettings) -> None:
    """The account itself is looked up, by the step `directory` and by the doctor; outside the domains it is not."""
    domains, address = site.directory.domains, site.account.smtp_address
    if not domains or not address:
        return
    own = address.rpartition("@")[2].lower()
    if addresses.ascii_domain(own) not in map(addresses.ascii_domain, domains):
        form.findings.warning(
            ("directory", "domains"), f"leaves out {own}, the domain of [account] smtp_address, so that the directory "
            "step, which looks that address up, fails", hint=f"add {own}, or remove the line", near=[_ADDRESS],
        )  # fmt: skip
