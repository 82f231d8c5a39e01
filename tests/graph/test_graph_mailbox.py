"""The mailbox account in Microsoft 365, over the wire against the sandbox."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from daemon.ports import MAILBOX_LAYERS, Examination, Layer, Secret, Sighting
from daemon.sandbox import Sandbox
from daemon.sandbox import tenant as known
from daemon.sandbox.tenant import Person, Tenant
from states import Fault
from tests.contracts.cloud import assert_tells_no_secret
from tests.graph.conftest import Office
from tests.graph.scripted import Request, ScriptedCloud
from tests.providers.conftest import Authority, Servers, authority, servers

__all__ = ["authority", "servers"]

NO_MAIL = frozenset(role for role in known.GRAPH_ROLES if not role.startswith("Mail."))
ONLY_MAIL = frozenset({"Mail.ReadBasic.All"})
OTHER = "grace.hopper@example.test"
IN_CLOUD = Sighting(whereabouts="microsoft-365", seen=f"{known.DEMO_MAILBOX} has a mailbox in Exchange Online")
HYBRID = Sighting(whereabouts="hybrid", seen="the tenant's users come from an Active Directory")


async def examined(office: Office, **changes: Any) -> Examination:
    found: Examination = await office.in_time(office.mailbox(**changes).examine())
    for layer in found.layers:
        if layer.fault is not None:
            assert_tells_no_secret(layer.fault, {known.DEMO_GRAPH_SECRET})
    return found


def ended_at(found: Examination, name: str) -> Layer:
    """The last layer, which must be this one and hold a fault; all before it are passed."""
    *before, last = found.layers
    assert [layer.fault for layer in before] == [None] * len(before)
    assert last.name == name
    assert last.fault is not None
    return last


def roles(tenant: Tenant, granted: frozenset[str]) -> None:
    own = tenant.registrations[known.DEMO_GRAPH_CLIENT]
    tenant.add(replace(own, roles=granted))


# --- all is well -------------------------------------------------------------------------------


async def test_every_layer_is_passed_and_tells_its_evidence(office: Office) -> None:
    """The demo's account: Exchange Online, signed in, a mailbox, and another one opened."""
    found = await examined(office)
    assert tuple(layer.name for layer in found.layers) == MAILBOX_LAYERS
    assert {layer.status for layer in found.layers} == {"passed"}
    autodiscover, sign_in, mail, impersonation = (layer.detail for layer in found.layers)
    assert "so to Exchange Online" in autodiscover
    assert "Mail.ReadBasic.All" in sign_in
    assert mail == IN_CLOUD.seen
    assert impersonation == f"opened the inbox of {known.DEMO_PROBE}, another mailbox"
    assert found.sightings == (IN_CLOUD,)


async def test_an_examination_only_reads(office: Office, sandbox: Sandbox) -> None:
    """One question to autodiscover, one token, and a user and an inbox for each of the two mailboxes."""
    await examined(office)
    assert sandbox.calls == {"autodiscover": 1, "identity": 1, "graph": 4}


async def test_an_alias_finds_its_mailbox(office: Office) -> None:
    """The account's address need not be the user's principal name."""
    found = await examined(office, smtp_address="ada@example.test", probe_address=OTHER)
    assert {layer.status for layer in found.layers} == {"passed"}


async def test_a_principal_name_that_is_no_address_is_no_hindrance(
    office: Office, tenant: Tenant, sandbox: Sandbox
) -> None:
    """Graph opens mailboxes by principal name or id: the address is looked up first."""
    tenant.people[known.DEMO_MAILBOX].principal_name = "svc-sync@corp.example.test"
    found = await examined(office)
    assert {layer.status for layer in found.layers} == {"passed"}
    assert sandbox.calls["graph"] == 5


async def test_only_permissions_for_mail_are_enough(office: Office, tenant: Tenant) -> None:
    """Without a look at users, the address itself names the mailbox."""
    roles(tenant, ONLY_MAIL)
    found = await examined(office)
    assert [layer.status for layer in found.layers] == ["passed"] * 4
    assert found.sightings == (IN_CLOUD,)


