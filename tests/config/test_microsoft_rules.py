"""The guide's rules of the Accounts tab: what the options of the Microsoft side mean together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from daemon.config.ini import all_problems, read_config
from daemon.config.model import AccountSettings, DirectorySettings, Reading, SecretSource, SiteSettings
from daemon.config.prerequisites import directory_lacks, is_hybrid, mailbox_lacks, platforms
from daemon.ports import Secret

Read = Callable[[str], Reading]
SECRET = SecretSource(kind="literal", text=Secret("s"))
HEAD = "[binding]\nauthentication_type = application\nclient_id = c\nclient_secret = env:S\n"
CLOUD = "directory_type = microsoft-365-directory\ntenant_id = t.example\nclient_id = c\nclient_secret = env:S\n"
MAILBOX = "[account]\nsmtp_address = a@example.com\npassword = env:P\n"
DIRECTORY = "[directory]\nserver = dc\nuser = u\npassword = env:P\n"


def told(read: Read, text: str) -> list[str]:
    return [f"{problem.severity} {str(problem).rpartition('config.ini')[2]}" for problem in all_problems(read(text))]


def test_a_site_without_a_microsoft_side_is_told_what_to_set_or_to_take_out(read: Read) -> None:
    """Required by default only: a warning, and the site goes on working as before an upgrade."""
    assert told(read, HEAD) == [
        (
            "warning :1: [binding] require: includes mailbox and directory by default, and [account] smtp_address and "
            "[directory] user are not set, so they are not looked at; set them, or take the mailbox and directory out: "
            "require = none"
        )
    ]


def test_a_step_that_is_required_in_so_many_words_must_be_possible(read: Read) -> None:
    """Then it is an error, at the line that says so."""
    text = f"{HEAD}require = mailbox, directory\n{MAILBOX}"
    assert told(read, text) == [
        (
            "error :5: [binding] require: names the directory, and [directory] user is not set; set it, or take the "
            "directory out: require = mailbox"
        )
    ]
    assert told(read, f"{HEAD}require = mailbox\n{MAILBOX}") == []
    assert told(read, f"{HEAD}require = none\n") == []
    assert told(read, f"{HEAD}{MAILBOX}{DIRECTORY}") == []
    assert told(read, f"{HEAD}[account]\nsmtp_address = a@example.com\n{CLOUD}") == []


@pytest.mark.parametrize("value", ["mailbx", "mailbox,", "none, mailbox", "mailbox directory"])
def test_only_these_two_steps_can_be_required(read: Read, value: str) -> None:
    """A word that is none of them is a finding, and what it meant is not guessed at."""
    (line,) = told(read, f"{HEAD}require = {value}\n")
    assert line.startswith("error :5: [binding] require: ")
    assert line.endswith("mailbox, directory, both, or none")


def test_a_lacking_option_that_is_only_badly_written_is_told_once(read: Read) -> None:
    """The line with the slip is the finding; that it is not set would be a second one."""
    lines = told(read, f"{HEAD}[account]\nsmtp_address = nobody\npassword = env:P\n{DIRECTORY}")
    assert [line.split(": ")[1] for line in lines] == ["[account] smtp_address"]


def test_what_microsoft_365_does_not_use_is_said(read: Read) -> None:
    """The password of the form is for Exchange on premises only."""
    text = f"{HEAD}[account]\nsmtp_address = a@example.com\npassword = env:P\n{CLOUD}"
    assert told(read, text) == [
        (
            "warning :7: [account] password: is not used by directory_type = microsoft-365-directory; Microsoft "
            "365 takes client_id and client_secret: remove it"
        )
    ]


def test_no_sign_in_at_the_mailbox_is_warned_about_where_it_cannot_work(read: Read) -> None:
    """`requires_authentication = no` means what it says."""
    anonymous = "[account]\nsmtp_address = a@example.com\nrequires_authentication = no\n"
    assert told(read, f"{HEAD}{anonymous}{CLOUD}") == [
        (
            "warning :7: [account] requires_authentication: no sends no credentials, and Microsoft 365 serves no "
            "mailbox without; set yes"
        )
    ]
    assert told(read, f"{HEAD}{anonymous}{DIRECTORY}") == []
    assert told(read, f"{HEAD}{anonymous}password = env:P\n{DIRECTORY}") == [
        "warning :8: [account] password: is not used, because requires_authentication = no; remove one of them"
    ]


def test_an_unknown_identity_host_needs_the_other_two_addresses(read: Read) -> None:
    """Nothing is guessed from a host that is none of Microsoft's own."""
    head = f"{HEAD}[account]\nsmtp_address = a@example.com\n{CLOUD}host_address = login.example.com\n"
    assert told(read, head) == [
        "error :11: [account] graph_url: is not set, and host_address needs it",
        "error :11: [account] exchange_online_url: is not set, and host_address needs it",
    ]
    others = "graph_url = https://graph.example.com\nexchange_online_url = https://mail.example.com\n"
    assert told(read, head + others) == []
    assert told(read, head.replace("login.example.com", "login.microsoftonline.us")) == []


