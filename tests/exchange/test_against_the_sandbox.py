"""The adapter before the sandbox's Exchange: every trouble of the script, every error code, and a bad network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from daemon.ports import Examination, MailboxAccess, ProviderFault, Registration, Route, Secret
from daemon.providers.autodiscover_srv import SrvRecords
from daemon.providers.ews_errors import TABLE, Row
from daemon.providers.http import HttpClients, Limits
from daemon.providers.identity import Identity
from daemon.providers.refused_sign_ins import RefusedSignIns
from daemon.providers.tokens import Tokens
from daemon.sandbox import Sandbox
from daemon.sandbox import tenant as known
from daemon.sandbox.tenant import Tenant
from states import Fault
from tests.clock import ManualClock
from tests.contracts.cloud import assert_tells_no_secret
from tests.exchange.conftest import Office
from tests.exchange.internet import Internet
from tests.providers.conftest import Authority

SECRETS = {known.DEMO_MAILBOX_PASSWORD, known.DEMO_GRAPH_SECRET}
PASSED = [
    ("autodiscover", "passed"),
    ("mailbox sign-in", "passed"),
    ("mail enabled", "passed"),
    ("impersonation", "passed"),
]


def outcome(examination: Examination) -> list[tuple[str, str]]:
    """Each layer with its status, or with its fault's code."""
    return [(each.name, each.fault.fault.code if each.fault else each.status) for each in examination.layers]


def fault_of(examination: Examination) -> ProviderFault:
    fault = examination.layers[-1].fault
    assert fault is not None
    assert_tells_no_secret(fault, SECRETS)
    return fault


@pytest.fixture
def registration(sandbox: Sandbox) -> Registration:
    return Registration(
        tenant_id=known.DEMO_TENANT,
        client_id=known.DEMO_GRAPH_CLIENT,
        client_secret=Secret(known.DEMO_GRAPH_SECRET),
        authority=sandbox.microsoft_url,
        graph=sandbox.microsoft_url,
        outlook=sandbox.microsoft_url,
    )


@pytest.fixture
def route(sandbox: Sandbox, internet: Internet, authority: Authority, tmp_path: Path) -> Route:
    """By way of the small internet, so that the usual places of example.test are asked nowhere else."""
    ca_file = tmp_path / "both.pem"
    ca_file.write_bytes(sandbox.ca_file.read_bytes() + authority.ca_file.read_bytes())
    return Route(use_proxy=True, proxy_host="127.0.0.1", proxy_port=internet.port, ca_file=str(ca_file))


@pytest.fixture
def srv(internet: Internet) -> SrvRecords:
    return SrvRecords(["127.0.0.1"], port=internet.dns_port)


@pytest.fixture
def home(clients: HttpClients, clock: ManualClock, route: Route, srv: SrvRecords, sandbox: Sandbox) -> Office:
    """Exchange on premises, where everybody has a mailbox."""
    for person in sandbox.world.tenant.people.values():
        person.mailbox = "on-premises"
    access = MailboxAccess(
        platform="exchange",
        smtp_address=known.DEMO_MAILBOX,
        password=Secret(known.DEMO_MAILBOX_PASSWORD),
        probe_address=known.DEMO_PROBE,
        autodiscover_url=sandbox.exchange_url,
    )
    return Office(clients, clock, route, access, srv)


@pytest.fixture
def online(
    clients: HttpClients, clock: ManualClock, route: Route, srv: SrvRecords, registration: Registration
) -> Office:
    """Exchange Online over EWS, with tokens of the sandbox's identity platform."""
    access = MailboxAccess(
        platform="microsoft-365",
        protocol="ews",
        smtp_address=known.DEMO_MAILBOX,
        probe_address=known.DEMO_PROBE,
        registration=registration,
    )
    identity = Identity(
        clients.client(route),
        registration,
        tokens=Tokens(clock.monotonic),
        refusals=RefusedSignIns(clock.monotonic),
        new_request_id=lambda: "id-of-the-call",
    )
    return Office(clients, clock, route, access, srv, token=identity.token_for)


async def test_on_premises_all_layers_pass(home: Office) -> None:
    examination = await home.examine()
    assert outcome(examination) == PASSED
    assert [sighting.whereabouts for sighting in examination.sightings] == ["on-premises"]


async def test_online_all_layers_pass(online: Office) -> None:
    examination = await online.examine()
    assert outcome(examination) == PASSED
    assert [sighting.whereabouts for sighting in examination.sightings] == ["microsoft-365"]


@dataclass(frozen=True)
class Case:
    trouble: str
    layer: str
    fault: Fault

    def __str__(self) -> str:
        return self.trouble