async def test_a_disabled_user_with_a_mailbox_passes_and_is_told(office: Office, tenant: Tenant) -> None:
    tenant.people[known.DEMO_MAILBOX].enabled = False
    assert "its user is disabled" in (await examined(office)).layers[2].detail


# --- autodiscover ------------------------------------------------------------------------------


async def test_a_mailbox_on_premises_is_seen_twice(office: Office, tenant: Tenant) -> None:
    """Autodiscover leads away, which is not followed; then the cloud has no mailbox."""
    tenant.people[known.DEMO_MAILBOX].mailbox = "on-premises"
    tenant.people[known.DEMO_MAILBOX].synchronized = True
    found = await examined(office)
    assert found.layers[0].status == "warning"
    assert "a server of your own" in found.layers[0].detail
    assert "directory_type = microsoft-active-directory" in found.layers[0].remedy
    last = ended_at(found, "mail enabled")
    assert last.fault is not None
    assert last.fault.fault is Fault.MAILBOX_MISSING
    assert "inactive, deleted or on premises" in last.detail
    assert [sighting.whereabouts for sighting in found.sightings] == ["on-premises", "hybrid"]


async def test_a_circle_inside_the_cloud_is_not_followed(office: Office, sandbox: Sandbox) -> None:
    """Graph needs no autodiscover, so it is a warning."""
    sandbox.script.start("redirect-loop")
    first = (await examined(office)).layers[0]
    assert first.status == "warning"
    assert "not followed" in first.detail
    assert sandbox.calls["autodiscover"] == 1


async def test_missing_autodiscover_ends_the_way(office: Office, sandbox: Sandbox) -> None:
    sandbox.script.start("no-autodiscover")
    last = ended_at(await examined(office), "autodiscover")
    assert last.fault is not None
    assert last.fault.fault is Fault.AUTODISCOVER_FAILED
    assert "HTTP 404" in last.detail


@pytest.mark.parametrize(
    "trouble, fault",
    [
        ("throttled", Fault.THROTTLED),
        ("service-error", Fault.SERVICE_ERROR),
        ("wrong-shape", Fault.ANSWER_MALFORMED),
        ("malformed-body", Fault.ANSWER_MALFORMED),
        ("huge-body", Fault.ANSWER_TOO_LARGE),
        ("reset", Fault.CONNECTION_LOST),
    ],
)
async def test_trouble_with_autodiscover_is_told_apart(
    office: Office, sandbox: Sandbox, trouble: str, fault: Fault
) -> None:
    sandbox.script.start(trouble, endpoint="autodiscover")
    last = ended_at(await examined(office), "autodiscover")
    assert last.fault is not None
    assert last.fault.fault is fault


async def test_autodiscovers_own_refusal_is_quoted(office: Office) -> None:
    """Its code says what was wrong with the question."""
    last = ended_at(await examined(office, smtp_address="no-address"), "autodiscover")
    assert "InvalidRequest" in last.detail


# --- sign-in -----------------------------------------------------------------------------------


async def test_a_refused_secret_ends_the_way_at_the_sign_in(office: Office, sandbox: Sandbox) -> None:
    wrong = office.registered(client_secret=Secret("mistyped-secret"))
    last = ended_at(await examined(wrong), "mailbox sign-in")
    assert last.fault is not None
    assert last.fault.fault is Fault.CLIENT_SECRET_REFUSED
    await examined(wrong)
    assert sandbox.calls["identity"] == 1


async def test_a_person_who_asks_has_the_secret_proved_anew(office: Office, sandbox: Sandbox) -> None:
    """A token that is kept must not hide that the secret ran out."""
    await examined(office)
    sandbox.script.start("expired-client-secret")
    assert (await examined(office)).layers[1].fault is None
    last = ended_at(await examined(office, afresh=True), "mailbox sign-in")
    assert last.fault is not None
    assert last.fault.fault is Fault.CLIENT_SECRET_EXPIRED


async def test_without_authentication_nothing_is_sent(office: Office, sandbox: Sandbox) -> None:
    """`requires_authentication = no` means what it says, and that it cannot work here."""
    last = ended_at(await examined(office, requires_authentication=False), "mailbox sign-in")
    assert last.fault is not None
    assert last.fault.fault is Fault.MAILBOX_SIGN_IN_OMITTED
    assert "requires_authentication = yes" in last.fault.fault.remedy
    assert sandbox.calls == {"autodiscover": 1}


