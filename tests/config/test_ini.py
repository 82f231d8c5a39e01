"""Configuration text becomes frozen settings, or every problem at once, each in its place."""

from __future__ import annotations

import configparser
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from daemon.config import form, ini, options
from daemon.config.ini import all_problems, default_daemon, read_config
from daemon.config.model import DaemonSettings, Reading, SecretSource, SiteSettings
from daemon.ports import Secret

Read = Callable[[str], Reading]
Findings = Callable[[str], list[str]]


def site_of(reading: Reading) -> SiteSettings:
    assert [str(problem) for problem in reading.errors] == []
    (site,) = reading.sites
    assert site.settings is not None
    return site.settings


def test_a_whole_file_becomes_frozen_settings(read: Read, tmp_path: Path) -> None:
    """Every kind of value arrives in its type, relative paths in the file's folder."""
    reading = read("""\
[daemon]
listen = [::1]:9000
database = state/site.db
log_format = JSON
allowed_hosts = sync.example.com, ::1
api_token = credential:token
require_token = on
pace = 5
[site]
id = head-office
display_name = Head office 100%
[account]
smtp_address = engine@bücher.example
directory_type = Microsoft  Office 365 Directory
use_exchange_impersonation = no
tenant_id = t.example
client_id = c
client_secret = keyring:sitebind/engine
host_address = login.example.com:443
graph_url = https://graph.example.com
exchange_online_url = https://outlook.example.com
[binding]
require = Directory, mailbox
authentication_type = Application
client_id = id
client_secret = literal:p%40ss = ;x
service_url = https://API.Example.com:8443/
trusted_suffixes = mimecast.com, .Example.com
verify_every = 90s
retry_ceiling = 1h
[connection]
use_proxy = yes
proxy_host = Proxy.example.com
proxy_port = 3128
no_proxy = localhost
  10.0.0.0/8
  *.corp.local:8443, *
ca_file = ca.pem
""")
    site = site_of(reading)
    daemon = reading.daemon
    assert daemon is not None
    assert (daemon.host, daemon.port, daemon.pace, daemon.require_token) == ("::1", 9000, 5, True)
    assert (daemon.database, daemon.log_format) == (tmp_path / "state/site.db", "json")
    assert daemon.allowed_hosts == ("sync.example.com", "[::1]")
    assert daemon.api_token == SecretSource(kind="credential", where="token")
    assert (site.id, site.display_name) == ("head-office", "Head office 100%")
    assert site.account.directory_type == "microsoft-365-directory"
    assert site.account.client_secret == SecretSource(kind="keyring", where="sitebind/engine")
    assert (site.account.host_address, site.account.use_exchange_impersonation) == ("login.example.com:443", False)
    assert site.binding.require == ("mailbox", "directory")
    assert site.binding.client_secret == SecretSource(kind="literal", text=Secret("p%40ss = ;x"))
    assert site.binding.service_url == "https://api.example.com:8443"
    assert site.binding.trusted_suffixes == ("mimecast.com", "example.com")
    assert (site.binding.verify_every, site.binding.retry_ceiling) == (90, 3600)
    assert site.binding.email == site.account.smtp_address == "engine@bücher.example"
    assert (site.connection.proxy_host, site.connection.proxy_port) == ("proxy.example.com", 3128)
    assert site.connection.no_proxy == ("localhost", "10.0.0.0/8", "*.corp.local:8443", "*")
    assert site.connection.ca_file == tmp_path / "ca.pem"
    assert site.source == tmp_path / "config.ini"


def test_a_bom_and_windows_line_ends_are_read(read: Read, valid: str) -> None:
    """What a Windows editor adds changes nothing."""
    assert site_of(read("\ufeff" + valid.replace("\n", "\r\n"))) == site_of(read(valid))


def test_what_is_not_written_has_its_default(read: Read, valid: str, tmp_path: Path) -> None:
    """An option that is absent, or empty where that is its default, is as in the table."""
    reading = read(valid + "[connection]\nproxy_host =\nno_proxy =\n")
    site = site_of(reading)
    assert site.connection == SiteSettings().connection
    assert site.id == "default"
    beside = DaemonSettings(database=tmp_path / "sitebind.db", socket=tmp_path / "sitebind.sock")
    assert reading.daemon == beside == default_daemon(tmp_path)
    assert site.binding.application_key == SecretSource(kind="file", where=str(tmp_path / "key"))