def test_the_directorys_user_and_password_go_together(read: Read) -> None:
    """Half a sign-in is a slip."""
    assert told(read, f"{HEAD}require = none\n[directory]\nserver = dc\nuser = u\n") == [
        "error :8: [directory] password: is not set, and user needs it"
    ]
    assert told(read, f"{HEAD}require = none\n[directory]\nserver = dc\npassword = env:P\n") == [
        "error :8: [directory] user: is not set, and password needs it"
    ]


def test_plain_text_to_the_directory_is_warned_about(read: Read) -> None:
    """At every start, since warnings are told then."""
    assert told(read, f"{HEAD}{MAILBOX}{DIRECTORY}security = none\n") == [
        (
            "warning :12: [directory] security: none sends the directory password in plain text; take ldaps or "
            "starttls, unless this is a test"
        )
    ]


def test_the_guides_table_of_target_environments() -> None:
    """On premises, hybrid, and Microsoft 365 alone: where the mailbox account works, and where it is looked up."""
    exchange = AccountSettings(smtp_address="a@example.com", password=SECRET)
    hybrid = AccountSettings(
        smtp_address="a@example.com", password=SECRET, tenant_id="t", client_id="c", client_secret=SECRET
    )
    cloud = AccountSettings(
        smtp_address="a@example.com", directory_type="microsoft-365-directory", tenant_id="t", client_id="c"
    )
    assert [platforms(account) for account in (exchange, hybrid, cloud)] == [
        ("exchange",),
        ("exchange", "microsoft-365"),
        ("microsoft-365",),
    ]
    assert [is_hybrid(account) for account in (exchange, hybrid, cloud)] == [False, True, False]
    lacks = [mailbox_lacks(SiteSettings(account=account)) for account in (exchange, hybrid, cloud)]
    assert lacks == ["", "", "[account] client_secret"]
    assert directory_lacks(SiteSettings(account=cloud)) == "[account] client_secret"
    assert directory_lacks(SiteSettings(directory=DirectorySettings(user="u", password=SECRET))) == "[directory] server"
    assert directory_lacks(SiteSettings(directory=DirectorySettings(user="u"))) == "[directory] password"


def test_the_windows_tools_file_reads_as_it_stands(tmp_path: Path) -> None:
    """All fields of the Accounts tab at once, hybrid."""
    path = tmp_path / "config.ini"
    path.touch(mode=0o600)
    path.write_text(
        f"{HEAD}[account]\nsmtp_address = a@example.com\npassword = env:P\nuse_exchange_impersonation = yes\n"
        "impersonation_probe = b@example.com\nrequires_authentication = yes\n"
        "directory_type = Microsoft Active Directory\n"
        f"host_address = login.microsoftonline.com\n{CLOUD.partition(chr(10))[2]}{DIRECTORY}"
    )
    reading = read_config(path)
    assert list(all_problems(reading)) == []
    settings = reading.sites[0].settings
    assert settings is not None
    assert is_hybrid(settings.account)


