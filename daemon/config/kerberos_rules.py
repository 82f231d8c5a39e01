"""The sign-in at the directory: by password or by Kerberos, and what each of them needs. Used by `microsoft_rules`."""

from __future__ import annotations

import ipaddress
import re
from typing import Final

from daemon.config import addresses
from daemon.config.clashes import clash, missing
from daemon.config.form import Form
from daemon.config.model import DirectorySettings
from daemon.config.prerequisites import kerberos_is_installed
from daemon.config.problems import Key

_SIGN_IN: Final = ("directory", "sign_in")
_SERVER: Final = ("directory", "server")
_SECURITY: Final = ("directory", "security")
_USER, _PASSWORD, _KEYTAB = (("directory", name) for name in ("user", "password", "keytab"))
_PRINCIPAL: Final = re.compile(r"[^@\\/,=\s]+@[^@\\/,=\s]+\.[^@\\/,=\s]+")


def check(form: Form, directory: DirectorySettings) -> None:
    """Report every rule that the sign-in breaks, on premises."""
    if form.spoiled(_SIGN_IN):
        return
    if directory.sign_in == "kerberos":
        _kerberos(form, directory)
        return
    _together(form, _USER, _PASSWORD)
    if _KEYTAB in form.given:
        form.findings.warning(_KEYTAB, "is not used by sign_in = simple", hint="remove it, or set sign_in = kerberos")
    if directory.security == "none" and not form.spoiled(_SECURITY):
        form.findings.warning(
            _SECURITY, "none sends the directory password in plain text",
            hint="take ldaps or starttls, unless this is a test",
        )  # fmt: skip


def _kerberos(form: Form, directory: DirectorySettings) -> None:
    if not kerberos_is_installed():
        form.findings.warning(
            _SIGN_IN, "kerberos needs an extra that is not installed here",
            hint='pip install "sitebind[kerberos]", or set sign_in = simple',
        )  # fmt: skip
    _together(form, _USER, _KEYTAB if form.meant(_KEYTAB) else _PASSWORD)
    if _KEYTAB in form.given and _PASSWORD in form.given:
        form.findings.warning(_PASSWORD, "is not used, because keytab is set", hint="remove one of them")
    if directory.user and not _PRINCIPAL.fullmatch(directory.user):
        clash(form, _USER, "is not of the form user@REALM, which sign_in = kerberos needs", near=_SIGN_IN,
              hint="write the logon name and the domain's DNS name, for example sync@CORP.EXAMPLE.COM")  # fmt: skip
    if directory.server and _is_address(directory.server):
        clash(form, _SERVER, "is an address, and Kerberos knows servers by name only", near=_SIGN_IN,
              hint="write the domain controller's own full name, or set sign_in = simple")  # fmt: skip


def _together(form: Form, user: Key, key: Key) -> None:
    for given, other in ((user, key), (key, user)):
        if given in form.given:
            missing(form, other, because=given)


def _is_address(server: str) -> bool:
    try:
        ipaddress.ip_address(addresses.host_and_port(server)[0])
    except ValueError:
        return False
    return True