@pytest.mark.parametrize(
    "text, expected",
    [
        ("[connection]\nuse_prox = yes", '11: [connection] use_prox: unknown option; did you mean "use_proxy"?'),
        ("[binding]\nautomatic = yes",
         "10: [binding]: the section stands twice, first in line 4; put its options together"),
        ("[site]\nproxy_port = 1", "11: [site] proxy_port: unknown option; did you mean [connection] proxy_port?"),
        ("[site]\nquux = 1", "11: [site] quux: unknown option"),
        ("[site]\nK3y9Zz== x", "11: [site]: unknown option; its name is not shown: it may be part of a secret"),
        ("[connections]\nx = y", "10: [connections]: unknown section here; did you mean [connection]?"),
        ("[DEFAULT]\nid = x", ("10: [DEFAULT]: unknown section here; the sections are [site], [account], "
         "[directory], [binding], [connection], [daemon]")),
        ("[site] ; mine", "10: [site]: something stands after the section's name; give it a line of its own"),
        ("[site]\nid = a\nID = b", "12: [site] id: stands twice, first in line 11; keep one of them"),
        ("[site]\nid", ("11: [site]: the line is neither a [section], an option nor a comment; "
         "an option is written NAME = VALUE")),
        ("[site]\n= x", ("11: [site]: the line is neither a [section], an option nor a comment; "
         "an option is written NAME = VALUE")),
        ("[site]\nid = a\n display_name = b", ("12: [site] id: line 12 is indented, so it would go on with the value "
         'of line 11; move "display_name" to the margin if it is an option of its own')),
        ("[site]\nid = a\n c0de = b\n c", ("12: [site] id: line 12 is indented, so it would go on with the value "
         "of line 11; move the line to the margin if it is an option of its own")),
        ("[site]\ndisplay_name = a\n b", ("12: [site] display_name: goes on in line 12, which is indented; "
         "a value stands on one line")),
        ("[daemon]\nlisten =", "11: [daemon] listen: is empty; remove the line for the default, 127.0.0.1:8787"),
        ("[connection]\nno_proxy = ,", "11: [connection] no_proxy: holds no item; name one, or remove the line"),
        ("[site]\nid = Head_Office", '11: [site] id: "Head_Office" is not a site id; 1 to 63 of a-z, 0-9 and -'),
        ("[site]\ndisplay_name = a ; b", ('11: [site] display_name: holds " ;" or " #", which looks like a comment; '
         "a comment needs a line of its own; behind a value it is part of the value")),
        ("[connection]\nuse_proxy = no # b", ('11: [connection] use_proxy: "no # b" is neither yes nor no; '
         "a comment needs a line of its own; behind a value it is part of the value")),
        ("[site]\ndisplay_name = a\0b", ("11: [site] display_name: holds a control character or an invisible blank; "
         "type the value anew")),
        ("[connection]\nproxy_port = 65536", ('11: [connection] proxy_port: "65536" is not a port; '
         "a number from 1 to 65535")),
        ("[connection]\nproxy_host = http://p:1", ('11: [connection] proxy_host: "http://p:1" is a URL; '
         "only the host is wanted, without http:// and without a path")),
        ("[connection]\nproxy_host = p:1", ('11: [connection] proxy_host: "p:1" names a port; '
         "the port belongs in proxy_port")),
        ("[connection]\nno_proxy = 10.0.0.0/99", ('11: [connection] no_proxy: "10.0.0.0/99" is not a network; '
         "a network is written 10.0.0.0/8")),
        ("[daemon]\npace = 0", '11: [daemon] pace: "0" is out of range; a whole number from 1 to 10000'),
        ("[daemon]\nlog_level = loud", ('11: [daemon] log_level: "loud" is not a choice; '
         "one of debug, info, warning, error")),
        ("[daemon]\nlisten = localhost", ('11: [daemon] listen: "localhost" names no port; '
         "it is written 127.0.0.1:8787 or [::1]:8787")),
        ("[daemon]\nsocket_mode = 460", ('11: [daemon] socket_mode: "460" is not a mode; three octal digits, '
         "the owner may read and write: 0660 or 0600")),
        ("[daemon]\nsocket = /" + "s" * 107, ("11: [daemon] socket: the socket's whole path is 108 bytes long, and "
         "Linux takes 107; choose a shorter one")),
        ("[daemon]\ndatabase = /" + "d" * 107, ("11: [daemon] socket: is not set, and its path beside the database is "
         "too long for one: there is none; name a shorter path, or leave it empty to say that none is wanted")),
        ("[daemon]\ntls_certificate = a", "11: [daemon] tls_key: is not set, and tls_certificate needs it"),
        ("[daemon]\ntls_key = a", "11: [daemon] tls_certificate: is not set, and tls_key needs it"),
        ("[daemon]\ntls_client_ca = a", "11: [daemon] tls_certificate: is not set, and tls_client_ca needs it"),
        ("[daemon]\nmetrics_web_config = a", ("11: [daemon] metrics_listen: is not set, and metrics_web_config "
         "needs it")),
        ("[daemon]\nmetrics_listen = 127.0.0.1:8787", ("11: [daemon] metrics_listen: is the address of listen too; "
         "give it another port, or remove it: listen serves /metrics as well")),
        ("[daemon]\nrequire_token = yes", "11: [daemon] api_token: is not set, and require_token = yes needs it"),
        ("[daemon]\nlisten = 0.0.0.0:80", ("11: [daemon] listen: answers beyond this machine without api_token, "
         "so the daemon refuses to start; set api_token, or listen on 127.0.0.1 or [::1]")),
        ("[daemon]\nlisten = sync.example.com:80", ("11: [daemon] listen: answers beyond this machine without "
         "api_token, so the daemon refuses to start; set api_token, or listen on 127.0.0.1 or [::1]")),
        ("[directory]\ndomains = corp", ('11: [directory] domains: "corp" has no dot; '
         "the whole domain is wanted, as in example.com")),
        ("[directory]\nserver = a_b..c", ('11: [directory] server: "a_b..c" is not a domain name; '
         "letters, digits and - between dots, as in example.com")),
        ("[directory]\nserver = ü..de", '11: [directory] server: "ü..de" is not a domain name'),
        ("[connection]\nproxy_password =", ("11: [connection] proxy_password: is empty; write file:PATH, env:NAME, "
         "credential:NAME or keyring:SERVICE/USER and keep the secret there, or remove the line")),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_line_and_a_next_step(
    text: str, expected: str, *, findings: Findings, valid: str
) -> None:
    """One slip is one finding."""
    assert findings(valid + text) == [f"config.ini:{expected}"]


@pytest.mark.parametrize(
    "text, expected",
    [
        ("id = x\n", "1: id: stands before the first [section]; it belongs in [site]"),
        ("client_id = x\n", "1: client_id: stands before the first [section]; put it under its section"),
        ("proxy_port = 1\n", "1: proxy_port: stands before the first [section]; it belongs in [connection]"),
    ],
)
def test_an_option_before_the_first_section_is_named(
    text: str, expected: str, *, findings: Findings, valid: str
) -> None:
    """Including where it belongs, when only one section has it."""
    assert findings(text + valid) == [f"config.ini:{expected}"]


def test_every_problem_comes_at_once(findings: Findings) -> None:
    """Structure, single values and rules between options, from the top of the file to its end."""
    found = findings("""\
[connection]
use_proxy = yes
proxy_prot = 8080
[site]
id = A
[binding]
verify_every = 4s
retry_first = 10
automatic = maybe
""")
    assert [line.split(":")[1] for line in found] == ["2", "3", "5", "6", "6", "7", "8", "9"]
    assert 'config.ini:7: [binding] verify_every: "4s" is out of range; from 5s to 7d' in found
    unit = "a number and its unit: 30s, 5m, 1h or 7d"
    assert f'config.ini:8: [binding] retry_first: "10" is not a duration; {unit}' in found
    assert "config.ini:2: [connection] proxy_host: is not set, and use_proxy = yes needs it" in found


SIGN_IN = "[account]\nsmtp_address = a@example.com\n[binding]\n"
APP = "application_id = a\napplication_key = env:K\n"


@pytest.mark.parametrize(
    "text, expected",
    [
        ("[binding]\nauthentication_type = domain\npassword = env:P\nemail = a@example.com\n",
         ["2: [binding] application_id: is not set, and authentication_type = domain needs it",
          "2: [binding] application_key: is not set, and authentication_type = domain needs it"]),
        ("[binding]\nauthentication_type = application\n",
         ["2: [binding] client_id: is not set, and authentication_type = application needs it",
          "2: [binding] client_secret: is not set, and authentication_type = application needs it"]),
        ("[binding]\nauthentication_type = application\nclient_id = c\nclient_secret = env:S\npassword = env:P\n",
         [("5: [binding] password: is not used by authentication_type = application; "
          "remove it, or mend authentication_type")]),
        ("[binding]\nauthentication_type = basic\n",
         ['2: [binding] authentication_type: "basic" is not a choice; one of cloud, domain, application']),
        ("[binding]\npassword = env:P\n" + APP,
         [("2: [binding] email: is not set, so nobody can sign in with [binding] password; "
          "set it, or [account] smtp_address")]),
        (SIGN_IN + APP,
         [("3: [binding] password: is not set: the site waits for a bind with a one-time sign-in; "
          "set it by reference, or automatic = no to say that this is meant")]),
        (SIGN_IN + "automatic = no\n" + APP, []),
        ("[account]\npassword = env:M\n[binding]\nautomatic = no\n" + APP,
         ["2: [account] smtp_address: is not set, so the mailbox account cannot be used; set its primary address"]),
        (SIGN_IN + "automatic = no\nretry_first = 10m\n" + APP,
         ["5: [binding] retry_first: is longer than retry_ceiling"]),
    ],
)  # fmt: skip
def test_what_a_sign_in_needs(text: str, expected: list[str], *, findings: Findings) -> None:
    """Each method has its own fields; without a password somebody signs in for each bind."""
    assert findings(text) == [f"config.ini:{line}" for line in expected]


@pytest.mark.parametrize(
    "text, expected",
    [
        ("use_proxy = yes\nproxy_host = p\n",
         ["11: [connection] proxy_port: is not set, and use_proxy = yes needs it"]),
        ("use_proxy = yes\nproxy_host = p\nproxy_port = 1\nproxy_requires_authentication = yes\nproxy_username = u\n",
         ["14: [connection] proxy_password: is not set, and proxy_requires_authentication = yes needs it"]),
        ("proxy_requires_authentication = yes\n", []),
        ("use_proxy = yes\nproxy_host = p\nproxy_port = 1\n", []),
        ("proxy_username = u\nproxy_password = env:P\n", []),
        ("from_environment = yes\n", []),
        ("use_proxy = yes\nproxy_host = p\nproxy_port = 1\nfrom_environment = yes\n",
         [("14: [connection] from_environment: is not used, because use_proxy = yes; "
          "remove it, or set use_proxy = no")]),
        ("use_proxy = yes\nproxy_host = p\nproxy_port = 1\nproxy_username = u\n",
         [("14: [connection] proxy_username: is not used, because proxy_requires_authentication = no; "
          "set proxy_requires_authentication = yes, or remove it")]),
        ("use_proxy = yes\nproxy_host = p\nproxy_port = 1\nproxy_requires_authentication = ja\nproxy_username = u\n",
         ['14: [connection] proxy_requires_authentication: "ja" is neither yes nor no']),
        (("use_proxy = yes\nproxy_host = p\nproxy_port = 1\nproxy_requires_authentication = yes\n"
          "proxy_username = u:hush\nproxy_password = env:P\n"),
         [("15: [connection] proxy_username: holds a colon, which a Basic sign-in cannot carry; the proxy would take "
          "what follows for the password; write DOMAIN\\user or user@domain")]),
    ],
)  # fmt: skip
def test_what_a_proxy_needs(text: str, expected: list[str], *, findings: Findings, valid: str) -> None:
    """Only while it is used."""
    assert findings(f"{valid}[connection]\n{text}") == [f"config.ini:{line}" for line in expected]


@pytest.mark.parametrize(
    "account, directory, expected",
    [
        ("directory_type = Microsoft Active Directory\n", "server = dc:636\nbase_dn = DC=x,DC=y\n", []),
        ("directory_type = microsoft 365 directory\n", "base_dn = DC=x\n",
         [("14: [directory] base_dn: contradicts directory_type = microsoft-365-directory; "
          "remove it, or for hybrid take directory_type = microsoft-active-directory")]),
        ("directory_type = novell\n", "server = dc\n",
         [('12: [account] directory_type: "novell" is not a choice; '
          "one of microsoft-active-directory, microsoft-365-directory")]),
        ("client_id = c\nclient_secret = env:S\n", "",
         [("12: [account] client_id: contradicts directory_type = microsoft-active-directory without tenant_id; "
          "for hybrid set tenant_id; for Microsoft 365 alone take directory_type = microsoft-365-directory")]),
        ("client_id = c\nclient_secret = env:S\ntenant_id = t.example\n", "server = dc\n", []),
        ("directory_type = microsoft-365-directory\nclient_id = c\n", "",
         ["13: [account] client_secret: is not set, and client_id needs it",
          "13: [account] tenant_id: is not set, and client_id needs it"]),
        ("client_secret = env:S\ntenant_id = t.example\n", "",
         ["12: [account] client_id: is not set, and client_secret needs it"]),
    ],
)  # fmt: skip
def test_a_directory_type_must_not_contradict_the_other_fields(
    account: str, directory: str, *, expected: list[str], findings: Findings
) -> None:
    """On premises, Microsoft 365 alone, and hybrid, each with the fields that it takes."""
    head = "[binding]\npassword = env:P\n" + APP + "\n" * 5 + "[account]\nsmtp_address = a@example.com\n"
    assert findings(f"{head}{account}[directory]\n{directory}") == [f"config.ini:{line}" for line in expected]


@pytest.mark.parametrize(
    "binding, fault",
    [
        ("service_url = https://eu-api.mimecast.com", ""),
        ("service_url = https://127.0.0.1:9443", ""),
        ("service_url = https://[::1]:9443", ""),
        ("service_url = https://localhost", ""),
        ("service_url = https://sandbox.example.com\ntrusted_suffixes = mimecast.com, example.com", ""),
        ("trusted_suffixes = localhost, 127.0.0.1", ""),
        ("service_url = https://evilmimecast.com",
         "its host evilmimecast.com is not on trusted_suffixes (mimecast.com)"),
        ("service_url = https://api.mimecast.com\ntrusted_suffixes = com", '"com" is too wide or no domain'),
        ("trusted_suffixes = 10.1.2.3", '"10.1.2.3" is too wide or no domain'),
        ("trusted_suffixes = 2001:db8::1", '"2001:db8::1" is too wide or no domain'),
        ("service_url = http://127.0.0.1", "does not begin with https://"),
        ("service_url = https://", "is more or less than scheme, host and port"),
        ("service_url = https://mimecast.com/api", "is more or less than scheme, host and port"),
        ("service_url = https://me:hush@mimecast.com", "is more or less than scheme, host and port"),
        ("service_url = https://[::1", "is not a URL"),
        ("service_url = https://api.mimecast.com:0", '"0" is not a port'),
    ],
)  # fmt: skip
def test_sign_ins_go_only_to_trusted_hosts(binding: str, fault: str, *, findings: Findings, valid: str) -> None:
    """Over TLS, on a trusted suffix or this machine, and nothing else stands in the address."""
    found = findings(f"{valid.rstrip()}\n{binding}\n")
    assert [line.split("; ")[0].partition(": ")[2].partition(": ")[2] for line in found] == ([fault] if fault else [])
    assert "hush" not in " ".join(found)


@pytest.mark.parametrize(
    "address, good",
    [
        ("a@example.com", True), ("a.b+c'd@xn--bcher-kva.example", True), ("a@bücher.example", True),
        ("a@b@example.com", False), ("example.com", False), ("@example.com", False), ("a@", False),
        (".a@example.com", False), ("a..b@example.com", False), ("a b@example.com", False), ("a@localhost", False),
        ("a@-x.com", False), ("a@" + "x" * 64 + ".com", False), ("a" * 65 + "@example.com", False),
        ("a@1.2.3.4", False), ("é@example.com", False), ("a@" + "x." * 130 + "com", False),
    ],
)  # fmt: skip
def test_an_address_is_well_formed(address: str, good: bool, *, read: Read, valid: str) -> None:
    """Including internationalised domains; the local part stays ASCII."""
    reading = read(valid.replace("admin@example.com", address))
    assert (reading.errors == ()) is good


# --- secrets in the file -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        "hunter2 ; note", "hunter2\n hunter2=x", "hunter2\n hunter2", "env:hunter2-x", "env:", "credential:../hunter2",
        "keyring:hunter2", "keyring:/hunter2", "hunter2\npassword = hunter2", "hunter2\0", "hunter2\nhunter2==",
        "hunter2\nhunter2", "hunter2\n[hunter2]", "file:\thunter2\a", "literal:hunter2\xa0x", "credential:..",
    ],
)  # fmt: skip
def test_no_finding_ever_shows_a_secret(line: str, *, findings: Findings, valid: str) -> None:
    """Whatever is wrong with it or around it."""
    found = findings(valid.replace("env:PASSWORD", line))
    assert found
    assert "hunter2" not in "".join(found)