# --- mail enabled ------------------------------------------------------------------------------


@pytest.mark.parametrize("trouble", ["no-mailbox", "half-migrated"])
async def test_a_user_without_a_mailbox_is_told(office: Office, sandbox: Sandbox, trouble: str) -> None:
    sandbox.script.start(trouble)
    last = ended_at(await examined(office), "mail enabled")
    assert last.fault is not None
    assert last.fault.fault is Fault.MAILBOX_MISSING
    assert "MailboxNotEnabledForRESTAPI" in last.detail
    assert "Give the account a mailbox" in last.fault.fault.remedy


async def test_an_address_that_nobody_has_is_told(office: Office) -> None:
    last = ended_at(await examined(office, smtp_address="nobody@example.test"), "mail enabled")
    assert last.fault is not None
    assert last.fault.fault is Fault.MAILBOX_MISSING
    assert "no user of the tenant has the address nobody@example.test" in last.detail


async def test_an_address_that_nobody_has_is_told_without_a_look_at_users(office: Office, tenant: Tenant) -> None:
    roles(tenant, ONLY_MAIL)
    last = ended_at(await examined(office, smtp_address="nobody@example.test"), "mail enabled")
    assert last.fault is not None
    assert last.fault.fault is Fault.MAILBOX_MISSING
    assert "ResourceNotFound" in last.detail


async def test_a_synchronized_user_tells_of_an_active_directory(office: Office, tenant: Tenant) -> None:
    """Hybrid: also when the mailbox is in the cloud already."""
    tenant.people[known.DEMO_MAILBOX].synchronized = True
    assert (await examined(office)).sightings == (HYBRID, IN_CLOUD)


async def test_without_permission_for_mail_the_mailbox_is_tried_and_both_ways_are_named(
    office: Office, tenant: Tenant
) -> None:
    """RBAC for Applications leaves no trace in the token, so its absence there is no failure yet."""
    roles(tenant, NO_MAIL)
    found = await examined(office)
    assert found.layers[1].status == "passed"
    assert "RBAC for Applications has to" in found.layers[1].detail
    last = ended_at(found, "mail enabled")
    assert last.fault is not None
    assert last.fault.fault is Fault.CONSENT_MISSING
    for part in ("Mail.ReadBasic.All", "RBAC for Applications", "up to two hours"):
        assert part in last.detail


async def test_a_mailbox_that_moves_is_waited_for_a_while(office: Office, sandbox: Sandbox) -> None:
    """It passes by itself."""
    sandbox.script.start("moved-mailbox", times=2)
    assert {layer.status for layer in (await examined(office)).layers} == {"passed"}
    sandbox.script.start("moved-mailbox")
    last = ended_at(await examined(office), "mail enabled")
    assert last.fault is not None
    assert last.fault.fault is Fault.EXCHANGE_BUSY
    assert last.fault.fault.heals_by_itself
    assert "were waited for it in this call" in last.detail


# --- impersonation -----------------------------------------------------------------------------


async def test_a_mailbox_that_may_not_be_opened_denies_the_right(office: Office, sandbox: Sandbox) -> None:
    sandbox.script.start("no-impersonation")
    last = ended_at(await examined(office), "impersonation")
    assert last.fault is not None
    assert last.fault.fault is Fault.IMPERSONATION_DENIED
    for part in ("ErrorAccessDenied", "Mail.ReadBasic.All", "RBAC for Applications", "up to two hours"):
        assert part in last.detail


@pytest.mark.parametrize("probe", ["", known.DEMO_MAILBOX, known.DEMO_MAILBOX.upper()])
async def test_without_another_mailbox_it_is_not_proved(office: Office, probe: str) -> None:
    """Opening the account's own mailbox would prove nothing."""
    last = (await examined(office, probe_address=probe)).layers[-1]
    assert last.status == "warning"
    assert "not proved" in last.detail
    assert "[account] impersonation_probe" in last.remedy


