"""exchangelib gets what it documents: EWS by password and by token, and its own autodiscover, both against the sandbox.

It blocks, so it is called in a thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import exchangelib.autodiscover.cache
import pytest
import requests.adapters
from exchangelib import (
    BASIC,
    DELEGATE,
    IMPERSONATION,
    NTLM,
    Account,
    Configuration,
    Credentials,
    Identity,
    OAuth2Credentials,
    close_connections,
)
from exchangelib.autodiscover import AutodiscoverProtocol, Autodiscovery, autodiscover_cache
from exchangelib.errors import (
    AutoDiscoverCircularRedirect,
    AutoDiscoverFailed,
    ErrorInternalServerError,
    ErrorNonExistentMailbox,
    ErrorServerBusy,
    TransportError,
    UnauthorizedError,
)
from exchangelib.protocol import BaseProtocol
from exchangelib.version import EXCHANGE_2016, EXCHANGE_O365

from daemon.sandbox import Sandbox
from daemon.sandbox import tenant as known
from daemon.sandbox.tenant import Tenant, hybrid_tenant

pytestmark = pytest.mark.slow

GRACE = "grace.hopper@example.test"
Result = TypeVar("Result")


@pytest.fixture
def tenant(sandbox: Sandbox) -> Tenant:
    """A hybrid company; Grace's mailbox is in the cloud."""
    for address, person in hybrid_tenant().people.items():
        sandbox.world.tenant.people[address] = person
    return sandbox.world.tenant