def test_a_sign_in_inside_another_value_is_not_shown(findings: Findings, valid: str) -> None:
    """A proxy is often written as a URL with its password."""
    found = findings(f"{valid}[connection]\nproxy_host = http://me:hush@proxy\n")
    assert "not shown" in found[0]
    assert "hush" not in found[0]


def test_a_plain_secret_is_warned_about_and_a_literal_is_not(findings: Findings, valid: str) -> None:
    """The warning names the option and the other ways."""
    (found,) = findings(valid.replace("env:PASSWORD", "hunter2"))
    assert found.startswith(
        "config.ini:6: [binding] password: the secret stands in the file as plain text; write file:"
    )
    assert findings(valid.replace("env:PASSWORD", "literal:hunter2")) == []


@pytest.mark.parametrize("secret", ["hunter2", "literal:hunter2"])
def test_a_secret_in_a_file_that_others_can_read_is_refused(secret: str, *, tmp_path: Path, valid: str) -> None:
    """Plain or literal; references are fine there."""
    path = tmp_path / "config.ini"
    path.write_text(valid.replace("env:PASSWORD", secret))
    path.chmod(0o640)
    (error,) = read_config(path).errors
    assert (error.line, error.option, error.text) == (6, "password", "a secret stands in a file that others can read")
    path.write_text(valid)
    assert read_config(path).errors == ()


