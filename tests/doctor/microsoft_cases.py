"""Faults of the Microsoft side, one at a time, and the layer at which the doctor must name each. See `cases.py`."""

from __future__ import annotations

import asyncio

from daemon.sandbox import tenant
from tests.doctor.cases import Case
from tests.doctor.clinic import Clinic, MakeIll, stranger


async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Take everything in, and say nothing."""
    await reader.read(-1)


def microsoft(trouble_name: str, **options: object) -> MakeIll:
    """A trouble of the sandbox's Microsoft, after what was kept from before has run out."""

    async def make_ill(clinic: Clinic) -> None:
        await clinic.manual_hours(2)
        clinic.sandbox.script.start(trouble_name, **options)  # type: ignore[arg-type]

    return make_ill


async def on_premises(clinic: Clinic) -> None:
    """The account's mailbox is on premises, and autodiscover of Exchange Online sends there."""
    person = clinic.sandbox.world.tenant.person(tenant.DEMO_MAILBOX)
    assert person is not None
    person.mailbox = "on-premises"


async def unknown_address(clinic: Clinic) -> None:
    """Nobody in the directory has the account's address any more."""
    del clinic.sandbox.world.tenant.people[tenant.DEMO_MAILBOX]


async def no_domain_controller(clinic: Clinic) -> None:
    """Nothing listens where the domain controller should be."""
    port = await clinic.closed_port()
    clinic.options["directory"] = {"server": f"127.0.0.1:{port}", "user": "reader@example.test"}
    clinic.options["directory"]["password"] = "literal:Wr0ng!"


async def silent_domain_controller(clinic: Clinic) -> None:
    """Something listens there and never says a word."""
    port = await clinic.servers.open(silence)
    clinic.options["directory"] = {"server": f"127.0.0.1:{port}", "user": "reader@example.test"}
    clinic.options["directory"]["password"] = "literal:Wr0ng!"


async def forged_domain_controller(clinic: Clinic) -> None:
    """Its certificate comes from a CA that nobody here knows."""
    port = await clinic.servers.open(silence, stranger(clinic.authority))
    clinic.options["directory"] = {"server": f"localhost:{port}", "user": "reader@example.test"}
    clinic.options["directory"]["password"] = "literal:Wr0ng!"


CLOUD, EXCHANGE = "microsoft-365", "exchange"
MICROSOFT_CASES = (
    Case(
        "Microsoft 365 alone is configured, and the mailbox is on premises",
        "directory type",
        "it has to be microsoft-active-directory",
        on_premises,
        microsoft=CLOUD,
    ),
    Case(
        "the client secret of the app registration is wrong",
        "mailbox sign-in",
        "AADSTS7000215",
        microsoft("wrong-client-secret"),
        microsoft=CLOUD,
    ),
    Case(
        "that client secret has expired",
        "mailbox sign-in",
        "AADSTS7000222",
        microsoft("expired-client-secret"),
        microsoft=CLOUD,
    ),
    Case("the tenant is not known", "mailbox sign-in", "AADSTS90002", microsoft("wrong-tenant"), microsoft=CLOUD),
    Case(
        "the app registration is not in the tenant",
        "mailbox sign-in",
        "AADSTS700016",
        microsoft("unknown-registration"),
        microsoft=CLOUD,
    ),
    Case(
        "nobody consented to the app's permissions",
        "mail enabled",
        "Read",
        microsoft("missing-consent"),
        microsoft=CLOUD,
    ),
    Case(
        "the account has no mailbox in Microsoft 365",
        "mail enabled",
        "MailboxNotEnabledForRESTAPI",
        microsoft("no-mailbox"),
        microsoft=CLOUD,
    ),
    Case(
        "the account's address is in no directory",
        "mail enabled",
        "sync.engine@example.test",
        unknown_address,
        microsoft=CLOUD,
    ),
    Case(
        "the app may not work in other mailboxes",
        "impersonation",
        "ErrorAccessDenied",
        microsoft("no-impersonation"),
        microsoft=CLOUD,
    ),
    Case(
        "autodiscover of Exchange is nowhere to be found",
        "autodiscover",
        "found nothing",
        microsoft("no-autodiscover"),
        microsoft=EXCHANGE,
    ),
    Case(
        "autodiscover runs in a circle",
        "autodiscover",
        "circle",
        microsoft("redirect-loop"),
        microsoft=EXCHANGE,
    ),
    Case(
        "Exchange refuses the mailbox account's password",
        "mailbox sign-in",
        "did not accept",
        microsoft("wrong-mailbox-password"),
        microsoft=EXCHANGE,
    ),
    Case(
        "Exchange Web Services are switched off",
        "mailbox sign-in",
        "403",
        microsoft("ews-disabled"),
        microsoft=EXCHANGE,
    ),
    Case(
        "the account has no mailbox on premises",
        "mail enabled",
        "ErrorMissingEmailAddress",
        microsoft("no-mailbox"),
        microsoft=EXCHANGE,
    ),
    Case(
        "the account may not impersonate",
        "impersonation",
        "ErrorImpersonateUserDenied",
        microsoft("no-impersonation"),
        microsoft=EXCHANGE,
    ),
    Case("no domain controller answers", "directory server", "127.0.0.1", no_domain_controller, microsoft=EXCHANGE),
    Case("the domain controller is silent", "directory tls", "", silent_domain_controller, microsoft=EXCHANGE),
    Case(
        "the domain controller's certificate is not trusted",
        "directory tls",
        'issued by "Inspecting Firewall CA"',
        forged_domain_controller,
        microsoft=EXCHANGE,
    ),
)
"""The Microsoft side; what a real Active Directory answers is in tests/directory."""
