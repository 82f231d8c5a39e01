"""API 1.0 against the sandbox, over real TLS."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import ClassVar

import pytest

from daemon.ports import Clock, Cloud, Credentials, ProviderFault, Route, Secret
from daemon.providers.clouds import MimecastClouds
from daemon.sandbox import Sandbox, World
from daemon.sandbox import world as known
from states import Fault
from tests.clock import ManualClock
from tests.contracts.cloud import Case, CloudContract, Walk, assert_tells_no_secret
from tests.contracts.conftest import Observed
from tests.contracts.service import Service

CASES = (
    Case("unknown-domain", "discover", Fault.ADDRESS_UNKNOWN, "example.test"),
    Case("untrusted-base", "discover", Fault.SERVICE_ADDRESS_UNTRUSTED, "attacker.example"),
    Case("bad-application", "discover", Fault.APPLICATION_REFUSED, "App ID is invalid"),
    Case("forbidden-authentication-type", "discover", Fault.AUTHENTICATION_TYPE_REFUSED, "SAML"),
    Case(
        "forbidden-authentication-type",
        "authenticate",
        Fault.AUTHENTICATION_TYPE_REFUSED,
        "0001",
    ),
    Case("wrong-password", "authenticate", Fault.CREDENTIALS_REFUSED, "Invalid Credentials"),
    Case("locked-account", "authenticate", Fault.ACCOUNT_LOCKED, "Account Locked"),
    Case("two-step", "authenticate", Fault.TWO_STEP_REQUIRED, "Two Step"),
    Case("bad-application", "authenticate", Fault.APPLICATION_REFUSED, "err_developer_key"),
    Case("wrong-region", "authenticate", Fault.WRONG_REGION, "region"),
    Case("clock-skew", "authenticate", Fault.CLOCK_SKEWED, "the service's 20"),
    Case("clock-skew", "authorize", Fault.CLOCK_SKEWED, "this host's clock says 20"),
    Case("clock-skew", "revoke", Fault.CLOCK_SKEWED),
    Case("expired-binding", "authorize", Fault.BINDING_EXPIRED),
    Case("expired-binding", "verify", Fault.BINDING_EXPIRED),
    Case("revoked-keys", "authorize", Fault.KEYS_REFUSED, "access key or secret key"),
    Case("revoked-keys", "verify", Fault.KEYS_REFUSED),
    Case("wrong-region", "authorize", Fault.WRONG_REGION),
    Case("wrong-region", "verify", Fault.WRONG_REGION),
)


def sign_in(**changes: object) -> Credentials:
    values = {
        "method": "cloud",
        "email": known.DEMO_EMAIL,
        "password": Secret(known.DEMO_PASSWORD),
        "application_id": known.DEMO_APPLICATION_ID,
        "application_key": Secret(known.DEMO_APPLICATION_KEY),
    }
    return Credentials(**(values | changes))  # type: ignore[arg-type]


def cloud_at(clouds: MimecastClouds, service: Service, route: Route) -> Cloud:
    return clouds.cloud("cloud", route, service_url=service.global_url, trusted_suffixes=("localhost",))


@pytest.fixture
def cloud(clouds: MimecastClouds, service: Service, route: Route) -> Cloud:
    return cloud_at(clouds, service, route)


class MimecastV1(CloudContract):
    calling: ClassVar = {
        "discover": "discover",
        "authenticate": "login",
        "authorize": "profile",
        "verify": "profile",
        "revoke": "logout",
    }

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

    async def test_the_place_is_the_region_that_discovery_named(self, cloud: Cloud, service: Service) -> None:
        """Login and signed calls go to the regional host."""
        place = await cloud.discover(sign_in())
        assert place.base_url == service.regional_url
        assert place.authentication_types == ("Basic-Cloud", "Basic-AD")

    @pytest.mark.parametrize("suffixes", [(), ("mimecast.com",), ("host",), ("ocalhost",)])
    async def test_the_regional_host_is_used_only_if_it_is_trusted(
        self, clouds: MimecastClouds, service: Service, route: Route, suffixes: tuple[str, ...]
    ) -> None:
        """`localhost` has to be named as a whole."""
        cloud = clouds.cloud("cloud", route, service_url=service.global_url, trusted_suffixes=suffixes)
        with pytest.raises(ProviderFault) as caught:
            await cloud.discover(sign_in())
        assert caught.value.fault is Fault.SERVICE_ADDRESS_UNTRUSTED
        assert service.calls == {"discover": 1}

    async def test_a_type_that_the_account_does_not_allow_is_found_before_the_password_is_sent(
        self, cloud: Cloud, service: Service
    ) -> None:
        """Discovery lists Basic-Cloud only for this user."""
        credentials = sign_in(method="domain", email=known.DEMO_MINIMAL_EMAIL)
        with pytest.raises(ProviderFault, match="Basic-AD") as caught:
            await cloud.discover(credentials)
        assert caught.value.fault is Fault.AUTHENTICATION_TYPE_REFUSED
        assert service.calls == {"discover": 1}

    async def test_a_single_developer_key_error_is_overcome(
        self, cloud: Cloud, service: Service, observed: Observed
    ) -> None:
        """The service sends it now and then for an id that is valid."""
        walk = await Walk(cloud, sign_in()).to("discover")
        service.start("bad-application", times=1)
        await walk.take("authenticate")
        service.start("bad-application", times=1)
        await walk.take("verify")
        assert observed == [
            ("discover", "200"),
            ("login", "200"),
            ("login", "200"),
            ("profile", "200"),
            ("profile", "200"),
        ]

    async def test_the_expiry_is_the_one_that_login_named(self, cloud: Cloud, clock: Clock) -> None:
        """Twelve hours from the sign-in, in milliseconds on the wire."""
        before = clock.now() - timedelta(milliseconds=1)
        walk = await Walk(cloud, sign_in()).to("authenticate")
        assert walk.keys.expires_at is not None
        assert before <= walk.keys.expires_at - timedelta(hours=12) <= clock.now()
        assert await cloud.verify(walk.keys) == walk.keys.expires_at

    async def test_a_refresh_with_a_wrong_password_is_refused_once(self, cloud: Cloud, service: Service) -> None:
        """It still needs the password, and a wrong one is not sent again as a fresh sign-in."""
        walk = await Walk(cloud, sign_in()).to("authenticate")
        before = service.calls["login"]
        with pytest.raises(ProviderFault) as caught:
            await cloud.authenticate(walk.place, sign_in(password=Secret("wrong")), refresh=walk.keys)
        assert caught.value.fault is Fault.CREDENTIALS_REFUSED
        assert service.calls["login"] == before + 1

    async def test_keys_that_are_gone_are_replaced_when_they_cannot_be_extended(self, cloud: Cloud) -> None:
        """Otherwise a site whose keys were revoked while they were expired could never bind again."""
        walk = await Walk(cloud, sign_in()).to("revoke")
        fresh = await cloud.authenticate(walk.place, sign_in(), refresh=walk.keys)
        assert fresh.identity != walk.keys.identity
        await cloud.verify(fresh)

    async def test_keys_of_another_user_are_not_extended(self, cloud: Cloud, service: Service) -> None:
        """Another user's keys stay as they are; the sign-in gets its own."""
        walk = await Walk(cloud, sign_in()).to("authenticate")
        other = await cloud.authenticate(walk.place, sign_in(email=known.DEMO_MINIMAL_EMAIL), refresh=walk.keys)
        assert other.identity != walk.keys.identity
        assert service.keys_held == 2

    async def test_two_sign_ins_give_two_bindings(self, cloud: Cloud) -> None:
        """Their identities differ, so each can be revoked without the other."""
        first = await Walk(cloud, sign_in()).to("authenticate")
        second = await Walk(cloud, sign_in()).to("authenticate")
        assert first.keys.identity != second.keys.identity
        await second.take("revoke")
        await first.take("verify")

    async def test_revoked_keys_are_refused_afterwards(self, cloud: Cloud) -> None:
        """Logout ends them at the service."""
        walk = await Walk(cloud, sign_in()).to("revoke")
        with pytest.raises(ProviderFault) as caught:
            await walk.take("verify")
        assert caught.value.fault is Fault.KEYS_REFUSED

    async def test_a_role_that_is_too_little_is_named_with_the_one_needed(self, cloud: Cloud) -> None:
        """A help desk user may read its profile, and no more."""
        walk = await Walk(cloud, sign_in(email=known.DEMO_HELP_DESK_EMAIL)).to("authenticate")
        with pytest.raises(ProviderFault) as caught:
            await walk.take("authorize")
        assert caught.value.fault is Fault.PERMISSION_MISSING
        assert '"Help Desk"' in caught.value.detail
        assert '"Synchronization Engine Administrator"' in caught.value.detail

    @pytest.mark.parametrize("missing", ["email", "password", "application_id", "application_key"])
    async def test_what_is_missing_of_a_sign_in_is_named_and_nothing_is_made(
        self, cloud: Cloud, service: Service, missing: str
    ) -> None:
        """Keys that could not be used afterwards are not obtained."""
        place = await cloud.discover(sign_in())
        lacking = sign_in(**{missing: "" if missing in {"email", "application_id"} else None})
        with pytest.raises(ProviderFault, match=missing) as caught:
            await cloud.authenticate(place, lacking, refresh=None)
        assert caught.value.fault is Fault.CREDENTIALS_MISSING
        assert service.keys_held == 0

    async def test_an_id_that_no_header_can_carry_is_refused_without_being_shown(self, cloud: Cloud) -> None:
        """A pasted line break in the application id is a finding, not a crash."""
        pasted = uuid.uuid4().hex
        with pytest.raises(ProviderFault) as caught:
            await cloud.discover(sign_in(application_id=f"{pasted}\r\nx-evil: 1"))
        assert caught.value.fault is Fault.REQUEST_REFUSED
        assert_tells_no_secret(caught.value, {pasted})


