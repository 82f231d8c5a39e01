"""The sign-in at the directory: what the configuration says of Kerberos before anybody tries it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import pytest

from daemon.config.ini import all_problems
from daemon.config.model import DirectorySettings, Reading, SecretSource, SiteSettings
from daemon.config.prerequisites import directory_lacks
from daemon.ports import Secret

Read = Callable[[str], Reading]
SECRET = SecretSource(kind="literal", text=Secret("s"))
BINDING = "[binding]\nauthentication_type = application\nclient_id = c\nclient_secret = env:S\n"
HEAD = f"{BINDING}require = directory\n[directory]\n"
GOOD = "server = dc1.corp.test\nsign_in = kerberos\n"
USER = "user = sync@CORP.TEST\n"
PASSWORD = "password = env:P\n"
KEYTAB = "keytab = sync.keytab\n"


@pytest.fixture(autouse=True)
def _installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra is there, whether it is here or not."""
    module = ModuleType("gssapi")
    module.__spec__ = ModuleSpec("gssapi", loader=None)
    monkeypatch.setitem(sys.modules, "gssapi", module)


def told(read: Read, text: str) -> list[str]:
    return [f"{problem.severity} {str(problem).rpartition('config.ini')[2]}" for problem in all_problems(read(text))]


@pytest.mark.parametrize("key", [PASSWORD, KEYTAB])
def test_a_whole_sign_in_has_nothing_against_it(read: Read, key: str) -> None:
    """Also where TLS is off: what follows a Kerberos sign-in is sealed."""
    assert told(read, f"{HEAD}{GOOD}{USER}{key}security = none\n") == []


def test_a_server_that_dns_names_is_as_good(read: Read) -> None:
    text = f"{HEAD}base_dn = DC=corp,DC=test\nsign_in = kerberos\n{USER}{PASSWORD}"
    assert told(read, text) == []


def test_without_user_and_key_the_ticket_is_the_processs_own(read: Read) -> None:
    assert told(read, f"{HEAD}{GOOD}") == []
    assert directory_lacks(SiteSettings(directory=DirectorySettings(sign_in="kerberos", server="dc"))) == ""
    assert directory_lacks(SiteSettings(directory=DirectorySettings(server="dc"))) == "[directory] user"


def test_half_a_sign_in_is_a_slip(read: Read) -> None:
    site = SiteSettings(directory=DirectorySettings(sign_in="kerberos", server="dc", keytab=Path("k")))
    assert directory_lacks(site) == "[directory] user"
    head = f"{HEAD.replace('directory', 'none', 1)}{GOOD}"
    assert told(read, f"{head}{USER}") == ["error :9: [directory] password: is not set, and user needs it"]
    assert told(read, f"{head}{PASSWORD}") == ["error :9: [directory] user: is not set, and password needs it"]
    assert told(read, f"{head}{KEYTAB}") == ["error :9: [directory] user: is not set, and keytab needs it"]


def test_a_keytab_stands_for_the_password(read: Read) -> None:
    kerberos = DirectorySettings(sign_in="kerberos", server="dc", user="u@A.B", keytab=Path("k"))
    assert directory_lacks(SiteSettings(directory=kerberos)) == ""
    assert told(read, f"{HEAD}{GOOD}{USER}{KEYTAB}{PASSWORD}") == [
        "warning :11: [directory] password: is not used, because keytab is set; remove one of them"
    ]
    assert told(read, f"{HEAD}server = dc1.corp.test\n{USER}{PASSWORD}{KEYTAB}") == [
        "warning :10: [directory] keytab: is not used by sign_in = simple; remove it, or set sign_in = kerberos"
    ]


def test_the_extra_that_is_not_installed_is_told(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    """A warning: the file may be looked at on another machine than the one it is for."""
    monkeypatch.setitem(sys.modules, "gssapi", None)  # as if it could not be found
    assert told(read, f"{HEAD}{GOOD}{USER}{PASSWORD}") == [
        (
            "warning :8: [directory] sign_in: kerberos needs an extra that is not installed here; pip install "
            '"sitebind[kerberos]", or set sign_in = simple'
        )
    ]


@pytest.mark.parametrize("user", ["sync", "CORP\\sync", "CN=Sync,DC=corp,DC=test", "sync@", "@CORP.TEST", "sync@CORP"])
def test_a_user_without_a_realm_is_told_how_to_write_it(read: Read, user: str) -> None:
    assert told(read, f"{HEAD}{GOOD}user = {user}\n{PASSWORD}") == [
        (
            "error :9: [directory] user: is not of the form user@REALM, which sign_in = kerberos needs; write the "
            "logon name and the domain's DNS name, for example sync@CORP.EXAMPLE.COM"
        )
    ]


@pytest.mark.parametrize("server", ["10.0.0.5", "10.0.0.5:389", "2001:db8::5", "[2001:db8::5]:389"])
def test_a_server_by_address_is_no_server_for_kerberos(read: Read, server: str) -> None:
    text = f"{HEAD}server = {server}\nsign_in = kerberos\n{USER}{PASSWORD}"
    assert told(read, text) == [
        (
            "error :7: [directory] server: is an address, and Kerberos knows servers by name only; write the domain "
            "controller's own full name, or set sign_in = simple"
        )
    ]


def test_a_kind_of_sign_in_that_does_not_exist_is_one_finding(read: Read) -> None:
    """Nothing is said of what would follow from it."""
    lines = told(read, f"{HEAD}server = 10.0.0.5\nsign_in = kerberoast\nuser = u\n{PASSWORD}security = none\n")
    assert [line.split(": ")[1] for line in lines] == ["[directory] sign_in"]