@pytest.fixture(autouse=True)
def trusting(sandbox: Sandbox, tenant: Tenant, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """The library trusts the sandbox's CA, keeps nothing between tests, and writes to nobody's /tmp."""
    ca_file = str(sandbox.ca_file)

    class Trusting(requests.adapters.HTTPAdapter):
        def send(self, request: Any, **options: Any) -> Any:
            return super().send(request, **options | {"verify": ca_file})

    monkeypatch.setattr(BaseProtocol, "HTTP_ADAPTER_CLS", Trusting)
    monkeypatch.setattr(exchangelib.autodiscover.cache, "AUTODISCOVER_PERSISTENT_STORAGE", tmp_path / "cache")
    yield
    close_connections()
    autodiscover_cache.clear()


async def threaded(work: Callable[[], Result]) -> Result:
    return await asyncio.to_thread(work)


def account(
    sandbox: Sandbox,
    *,
    address: str = known.DEMO_MAILBOX,
    password: str = known.DEMO_MAILBOX_PASSWORD,
    access: str = DELEGATE,
    auth_type: str | None = None,
) -> Account:
    config = Configuration(
        service_endpoint=f"{sandbox.exchange_url}/EWS/Exchange.asmx",
        credentials=Credentials(known.DEMO_MAILBOX, password),
        auth_type=auth_type,
    )
    return Account(primary_smtp_address=address, config=config, autodiscover=False, access_type=access)


# Exchange Web Services on premises.


async def test_the_accounts_own_inbox_opens(sandbox: Sandbox) -> None:
    """The library finds out scheme and version by itself, and asks for every field that it knows."""

    def opened() -> Account:
        found = account(sandbox)
        found.inbox.refresh()
        return found

    found = await threaded(opened)
    assert (found.inbox.name, found.inbox.folder_class, found.inbox.total_count) == ("Inbox", "IPF.Note", 0)
    assert found.protocol.auth_type == BASIC
    assert found.version.build >= EXCHANGE_2016
    assert found.inbox.parent_folder_id is not None


async def test_another_inbox_opens_by_impersonation(sandbox: Sandbox) -> None:
    inbox = await threaded(lambda: account(sandbox, address=known.DEMO_PROBE, access=IMPERSONATION).inbox)
    own = await threaded(lambda: account(sandbox).inbox)
    assert inbox.name == "Inbox"
    assert inbox.id != own.id


# A busy server has a test of its own; after ErrorAccessDenied the library asks anew, by an operation that is not here.
EVERY_CODE = (
    "ErrorImpersonateUserDenied",
    "ErrorImpersonationDenied",
    "ErrorImpersonationFailed",
    "ErrorInvalidExchangeImpersonationHeaderData",
    "ErrorNonExistentMailbox",
    "ErrorMissingEmailAddress",
    "ErrorAccountDisabled",
    "ErrorPasswordExpired",
    "ErrorPasswordChangeRequired",
    "ErrorInvalidUserPrincipalName",
    "ErrorInvalidUserSid",
    "ErrorADUnavailable",
    "ErrorADOperation",
    "ErrorMailboxMoveInProgress",
    "ErrorMailboxStoreUnavailable",
    "ErrorMailboxFailover",
    "ErrorExceededConnectionCount",
    "ErrorInternalServerError",
)


@pytest.mark.parametrize("code", EVERY_CODE)
async def test_every_code_is_the_exception_of_its_name(sandbox: Sandbox, tenant: Tenant, code: str) -> None:
    tenant.ews_error = code
    kind = getattr(exchangelib.errors, code)
    with pytest.raises(kind):
        await threaded(lambda: account(sandbox, address=known.DEMO_PROBE, access=IMPERSONATION).inbox)


async def test_a_denied_impersonation_is_told(sandbox: Sandbox, tenant: Tenant) -> None:
    tenant.people[known.DEMO_MAILBOX].may_impersonate = False
    with pytest.raises(exchangelib.errors.ErrorImpersonateUserDenied, match="permission to impersonate"):
        await threaded(lambda: account(sandbox, address=known.DEMO_PROBE, access=IMPERSONATION).inbox)


@pytest.mark.parametrize("address", ["nobody@example.test", GRACE])
@pytest.mark.parametrize("access", [IMPERSONATION, DELEGATE])
async def test_a_mailbox_that_is_not_here_is_told(sandbox: Sandbox, address: str, access: str) -> None:
    """In the header where it is impersonated, else in the body."""
    with pytest.raises(ErrorNonExistentMailbox):
        await threaded(lambda: account(sandbox, address=address, access=access).inbox)


@pytest.mark.parametrize("code", ["ErrorServerBusy", "ErrorInternalServerTransientError"])
async def test_a_busy_server_is_told(sandbox: Sandbox, tenant: Tenant, code: str) -> None:
    tenant.ews_error, tenant.ews_back_off = code, 1500
    with pytest.raises(ErrorServerBusy) as caught:
        await threaded(lambda: account(sandbox).inbox)
    if code == "ErrorServerBusy":
        assert caught.value.back_off == 1.5


async def test_a_wrong_password_is_told(sandbox: Sandbox) -> None:
    with pytest.raises(UnauthorizedError, match="Invalid credentials"):
        await threaded(lambda: account(sandbox, password="wrong").inbox)


async def test_web_services_that_are_off_are_told(sandbox: Sandbox) -> None:
    sandbox.script.start("ews-disabled")
    with pytest.raises(TransportError, match="403"):
        await threaded(lambda: account(sandbox, auth_type=BASIC).inbox)


async def test_the_library_signs_in_by_ntlm(
    sandbox: Sandbox, tenant: Tenant, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Through requests_ntlm, which keeps the connection."""
    users = tmp_path / "users"
    users.write_text(f":{known.DEMO_MAILBOX}:{known.DEMO_MAILBOX_PASSWORD}\n")
    monkeypatch.setenv("NTLM_USER_FILE", str(users))
    tenant.schemes = ("NTLM",)

    def opened() -> tuple[str, str]:
        found = account(sandbox)
        return found.inbox.name, found.protocol.auth_type

    assert await threaded(opened) == ("Inbox", NTLM)


# Exchange Web Services in the cloud.


class OfTheSandbox(OAuth2Credentials):
    """The library's credentials of an application, with the sandbox's identity platform instead of Microsoft's."""

    def __init__(self, url: str, *, address: str) -> None:
        super().__init__(
            client_id=known.DEMO_GRAPH_CLIENT,
            client_secret=known.DEMO_GRAPH_SECRET,
            tenant_id=known.DEMO_TENANT,
            identity=Identity(primary_smtp_address=address),
        )
        self.url = url

    @property
    def token_url(self) -> str:
        return f"{self.url}/{self.tenant_id}/oauth2/v2.0/token"

    @property
    def scope(self) -> list[str]:
        return [f"{self.url}/.default"]


def online(sandbox: Sandbox, address: str) -> Account:
    config = Configuration(
        service_endpoint=f"{sandbox.microsoft_url}/EWS/Exchange.asmx",
        credentials=OfTheSandbox(sandbox.microsoft_url, address=address),
    )
    return Account(primary_smtp_address=address, config=config, autodiscover=False, access_type=IMPERSONATION)


async def test_an_application_opens_an_inbox_in_the_cloud(sandbox: Sandbox) -> None:
    def opened() -> tuple[str, Any]:
        found = online(sandbox, GRACE)
        return found.inbox.name, found.version.build

    name, build = await threaded(opened)
    assert name == "Inbox"
    assert build >= EXCHANGE_O365


async def test_a_mailbox_on_premises_is_not_in_the_cloud(sandbox: Sandbox) -> None:
    with pytest.raises(ErrorNonExistentMailbox):
        await threaded(lambda: online(sandbox, known.DEMO_PROBE).inbox)


# Autodiscover.


class Pointed(Autodiscovery):
    """The library's search with the sandbox as its only place: names are not looked up, nobody else is asked."""

    HOST = ""

    def _step_1(self, hostname: str) -> Any:
        return super()._step_1(self.HOST)

    def _step_2(self, hostname: str) -> Any:
        return self._step_6()

    def _ensure_valid_hostname(self, url: str) -> None:
        return None


async def discovered(sandbox: Sandbox, address: str, *, password: str = known.DEMO_MAILBOX_PASSWORD) -> Any:
    """What the library learns about an address, signed in as the mailbox account."""

    def work() -> Any:
        search = Pointed(address, credentials=Credentials(known.DEMO_MAILBOX, password))
        search.HOST = sandbox.exchange_url.removeprefix("https://")
        return search.discover()

    return await threaded(work)


async def test_autodiscover_finds_the_web_services(sandbox: Sandbox) -> None:
    """And they open by what was found."""
    answer, protocol = await discovered(sandbox, "countess@example.test")
    assert answer.autodiscover_smtp_address == known.DEMO_PROBE
    assert answer.ews_url == f"{sandbox.exchange_url}/EWS/Exchange.asmx"
    assert answer.version.api_version == "Exchange2016"
    found = await threaded(
        lambda: Account(known.DEMO_MAILBOX, config=protocol.config, autodiscover=False, access_type=DELEGATE).inbox
    )
    assert found.name == "Inbox"


async def test_autodiscover_follows_to_another_address(sandbox: Sandbox, tenant: Tenant) -> None:
    tenant.people[GRACE].routed_to = known.DEMO_PROBE
    answer, _ = await discovered(sandbox, GRACE)
    assert answer.autodiscover_smtp_address == known.DEMO_PROBE


async def test_autodiscover_sees_a_circle_of_addresses(sandbox: Sandbox, tenant: Tenant) -> None:
    tenant.people[GRACE].routed_to = GRACE
    with pytest.raises(AutoDiscoverCircularRedirect):
        await discovered(sandbox, GRACE)


@pytest.mark.parametrize("trouble", ["redirect-loop", "no-autodiscover", "half-migrated"])
async def test_autodiscover_that_leads_nowhere_fails(sandbox: Sandbox, trouble: str) -> None:
    """In the cloud the library asks by SOAP too, which answers no password there."""
    sandbox.script.start(trouble)
    with pytest.raises(AutoDiscoverFailed):
        await discovered(sandbox, known.DEMO_PROBE)


async def test_autodiscover_tells_an_address_that_nobody_has(sandbox: Sandbox) -> None:
    with pytest.raises(ErrorNonExistentMailbox):
        await discovered(sandbox, "nobody@example.test")


async def test_autodiscover_tells_a_domain_that_is_not_here(sandbox: Sandbox) -> None:
    with pytest.raises(AutoDiscoverFailed, match="InvalidDomain"):
        await discovered(sandbox, "somebody@elsewhere.test")


@pytest.mark.parametrize(
    "code,kind", [("ServerBusy", ErrorServerBusy), ("InternalServerError", ErrorInternalServerError)]
)
async def test_autodiscover_tells_the_error_of_the_whole(
    sandbox: Sandbox, tenant: Tenant, code: str, kind: type[Exception]
) -> None:
    """To who asks one place; the search goes on to the next one, and there is none."""
    tenant.autodiscover_error = code
    config = Configuration(
        service_endpoint=f"{sandbox.exchange_url}/autodiscover/autodiscover.svc",
        credentials=Credentials(known.DEMO_MAILBOX, known.DEMO_MAILBOX_PASSWORD),
    )
    place = AutodiscoverProtocol(config=config)
    with pytest.raises(kind):
        await threaded(lambda: place.get_user_settings(user=known.DEMO_PROBE))
    place.close()
    with pytest.raises(AutoDiscoverFailed):
        await discovered(sandbox, known.DEMO_PROBE)


async def test_autodiscover_tells_a_wrong_password(sandbox: Sandbox) -> None:
    with pytest.raises(UnauthorizedError):
        await discovered(sandbox, known.DEMO_PROBE, password="wrong")