class MimecastV1WithDomainSignIn(CloudContract):
    calling: ClassVar = {"authenticate": "login"}

    @pytest.fixture
    def credentials(self) -> Credentials:
        return sign_in(method="domain")


class TestInProcess(MimecastV1):
    """All of it, with the sandbox in this process."""


class TestInProcessWithDomainSignIn(MimecastV1WithDomainSignIn):
    """What any `Cloud` must do, with the sandbox in this process."""


# --- only in process, each for the reason that is written at it ----------------------------------


# In process: twelve hours pass.
async def test_an_expired_binding_is_extended_not_replaced(cloud: Cloud, sandbox: Sandbox, clock: ManualClock) -> None:
    """A user may hold only so many: the refresh keeps the pair."""
    walk = await Walk(cloud, sign_in()).to("authenticate")
    clock.jump(13 * 3600)
    with pytest.raises(ProviderFault) as caught:
        await cloud.verify(walk.keys)
    assert caught.value.fault is Fault.BINDING_EXPIRED
    extended = await cloud.authenticate(walk.place, sign_in(), refresh=walk.keys)
    assert extended.identity == walk.keys.identity
    assert extended.values == walk.keys.values
    assert extended.expires_at is not None
    assert extended.expires_at > clock.now()
    assert await cloud.verify(extended) == extended.expires_at
    assert len(list(sandbox.world.keys)) == 1


