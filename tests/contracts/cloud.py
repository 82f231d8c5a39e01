"""What any `Cloud` must do, whichever API version it speaks. Subclasses say only how to build one."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pytest

from daemon.ports import DIRECT_WAY, PROXY_WAY, Authorization, Clock, Cloud, Credentials, Keys, Place, ProviderFault
from daemon.providers.http import HttpClients, Limits
from daemon.sandbox import world as known
from states import Fault
from tests.contracts.service import Service

STEPS = ("connect", "discover", "authenticate", "authorize", "verify", "revoke")
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
"""Troubles that can hit every call, and what each is called by us."""

ON_CONNECTING = {
    "expired-certificate": Fault.CERTIFICATE_UNTRUSTED,
    "forged-certificate": Fault.CERTIFICATE_UNTRUSTED,
}


@dataclass(frozen=True)
class Case:
    """A trouble, the step at which it shows, and the fault that it has to be."""

    trouble: str
    step: str
    fault: Fault
    says: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.trouble} at {self.step}"


class Walk:
    """Walks the steps of a bind one after the other, keeping what the earlier ones gave."""

    def __init__(self, cloud: Cloud, credentials: Credentials) -> None:
        self.cloud = cloud
        self.credentials = credentials
        self.reached = ""
        self.place: Place
        self.keys: Keys
        self.authorization: Authorization

    async def to(self, last: str) -> Walk:
        """Take every step up to and including `last`."""
        for step in STEPS[: STEPS.index(last) + 1]:
            await self.take(step)
        return self

    async def before(self, step: str) -> Walk:
        number = STEPS.index(step)
        return await self.to(STEPS[number - 1]) if number else self

    async def take(self, step: str) -> None:
        match step:
            case "connect":
                self.reached = await self.cloud.connect()
            case "discover":
                self.place = await self.cloud.discover(self.credentials)
            case "authenticate":
                self.keys = await self.cloud.authenticate(self.place, self.credentials, refresh=None)
            case "authorize":
                self.authorization = await self.cloud.authorize(self.keys)
            case "verify":
                await self.cloud.verify(self.keys)
            case "revoke":
                await self.cloud.revoke(self.keys)

    def secrets(self) -> set[str]:
        """Everything that no fault may show."""
        given = (self.credentials.password, self.credentials.application_key, self.credentials.client_secret)
        texts = {secret.reveal() for secret in given if secret is not None}
        if hasattr(self, "keys"):
            texts |= {text.reveal() for name, text in self.keys.values.items() if not name.endswith("_id")}
        return texts | {known.DEMO_PASSPHRASE}


def assert_tells_no_secret(fault: ProviderFault, secrets: set[str]) -> None:
    shown = "".join([str(fault), repr(fault), fault.detail, *traceback.format_exception(fault)])
    link: BaseException | None = fault
    while link is not None:
        shown += f"{link!s}{link!r}{vars(link)!r}"
        link = link.__cause__ or link.__context__
    assert [secret for secret in secrets if secret in shown] == []


class CloudContract:
    """Subclasses give the fixtures `service`, `cloud` and `credentials`, and the calls that they make."""

    calling: ClassVar[Mapping[str, str]]
    """The steps that call, with one endpoint of each."""

    async def test_examining_goes_the_way_of_connecting_and_tells_its_layers(self, cloud: Cloud) -> None:
        """What `connect` says in one sentence, layer by layer; with another address the way goes there."""
        layers = await cloud.examine()
        assert tuple(layer.name for layer in layers) in (DIRECT_WAY, PROXY_WAY)
        said = await cloud.connect()
        *earlier, tls = [layer.detail for layer in layers]
        way, _, certificate = said.partition("TLSv1")
        # The address that was connected to may be another one of the same host.
        assert way.startswith(earlier[0])
        assert tls.startswith(f"TLSv1{certificate}")
        *passed, last = await cloud.examine("https://localhost:1")
        assert last.fault is not None
        assert [layer.fault for layer in passed] == [None] * len(passed)

    async def test_a_greeting_needs_no_sign_in_and_hears_the_time(self, cloud: Cloud, clock: Clock) -> None:
        """Whatever the service thinks of such a call, it is the service that answers."""
        greeting = await cloud.greet()
        assert "in JSON, as the service does" in greeting.detail
        assert greeting.service_time is not None
        assert abs((greeting.service_time - clock.now()).total_seconds()) < 2

    @pytest.mark.parametrize("trouble", DELIVERY)
    async def test_a_greeting_tells_a_service_that_is_not_itself(
        self, cloud: Cloud, service: Service, trouble: str
    ) -> None:
        """Every trouble in delivery but one: JSON of another shape is JSON all the same."""
        service.start(trouble)
        if trouble == "wrong-shape":
            assert (await cloud.greet()).detail
            return
        with pytest.raises(ProviderFault) as caught:
            await cloud.greet()
        assert caught.value.fault is DELIVERY[trouble]

    async def test_a_bind_goes_through_from_end_to_end(self, cloud: Cloud, credentials: Credentials) -> None:
        """The demo's sign-in gets keys that prove themselves, and ends them."""
        walk = await Walk(cloud, credentials).to("revoke")
        found = walk.authorization
        assert found.account_code == known.DEMO_ACCOUNT_CODE
        assert found.company == known.DEMO_COMPANY
        assert found.region == known.DEMO_REGION
        assert found.role == known.BASIC_ADMINISTRATOR
        assert found.warnings == ()

    async def test_connecting_says_what_was_reached(self, cloud: Cloud, credentials: Credentials) -> None:
        """The report names host, address, TLS version and the certificate's issuer."""
        said = (await Walk(cloud, credentials).to("connect")).reached
        for part in ("localhost", "127.0.0.1", "TLSv1.3", "sitebind sandbox CA"):
            assert part in said

    async def test_keys_hold_all_that_is_needed_later(self, cloud: Cloud, credentials: Credentials) -> None:
        """Verification and revocation need nothing but the keys: no configuration, no place."""
        walk = await Walk(cloud, credentials).to("authenticate")
        assert walk.keys.method == credentials.method
        assert walk.keys.base_url == walk.place.base_url
        assert len(walk.keys.identity) == 32

    async def test_keys_cannot_be_printed(self, cloud: Cloud, credentials: Credentials) -> None:
        """A log line with keys in it shows none of them."""
        walk = await Walk(cloud, credentials).to("authenticate")
        assert [secret for secret in walk.secrets() if secret in f"{walk.keys!r} {walk.keys}"] == []

    async def test_revoking_twice_is_well(self, cloud: Cloud, credentials: Credentials) -> None:
        """A crash between the call and its record repeats the call."""
        walk = await Walk(cloud, credentials).to("revoke")
        await walk.take("revoke")

    async def test_a_refused_sign_in_is_never_tried_again_by_itself(
        self, cloud: Cloud, credentials: Credentials, service: Service
    ) -> None:
        """A retry loop locks accounts."""
        walk = await Walk(cloud, credentials).to("discover")
        service.start("wrong-password")
        before = sum(service.calls.values())
        with pytest.raises(ProviderFault) as caught:
            await walk.take("authenticate")
        assert caught.value.fault.refuses_credentials
        assert not caught.value.fault.heals_by_itself
        assert sum(service.calls.values()) == before + 1

    async def test_the_guides_minimal_role_is_enough_with_a_warning(
        self, cloud: Cloud, credentials: Credentials, service: Service
    ) -> None:
        """It may not read the account: the company then comes from the profile."""
        walk = await Walk(cloud, credentials).to("authenticate")
        service.start("minimal-role")
        await walk.take("authorize")
        assert walk.authorization.company == known.DEMO_COMPANY
        assert walk.authorization.account_code == known.DEMO_ACCOUNT_CODE
        assert walk.authorization.region == known.DEMO_REGION
        assert walk.authorization.role == known.SYNC_ADMINISTRATOR
        assert "may not read the account" in walk.authorization.warnings[0]
        await walk.take("verify")

    async def test_a_missing_role_is_named(self, cloud: Cloud, credentials: Credentials, service: Service) -> None:
        """The administrator reads which role is needed."""
        walk = await Walk(cloud, credentials).to("authenticate")
        service.start("missing-role")
        with pytest.raises(ProviderFault, match="Synchronization Engine Administrator") as caught:
            await walk.take("authorize")
        assert caught.value.fault is Fault.PERMISSION_MISSING
        with pytest.raises(ProviderFault) as caught:
            await walk.take("verify")
        assert caught.value.fault is Fault.PERMISSION_MISSING

    @pytest.mark.parametrize("trouble", DELIVERY)
    async def test_trouble_in_delivery_is_told_apart(
        self, cloud: Cloud, credentials: Credentials, service: Service, trouble: str
    ) -> None:
        """At every step that calls: the right fault, the call's id, and no secret."""
        for step, endpoint in self.calling.items():
            walk = await Walk(cloud, credentials).before(step)
            service.start(trouble, endpoint=endpoint)
            with pytest.raises(ProviderFault) as caught:
                await walk.take(step)
            service.heal()
            await service.budget_is_back(2)  # one that is spent holds up the next call of its kind
            assert caught.value.fault is DELIVERY[trouble], step
            assert "request id" in caught.value.detail, step
            assert caught.value.retry_after == (2.0 if trouble == "throttled" else None), step
            assert_tells_no_secret(caught.value, walk.secrets())

    async def test_a_slow_answer_is_not_waited_for(
        self, cloud: Cloud, credentials: Credentials, service: Service, clients: HttpClients
    ) -> None:
        """A service that hangs must not hang the site."""
        for step, endpoint in self.calling.items():
            walk = await Walk(cloud, credentials).before(step)
            service.start("slow", endpoint=endpoint, seconds=60.0)
            clients.limits = Limits(total=0.1)
            with pytest.raises(ProviderFault, match="request id") as caught:
                await walk.take(step)
            service.heal()
            clients.limits = Limits()
            assert caught.value.fault is Fault.TIMED_OUT, step

    @pytest.mark.parametrize("trouble", ON_CONNECTING)
    async def test_a_certificate_that_proves_nothing_ends_the_call(
        self, cloud: Cloud, credentials: Credentials, service: Service, trouble: str
    ) -> None:
        """The fault names who issued the certificate, and no credentials were sent."""
        walk = await Walk(cloud, credentials).to("discover")
        service.start(trouble)
        before = dict(service.calls)
        with pytest.raises(ProviderFault, match="issued by") as caught:
            await walk.take("authenticate")
        assert caught.value.fault is ON_CONNECTING[trouble]
        assert dict(service.calls) == before
        assert_tells_no_secret(caught.value, walk.secrets())

    async def assert_case(self, case: Case, cloud: Cloud, credentials: Credentials, service: Service) -> None:
        """Bring the walk before the step, start the trouble, and look at the fault."""
        walk = await Walk(cloud, credentials).before(case.step)
        service.start(case.trouble, **case.options)
        with pytest.raises(ProviderFault) as caught:
            await walk.take(case.step)
        assert caught.value.fault is case.fault
        assert case.says in caught.value.detail
        assert_tells_no_secret(caught.value, walk.secrets())
