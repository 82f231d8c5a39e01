"""API 2.0 against the sandbox, over real TLS."""

from __future__ import annotations

import asyncio
from typing import ClassVar

import pytest

from daemon.ports import Cloud, Credentials, ProviderFault, Route, Secret
from daemon.providers.clouds import MimecastClouds
from daemon.sandbox import Sandbox, World
from daemon.sandbox import world as known
from states import Fault
from tests.clock import ManualClock
from tests.contracts.cloud import Case, CloudContract, Walk
from tests.contracts.conftest import Observed
from tests.contracts.service import Service

CASES = (
    Case("wrong-password", "authenticate", Fault.APPLICATION_REFUSED, "invalid_client"),
    Case("bad-application", "authenticate", Fault.APPLICATION_REFUSED, "invalid_client"),
    Case("missing-role", "verify", Fault.PERMISSION_MISSING, "app_forbidden"),
)


def sign_in(**changes: object) -> Credentials:
    values = {
        "method": "application",
        "client_id": known.DEMO_CLIENT_ID,
        "client_secret": Secret(known.DEMO_CLIENT_SECRET),
    }
    return Credentials(**(values | changes))  # type: ignore[arg-type]


def cloud_at(clouds: MimecastClouds, service: Service, route: Route) -> Cloud:
    return clouds.cloud("application", route, service_url=service.services_url, trusted_suffixes=())


@pytest.fixture
def cloud(clouds: MimecastClouds, service: Service, route: Route) -> Cloud:
    return cloud_at(clouds, service, route)


class MimecastV2(CloudContract):
    calling: ClassVar = {"authenticate": "token", "authorize": "account", "verify": "account"}

    @pytest.fixture
    def credentials(self) -> Credentials:
        return sign_in()

    @pytest.mark.parametrize("case", CASES, ids=str)
    async def test_trouble_has_its_fault(
        self, cloud: Cloud, credentials: Credentials, service: Service, case: Case
    ) -> None:
        """Each trouble of the sandbox shows as the fault with the right remedy."""
        await self.assert_case(case, cloud, credentials, service)

    # --- what is this version's own --------------------------------------------------------------

    async def test_keys_never_expire_and_are_the_same_for_one_application(self, cloud: Cloud) -> None:
        """The client's id and secret are the keys."""
        first = await Walk(cloud, sign_in()).to("authenticate")
        second = await Walk(cloud, sign_in()).to("authenticate")
        assert first.keys.expires_at is None
        assert first.keys.identity == second.keys.identity
        assert await cloud.verify(first.keys) is None

    async def test_every_sign_in_proves_the_secret_anew(self, cloud: Cloud, service: Service) -> None:
        """A kept token must not hide that the secret was renewed."""
        walk = await Walk(cloud, sign_in()).to("authenticate")
        with pytest.raises(ProviderFault) as caught:
            await cloud.authenticate(walk.place, sign_in(client_secret=Secret("renewed")), refresh=None)
        assert caught.value.fault is Fault.APPLICATION_REFUSED
        assert service.calls["token"] == 2

    async def test_one_token_serves_every_site_of_an_application(
        self, clouds: MimecastClouds, service: Service, route: Route
    ) -> None:
        """Adapters are made per attempt; the token outlives them, and many at once obtain it once."""

        def made() -> Cloud:
            return clouds.cloud("application", route, service_url=service.services_url, trusted_suffixes=())

        keys = (await Walk(made(), sign_in()).to("authenticate")).keys
        await made().revoke(keys)
        async with asyncio.TaskGroup() as group:
            for number in range(10):
                group.create_task(made().verify(keys), name=f"site {number}")
        assert service.calls["token"] == 2

    @pytest.mark.parametrize("trouble", ["expired-binding", "revoked-keys"])
    async def test_a_token_that_is_not_taken_any_longer_is_replaced_once(
        self, cloud: Cloud, service: Service, trouble: str
    ) -> None:
        """The keys are id and secret: a dead token says nothing about them."""
        walk = await Walk(cloud, sign_in()).to("authenticate")
        service.start(trouble)
        await walk.take("verify")
        assert service.calls["token"] == 2
        assert service.calls["account"] == 2

    async def test_revoking_makes_no_call(self, cloud: Cloud, service: Service) -> None:
        """There is no public call for it: only the token is forgotten."""
        walk = await Walk(cloud, sign_in()).to("authenticate")
        before = dict(service.calls)
        await walk.take("revoke")
        assert dict(service.calls) == before

    async def test_a_role_that_cannot_be_read_is_a_warning(self, cloud: Cloud, service: Service) -> None:
        """Public documents do not promise a profile to an application."""
        walk = await Walk(cloud, sign_in()).to("authenticate")
        service.start("missing-role", endpoint="profile")
        await walk.take("authorize")
        assert walk.authorization.role == ""
        assert "could not be read" in walk.authorization.warnings[0]

    @pytest.mark.parametrize("missing", ["client_id", "client_secret"])
    async def test_what_is_missing_of_a_sign_in_is_named(self, cloud: Cloud, missing: str) -> None:
        """No call is made without it."""
        lacking = sign_in(**{missing: "" if missing == "client_id" else None})
        with pytest.raises(ProviderFault, match=missing) as caught:
            await Walk(cloud, lacking).to("authenticate")
        assert caught.value.fault is Fault.CREDENTIALS_MISSING


class TestInProcess(MimecastV2):
    """All of it, with the sandbox in this process."""


# --- only in process, each for the reason that is written at it ----------------------------------


# In process: half an hour passes.
async def test_a_token_is_renewed_ahead_of_its_end(
    cloud: Cloud, sandbox: Sandbox, clock: ManualClock, observed: Observed
) -> None:
    """At four fifths of its 1799 seconds, so that no call meets an expired one."""
    walk = await Walk(cloud, sign_in()).to("authenticate")
    await clock.advance(1430)
    await walk.take("verify")
    assert sandbox.calls["token"] == 1
    await clock.advance(20)
    await walk.take("verify")
    assert sandbox.calls["token"] == 2
    assert "401" not in {code for _, code in observed}


# In process: an application that vanishes.
async def test_a_fresh_token_that_is_refused_refuses_the_keys(cloud: Cloud, sandbox: Sandbox, world: World) -> None:
    """One new token, not an endless exchange."""
    walk = await Walk(cloud, sign_in()).to("authenticate")
    application = world.service_applications.pop(known.DEMO_CLIENT_ID)
    with pytest.raises(ProviderFault) as caught:
        await walk.take("verify")
    assert caught.value.fault is Fault.KEYS_REFUSED
    assert sandbox.calls["token"] == 2
    world.add_service_application(application)
    await walk.take("verify")


# In process: an application without products.
async def test_a_product_that_the_application_lacks_is_quoted(cloud: Cloud, world: World) -> None:
    """The service's own words say what to add."""
    world.add_service_application(
        known.ServiceApplication(
            client_id="bare",
            client_secret="bare-secret-of-a-test",
            account_code=known.DEMO_ACCOUNT_CODE,
            products=frozenset(),
        )
    )
    bare = sign_in(client_id="bare", client_secret=Secret("bare-secret-of-a-test"))
    with pytest.raises(ProviderFault, match="not part of any product") as caught:
        await Walk(cloud, bare).to("authorize")
    assert caught.value.fault is Fault.PERMISSION_MISSING


# In process: no service is asked.
def test_an_unknown_method_is_a_mistake_of_the_caller(clouds: MimecastClouds) -> None:
    """Configuration lets only three through."""
    with pytest.raises(ValueError, match="saml"):
        clouds.cloud("saml", Route(), service_url="", trusted_suffixes=())