@pytest.mark.parametrize("tenant", ["not a tenant", "common", "5b1f7c3e-0d5a-4c62-9a41", "https://example.com"])
def test_a_tenant_is_a_guid_or_a_domain(read: Read, tenant: str) -> None:
    """The identity platform knows nothing else, so a slip is told before it is asked."""
    text = f"{HEAD}[account]\nsmtp_address = a@example.com\n{CLOUD}".replace("t.example", tenant)
    assert told(read, text) == [
        (
            f'error :8: [account] tenant_id: "{tenant}" is neither a GUID nor a domain; the Directory (tenant) ID of '
            "the app registration, or a domain such as example.onmicrosoft.com"
        )
    ]


@pytest.mark.parametrize("tenant", ["5b1f7c3e-0d5a-4c62-9a41-2f0e6d7ac001", "Example.onmicrosoft.com"])
def test_both_names_of_a_tenant_are_good(read: Read, tenant: str) -> None:
    """As written."""
    reading = read(f"{HEAD}[account]\nsmtp_address = a@example.com\n{CLOUD}".replace("t.example", tenant))
    assert list(all_problems(reading)) == []
    assert reading.sites[0].settings is not None
    assert reading.sites[0].settings.account.tenant_id == tenant


@pytest.mark.parametrize(
    "base, meant",
    [
        ("example.com", "DC=example,DC=com"),
        ("Users", "DC=corp,DC=example,DC=com"),
        ("DC=example,", "DC=corp,DC=example,DC=com"),
        ("DC=,DC=com", "DC=corp,DC=example,DC=com"),
    ],
)
def test_a_base_dn_is_a_distinguished_name(read: Read, base: str, meant: str) -> None:
    """With the domain's own components where a domain was written."""
    assert told(read, f"{HEAD}{MAILBOX}{DIRECTORY}base_dn = {base}\n") == [
        f'error :12: [directory] base_dn: "{base}" is not a distinguished name; it is written {meant}'
    ]


@pytest.mark.parametrize("base", ["DC=a,DC=b", "OU=Lovelace\\, Ada = 1 , dc=a", "2.5.4.11=München,DC=x"])
def test_distinguished_names_of_every_shape_are_good(read: Read, base: str) -> None:
    """Escaped commas, blanks, numbers for names."""
    assert told(read, f"{HEAD}{MAILBOX}{DIRECTORY}base_dn = {base}\n") == []


def test_a_probe_that_is_the_account_itself_is_warned_about(read: Read) -> None:
    """In any spelling; the doctor would find impersonation unproved without a word why."""
    assert told(read, f"{HEAD}{MAILBOX}impersonation_probe = A@Example.com\n{DIRECTORY}") == [
        (
            "warning :8: [account] impersonation_probe: is the account itself, which proves nothing; name another "
            "mailbox, or remove the line"
        )
    ]
    assert told(read, f"{HEAD}{MAILBOX}impersonation_probe = b@example.com\n{DIRECTORY}") == []


@pytest.mark.parametrize("platform", ["on premises", "cloud"])
def test_domains_that_leave_the_account_out_are_warned_about(read: Read, platform: str) -> None:
    """Its own address is what the step `directory` looks up."""
    text = f"{HEAD}{MAILBOX}{DIRECTORY}"
    if platform == "cloud":
        text = f"{HEAD}[account]\nsmtp_address = a@example.com\n{CLOUD}[directory]\n"
    line = text.count("\n") + 1
    assert told(read, f"{text}domains = other.test, more.test\n") == [
        (
            f"warning :{line}: [directory] domains: leaves out example.com, the domain of [account] smtp_address, so "
            "that the directory step, which looks that address up, fails; add example.com, or remove the line"
        )
    ]
    assert told(read, f"{text}domains = other.test, Example.com\n") == []


def test_domains_are_compared_as_dns_spells_them(read: Read) -> None:
    """An internationalised domain has two spellings."""
    text = f"{HEAD}{MAILBOX}{DIRECTORY}domains = xn--bcher-kva.example\n".replace("a@example.com", "a@bücher.example")
    assert told(read, text) == []