async def test_without_impersonation_it_is_not_proved_and_says_so(office: Office, sandbox: Sandbox) -> None:
    last = (await examined(office, impersonates=False)).layers[-1]
    assert last.status == "skipped"
    assert "use_exchange_impersonation = no" in last.detail
    assert sandbox.calls["graph"] == 2


@pytest.mark.parametrize("probe", ["nobody@example.test", "no.licence@example.test"])
async def test_a_probe_without_a_mailbox_is_told(office: Office, probe: str) -> None:
    last = ended_at(await examined(office, probe_address=probe), "impersonation")
    assert last.fault is not None
    assert last.fault.fault is Fault.PROBE_MAILBOX_MISSING


async def test_the_bind_accounts_mailbox_is_the_probe_where_there_is_none(office: Office) -> None:
    """It is another mailbox too."""
    last = (await examined(office, probe_address="", bind_address=OTHER)).layers[-1]
    assert last.status == "passed"
    assert OTHER in last.detail


async def test_a_bind_account_without_a_mailbox_proves_nothing(office: Office) -> None:
    last = (await examined(office, probe_address="", bind_address="no.licence@example.test")).layers[-1]
    assert last.status == "warning"
    assert "no.licence@example.test, the bind account, has no mailbox here" in last.detail


async def test_the_bind_account_denies_the_right_where_it_is_the_probe(office: Office, sandbox: Sandbox) -> None:
    sandbox.script.start("no-impersonation")
    last = ended_at(await examined(office, probe_address="", bind_address=OTHER), "impersonation")
    assert last.fault is not None
    assert last.fault.fault is Fault.IMPERSONATION_DENIED


async def test_the_bind_accounts_mailbox_is_looked_at_beside_the_probe(office: Office) -> None:
    last = (await examined(office, bind_address=OTHER)).layers[-1]
    assert last.status == "passed"
    assert f"and of {OTHER}, the bind account's" in last.detail


async def test_a_bind_account_without_a_mailbox_is_a_warning(office: Office) -> None:
    """The guide wants its user mail enabled."""
    last = (await examined(office, bind_address="no.licence@example.test")).layers[-1]
    assert last.status == "warning"
    assert "no.licence@example.test" in last.remedy


async def test_a_bind_account_of_the_same_address_is_not_looked_at_twice(office: Office, sandbox: Sandbox) -> None:
    await examined(office, bind_address=known.DEMO_MAILBOX.upper())
    assert sandbox.calls["graph"] == 4


def of_opaque_tokens(request: Request) -> tuple[int, dict[str, str], Any]:
    """A cloud whose tokens tell nothing: users may not be read, the bind account's mailbox moves for ever."""
    if request.target.startswith("/autodiscover"):
        return 200, {}, {"Protocol": "EWS", "Url": f"https://{request.headers['host']}/EWS/Exchange.asmx"}
    if "/mailFolders/" not in request.target:
        return 403, {}, {"error": {"code": "Authorization_RequestDenied", "message": "no"}}
    if OTHER in request.target:
        return 503, {}, {"error": {"code": "ErrorMailboxMoveInProgress", "message": "moving"}}
    return 200, {}, {"id": "inbox"}


async def test_with_an_opaque_token_the_address_itself_is_tried(
    servers: Servers, authority: Authority, office_at: Callable[[str, Path], Office]
) -> None:
    """And what is wrong with Exchange while the bind account is looked at is no warning about that mailbox."""
    port = await servers.open(ScriptedCloud(of_opaque_tokens).handler(), authority.good())
    office = office_at(f"https://localhost:{port}", authority.ca_file)
    assert {layer.status for layer in (await examined(office)).layers} == {"passed"}
    last = ended_at(await examined(office, bind_address=OTHER), "impersonation")
    assert last.fault is not None
    assert last.fault.fault is Fault.EXCHANGE_BUSY


async def test_a_new_person_is_a_probe_at_once(office: Office, tenant: Tenant) -> None:
    """Nothing of users is kept between examinations."""
    await examined(office)
    tenant.add(Person(address="new.hire@example.test", display_name="New Hire"))
    assert (await examined(office, probe_address="new.hire@example.test")).layers[-1].status == "passed"