ON_PREMISES = (
    Case("wrong-mailbox-password", "mailbox sign-in", Fault.MAILBOX_SIGN_IN_REFUSED),
    Case("no-impersonation", "impersonation", Fault.IMPERSONATION_DENIED),
    Case("no-mailbox", "mail enabled", Fault.MAILBOX_MISSING),
    Case("moved-mailbox", "mail enabled", Fault.EXCHANGE_BUSY),
    Case("half-migrated", "autodiscover", Fault.MAILBOX_MISSING),
    Case("redirect-loop", "autodiscover", Fault.AUTODISCOVER_FAILED),
    Case("no-autodiscover", "autodiscover", Fault.AUTODISCOVER_FAILED),
    Case("ews-disabled", "mailbox sign-in", Fault.EWS_DISABLED),
)
ONLINE = (
    Case("no-impersonation", "impersonation", Fault.IMPERSONATION_DENIED),
    Case("no-mailbox", "mail enabled", Fault.MAILBOX_MISSING),
    Case("moved-mailbox", "mail enabled", Fault.EXCHANGE_BUSY),
    Case("redirect-loop", "autodiscover", Fault.AUTODISCOVER_FAILED),
    Case("no-autodiscover", "autodiscover", Fault.AUTODISCOVER_FAILED),
    Case("ews-disabled", "mailbox sign-in", Fault.EWS_DISABLED),
    Case("expired-client-secret", "mailbox sign-in", Fault.CLIENT_SECRET_EXPIRED),
    Case("wrong-tenant", "mailbox sign-in", Fault.TENANT_UNKNOWN),
)


@pytest.mark.parametrize("case", ON_PREMISES, ids=str)
async def test_each_trouble_on_premises_shows_in_its_layer(
    home: Office, sandbox: Sandbox, registration: Registration, case: Case
) -> None:
    sandbox.script.start(case.trouble)
    examination = await home.examine(registration=registration)
    assert outcome(examination)[-1] == (case.layer, case.fault.code)
    fault_of(examination)


@pytest.mark.parametrize("case", ONLINE, ids=str)
async def test_each_trouble_online_shows_in_its_layer(online: Office, sandbox: Sandbox, case: Case) -> None:
    sandbox.script.start(case.trouble)
    examination = await online.examine()
    assert outcome(examination)[-1] == (case.layer, case.fault.code)
    fault_of(examination)


async def test_a_circle_is_told(home: Office, sandbox: Sandbox) -> None:
    sandbox.script.start("redirect-loop")
    assert "redirects in a circle" in fault_of(await home.examine()).detail


async def test_a_half_migrated_mailbox_is_seen_in_microsoft_365(
    home: Office, sandbox: Sandbox, registration: Registration
) -> None:
    sandbox.script.start("half-migrated")
    examination = await home.examine(registration=registration)
    assert [sighting.whereabouts for sighting in examination.sightings] == ["microsoft-365"]


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.code)
async def test_every_error_code_has_one_fault_with_its_remedy(home: Office, tenant: Tenant, row: Row) -> None:
    """The whole table, over the wire; whether it is tried again by itself follows from the fault."""
    tenant.ews_error = row.code
    examination = await home.examine()
    fault = fault_of(examination)
    another = examination.layers[-1].name == "impersonation"
    assert fault.fault is row.fault_for(another=another)
    assert row.code in fault.detail
    assert row.meaning in fault.detail
    assert fault.fault.remedy
    assert fault.fault.heals_by_itself is (fault.fault in {Fault.EXCHANGE_BUSY, Fault.SERVICE_ERROR})
    tenant.ews_error = ""
    assert outcome(await home.examine()) == PASSED


DELIVERY = {
    "throttled": Fault.THROTTLED,
    "service-error": Fault.SERVICE_ERROR,
    "empty-body": Fault.ANSWER_MALFORMED,
    "malformed-body": Fault.ANSWER_MALFORMED,
    "wrong-shape": Fault.ANSWER_MALFORMED,
    "huge-body": Fault.ANSWER_TOO_LARGE,
    "reset": Fault.CONNECTION_LOST,
    "half-body": Fault.CONNECTION_LOST,
}


@pytest.mark.parametrize("trouble", DELIVERY)
async def test_trouble_in_delivery_is_told_apart(home: Office, sandbox: Sandbox, trouble: str) -> None:
    """At EWS it is the sign-in's; at autodiscover the place says it, and no other place helps."""
    sandbox.script.start(trouble, endpoint="ews")
    examination = await home.examine()
    assert outcome(examination)[-1] == ("mailbox sign-in", DELIVERY[trouble].code)
    assert "id-of-the-call" in fault_of(examination).detail
    sandbox.script.heal()
    sandbox.script.start(trouble, endpoint="autodiscover")
    await home.clock.advance(10)
    examination = await home.examine()
    fault = fault_of(examination)
    assert len(examination.layers) == 1
    assert fault.fault in {Fault.AUTODISCOVER_FAILED, DELIVERY[trouble]}
    assert fault.fault.heals_by_itself


@pytest.mark.parametrize("endpoint", ["autodiscover", "ews"])
async def test_a_slow_answer_is_not_waited_for(
    home: Office, sandbox: Sandbox, clients: HttpClients, endpoint: str
) -> None:
    sandbox.script.start("slow", endpoint=endpoint, seconds=60.0)
    clients.limits = Limits(total=0.2)
    fault = fault_of(await home.examine())
    assert fault.fault is Fault.TIMED_OUT