# --- files that are none -----------------------------------------------------------------------


def test_a_missing_file_is_a_finding(tmp_path: Path) -> None:
    """In words, at the file, and the daemon's settings are unknown."""
    reading = read_config(tmp_path / "config.ini")
    (error,) = reading.errors
    assert str(error) == (
        f"{tmp_path}/config.ini: the file cannot be read: there is no such file; "
        "check the path, or name another one with --config or $SITEBIND_CONFIG"
    )
    assert reading.daemon is None
    assert reading.sites[0].settings is None


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda path: path.symlink_to(path), "too many levels of symbolic links"),
        (lambda path: path.symlink_to("/proc/self/mem"), "input/output error"),
        (os.mkfifo, "it is not a regular file"),
        (lambda path: path.write_bytes(b"#" * (ini.LARGEST_FILE + 1)), "it is larger than 1024 KiB"),
    ],
)
def test_an_unreadable_file_is_a_finding(make: Callable[[Path], object], words: str, *, tmp_path: Path) -> None:
    """It says what is the matter, and reading a pipe does not wait for a writer."""
    path = tmp_path / "config.ini"
    make(path)
    (error,) = read_config(path).errors
    assert error.text == f"the file cannot be read: {words}"


def test_a_file_that_its_user_may_not_read_is_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel's refusal cannot be had as root, so it is played."""
    monkeypatch.setattr(os, "open", lambda *_: (_ for _ in ()).throw(PermissionError(13, "Permission denied")))
    (error,) = read_config(tmp_path / "config.ini").errors
    assert error.text == "the file cannot be read: this user may not read it"