# In process: twelve hours pass.
async def test_revoking_expired_keys_is_well(cloud: Cloud, clock: ManualClock) -> None:
    """They can do nothing any more."""
    walk = await Walk(cloud, sign_in()).to("authenticate")
    clock.jump(13 * 3600)
    await walk.take("revoke")


# In process: a world with one more user.
async def test_the_address_that_mimecast_created_is_warned_about(cloud: Cloud, world: World) -> None:
    """The guide wants another address than the administration account's own."""
    own = "administrator@example.test"
    world.add_user(
        known.User(
            address=own,
            password=known.DEMO_PASSWORD,
            account_code=known.DEMO_ACCOUNT_CODE,
            role=known.BASIC_ADMINISTRATOR,
        )
    )
    walk = await Walk(cloud, sign_in(email=own)).to("authorize")
    assert [own in warning for warning in walk.authorization.warnings] == [True]


# In process: a user with one binding only.
async def test_at_the_limit_of_bindings_the_way_out_is_named(cloud: Cloud, world: World) -> None:
    """The service gives no more: the administrator reads what to do."""
    world.keys.per_user = 1
    await Walk(cloud, sign_in()).to("authenticate")
    with pytest.raises(ProviderFault, match="only so many bindings") as caught:
        await Walk(cloud, sign_in()).to("authenticate")
    assert caught.value.fault is Fault.REQUEST_REFUSED


# In process: a user whose password is expired.
async def test_an_expired_password_is_told_from_a_wrong_one(cloud: Cloud, world: World) -> None:
    """The remedy is another."""
    user = world.user(known.DEMO_EMAIL)
    assert user is not None
    user.password_expired = True
    with pytest.raises(ProviderFault) as caught:
        await Walk(cloud, sign_in()).to("authenticate")
    assert caught.value.fault is Fault.PASSWORD_EXPIRED