def test_a_name_that_is_none_is_a_finding() -> None:
    """A NUL cannot stand in a file's name."""
    (error,) = read_config(Path("a\0b")).errors
    assert error.text == "the file cannot be read: its name is not a file name"


def test_a_file_that_is_not_utf_8_is_one_finding(tmp_path: Path) -> None:
    """With the line of the first bad byte, and no further guesses."""
    path = tmp_path / "config.ini"
    path.write_bytes(b"[site]\ndisplay_name = B\xfccher\n")
    reading = read_config(path)
    (error,) = reading.errors
    assert str(error) == f"{path}:2: the file is not UTF-8; save it as UTF-8"
    assert reading.daemon is None


def test_when_the_parser_of_record_refuses_that_is_a_finding(
    read: Read, valid: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scanner should report all that configparser would; should it ever miss something, nothing is raised."""

    def refuse(self: configparser.ConfigParser, text: str) -> None:
        raise configparser.MissingSectionHeaderError("x", 3, "hunter2")

    monkeypatch.setattr(form.configparser.ConfigParser, "read_string", refuse)
    errors = read(valid).errors
    assert (3, "the file cannot be taken apart") in {(error.line, error.text) for error in errors}
    assert "hunter2" not in str(errors)


# --- folders -----------------------------------------------------------------------------------


def write(path: Path, text: str) -> Path:
    path.touch(mode=0o600)
    path.write_text(text)
    return path


def test_a_folder_holds_the_daemon_and_one_file_a_site(tmp_path: Path, valid: str) -> None:
    """A site's id is its file's stem unless it is set; hidden and back-up files do not count."""
    write(tmp_path / "daemon.ini", "[daemon]\nlisten = 127.0.0.1:9999\n")
    without = valid.rstrip() + "\nrequire = none\n"
    write(tmp_path / "berlin.ini", without)
    write(tmp_path / "x y.ini", without + "[site]\nid = paris\n")
    for ignored in (".hidden.ini", "berlin.ini~", "#berlin.ini#", "#b.ini", "berlin.ini.bak", "notes.txt"):
        write(tmp_path / ignored, "nonsense")
    reading = read_config(tmp_path)
    assert list(all_problems(reading)) == []
    assert [site.id for site in reading.sites] == ["berlin", "paris"]
    assert reading.daemon is not None
    assert (reading.daemon.port, reading.daemon.database) == (9999, tmp_path / "sitebind.db")


def test_the_same_id_twice_is_a_finding_in_both_places(tmp_path: Path, valid: str) -> None:
    """At the line that sets it, or at the file that gives it."""
    write(tmp_path / "a.ini", valid)
    write(tmp_path / "b.ini", "[site]\nid = a\n" + valid)
    write(tmp_path / "c.ini", valid)
    reading = read_config(tmp_path)
    assert [str(error).removeprefix(f"{tmp_path}/") for error in reading.errors] == [
        'a.ini: [site] id: the id "a" is also that of b.ini; give each site its own',
        'b.ini:2: [site] id: the id "a" is also that of a.ini; give each site its own',
    ]
    assert [site.settings is None for site in reading.sites] == [True, True, False]


def test_sections_stand_in_their_own_files(tmp_path: Path, valid: str) -> None:
    """[daemon] only in daemon.ini, and a site never there."""
    write(tmp_path / "daemon.ini", "[site]\nid = x\n[daemon]\nuse_proxy = yes\n")
    write(tmp_path / "a.ini", valid + "[daemon]\npace = 1\n")
    reading = read_config(tmp_path)
    assert [str(error).removeprefix(f"{tmp_path}/") for error in reading.errors] == [
        "daemon.ini:1: [site]: unknown section here; a site has its own file beside daemon.ini, for example site.ini",
        "daemon.ini:4: [daemon] use_proxy: unknown option",
        "a.ini:10: [daemon]: unknown section here; in a folder of sites [daemon] belongs in daemon.ini",
    ]
    assert reading.daemon is None


def test_a_folders_odd_files_are_findings_of_their_sites(tmp_path: Path, valid: str) -> None:
    """One bad site does not keep the others from being read."""
    without = valid.rstrip() + "\nrequire = none\n"
    write(tmp_path / "good.ini", without)
    write(tmp_path / "Bad Name.ini", without)
    (tmp_path / "folder.ini").mkdir()
    (tmp_path / "daemon.ini").mkdir()
    reading = read_config(tmp_path)
    assert [error.text for error in reading.errors] == [
        "the file cannot be read: it is a folder, not a file",
        'the file\'s name gives the site its id, and "Bad Name" is not a site id (1 to 63 of a-z, 0-9 and -)',
        "the file cannot be read: it is a folder, not a file",
    ]
    assert [site.id for site in reading.sites if site.settings] == ["good"]
    assert [len(site.warnings) for site in reading.sites] == [0, 0, 0]
    assert reading.daemon is None


def test_an_empty_folder_is_a_warning(tmp_path: Path) -> None:
    """Sites may come later; the daemon runs with its defaults."""
    reading = read_config(tmp_path)
    assert reading.errors == ()
    assert [problem.text for problem in reading.problems] == ["the folder holds no site"]
    assert reading.daemon == default_daemon(tmp_path)


def test_a_folder_that_cannot_be_listed_is_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel's refusal cannot be had as root, so it is played."""
    monkeypatch.setattr(Path, "iterdir", lambda _: (_ for _ in ()).throw(PermissionError(13, "Permission denied")))
    (error,) = read_config(tmp_path).errors
    assert error.text == "the folder cannot be read: permission denied"


# --- properties --------------------------------------------------------------------------------

_LINES = st.one_of(
    st.sampled_from([f"[{name}]" for name in options.SECTION_NAMES]),
    st.builds(
        "{}{}{}={}".format, st.sampled_from(["", " ", "\t", "  "]), st.sampled_from([o.name for o in options.OPTIONS]),
        st.sampled_from(["", " "]), st.text(max_size=12),
    ),
    st.text(max_size=20),
    st.sampled_from(["", " ", "# note", " ; note", "[x]", "[]", "[]]", "[a]b", " = ", "=x", "  more"]),
)  # fmt: skip
_TEXTS = st.lists(_LINES, max_size=25).map("\n".join)


@given(text=_TEXTS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_reading_never_raises_and_every_finding_has_a_place(text: str, tmp_path: Path) -> None:
    """Whatever stands in the file; and the scanner has always seen all that configparser would refuse."""
    path = tmp_path / "config.ini"
    path.write_bytes(text.encode(errors="replace"))
    found = list(all_problems(read_config(path)))
    last = text.count("\n") + text.count("\r") + 1
    assert all(problem.file == str(path) and 0 <= problem.line <= last for problem in found)
    assert all(problem.text and (problem.line or problem.option) for problem in found)
    assert "the file cannot be taken apart" not in {problem.text for problem in found}


@given(data=st.binary(max_size=80))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_reading_bytes_never_raises(data: bytes, tmp_path: Path) -> None:
    """Not every file is text."""
    path = tmp_path / "config.ini"
    path.write_bytes(data)
    assert read_config(path).errors


def test_the_socket_stands_beside_the_database_unless_something_else_is_said(
    read: Read, valid: str, tmp_path: Path
) -> None:
    """An empty value says that none is wanted; a relative path is relative to the file."""
    says = {
        "database = /var/lib/x.db": Path("/var/lib/x.sock"),
        "socket =": None,
        "socket = run/s": tmp_path / "run/s",
    }
    for line, wanted in says.items():
        reading = read(f"{valid}[daemon]\n{line}\n")
        assert reading.daemon is not None
        assert (reading.daemon.socket, reading.problems) == (wanted, ())


def test_the_options_of_access_become_settings(read: Read, valid: str, tmp_path: Path) -> None:
    """As they are written in the example file."""
    lines = "socket_mode = 600\nrate_limit = 5\nmetrics_listen = [::1]:9\ntls_certificate = c\ntls_key = k\n"
    daemon = read(f"{valid}[daemon]\n{lines}").daemon
    assert daemon is not None
    assert (daemon.socket_mode, daemon.rate_limit, daemon.rate_burst) == (0o600, 5, None)
    assert (daemon.metrics_listen, daemon.tls_certificate, daemon.tls_key) == (
        ("::1", 9), tmp_path / "c", tmp_path / "k",
    )  # fmt: skip
