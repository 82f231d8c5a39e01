"""How the doctor works: what it touches, what it records, and what it never does."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from daemon.engine.doctor import judge_clock
from daemon.engine.operations import Caller
from daemon.engine.progress import Line
from daemon.ports import JournalUnavailable, ProviderFault
from states import Fault, State
from tests.clock import ManualClock
from tests.doctor.clinic import Clinic, Layer
from tests.doctor.conftest import Opened
from tests.doctor.microsoft import MICROSOFT
from tests.providers.conftest import Proxy
from tests.running import LONGEST

DIRECT = [
    *("configuration", "dns", "tcp", "tls", "http", "clock", "discover"),
    *("region dns", "region tcp", "region tls", "keys held", "sign-in", "account", "role"),
]


def statuses(layers: list[Layer]) -> dict[str, str]:
    """Layer to status, of the way to the service; the Microsoft side has tests of its own (test_microsoft.py)."""
    return {layer["step"]: layer["status"] for layer in layers if layer["step"] not in MICROSOFT}


def named(layers: list[Layer], step: str) -> Layer:
    return next(layer for layer in layers if layer["step"] == step)


def keys_at_the_service(ward: Clinic) -> int:
    return len(list(ward.sandbox.world.keys))


async def last_records(ward: Clinic, number: int) -> list[tuple[str, str, dict[str, Any]]]:
    records = await ward.run.daemon.journal.audit(site="default", limit=1000)
    return [(record.event, record.actor, dict(record.detail)) for record in records[-number:]]


async def test_a_site_that_is_well_passes_every_layer_in_order(clinic: Opened) -> None:
    """Each with evidence; nothing is signed in, and nothing of the site changes."""
    async with clinic() as ward:
        before, logins = ward.run.now(), ward.sandbox.calls["login"]
        layers = await ward.examined()
        assert [layer["step"] for layer in layers] == [*DIRECT, *MICROSOFT]
        assert set(statuses(layers).values()) == {"passed"}
        assert all(layer["detail"] and not layer["remedy"] for layer in layers)
        assert ward.run.now() == before
        assert ward.sandbox.calls["login"] == logins
        assert await last_records(ward, 1) == [("doctor_ran", "http:127.0.0.1", {"sign_in": False})]


async def test_whoever_vouches_for_the_certificate_is_told(clinic: Opened) -> None:
    """Trusted because of the CA file alone: something opens TLS on the way, or the service is a private one."""
    async with clinic() as ward:
        told = named(await ward.examined(), "tls")["detail"]
    assert "issued by" in told
    assert "because of [connection] ca_file, not by this system's own roots: a TLS-inspecting firewall" in told


async def test_api_two_has_no_host_of_the_region(clinic: Opened) -> None:
    async with clinic(method="application") as ward:
        layers = await ward.examined()
    assert statuses(layers).pop("region") == "skipped"
    assert {status for step, status in statuses(layers).items() if step != "region"} == {"passed"}


async def test_through_a_proxy_its_own_layers_come_first(clinic: Opened) -> None:
    """The sign-in at the proxy is told by its name, never with the password."""
    async with clinic() as ward:
        port = await ward.servers.open(Proxy().handle)
        sign_in = {"proxy_requires_authentication": "yes", "proxy_username": "svc", "proxy_password": "literal:s3cr3t"}
        ward.through(port, **sign_in)
        layers = await ward.examined()
    assert [layer["step"] for layer in layers][:6] == [
        *("configuration", "proxy dns", "proxy tcp", "proxy connect", "proxy authentication", "tls"),
    ]
    assert "region tls" in statuses(layers)
    assert "failed" not in statuses(layers).values()
    assert named(layers, "proxy authentication")["detail"] == "signed in as svc (Basic)"
    assert "s3cr3t" not in str(layers)


async def test_a_host_of_no_proxy_is_examined_directly(clinic: Opened) -> None:
    async with clinic() as ward:
        ward.through(await ward.closed_port(), no_proxy="localhost")
        layers = await ward.examined()
    assert statuses(layers)["dns"] == "passed"
    assert "proxy dns" not in statuses(layers)


# --- a real login ------------------------------------------------------------------------------


async def test_a_login_is_recorded_made_and_ended_again(clinic: Opened) -> None:
    """One login, one logout; the user has as many keys as before, and the held ones are untouched."""
    async with clinic() as ward:
        before, keys = ward.run.now(), keys_at_the_service(ward)
        calls, stored = ward.sandbox.calls, await ward.run.daemon.vault.ids()
        layers = await ward.examined(sign_in=True)
        assert set(statuses(layers).values()) == {"passed"}
        assert "signed out again" in named(layers, "sign-in")["detail"]
        assert ward.sandbox.calls["login"] == calls["login"] + 1
        assert ward.sandbox.calls["logout"] == calls.get("logout", 0) + 1
        assert keys_at_the_service(ward) == keys
        assert await ward.run.daemon.vault.ids() == stored
        assert ward.run.now() == before
        ran, finished = await last_records(ward, 2)
        assert ran == ("doctor_ran", "http:127.0.0.1", {"sign_in": True})
        assert (finished[0], finished[2]["sign_in"]) == ("doctor_finished", "succeeded")


async def test_a_site_that_was_never_bound_can_try_its_sign_in(clinic: Opened) -> None:
    async with clinic(bound=False) as ward:
        layers = await ward.examined(sign_in=True)
        assert statuses(layers)["keys held"] == "skipped"
        assert statuses(layers)["role"] == "passed"
        assert keys_at_the_service(ward) == 0
        assert ward.run.now().state is State.CONFIGURED


async def test_without_keys_and_without_a_login_the_sign_in_is_left_open(clinic: Opened) -> None:
    async with clinic(bound=False) as ward:
        layers = await ward.examined()
        assert [step for step, status in statuses(layers).items() if status == "skipped"] == [
            *("keys held", "sign-in", "account", "role"),
        ]
        assert "--sign-in" in named(layers, "sign-in")["detail"]
        assert ward.sandbox.calls.get("login", 0) == 0


async def test_a_refused_sign_in_is_tried_once_only(clinic: Opened) -> None:
    """Whoever asks again is told what the service said; the daemon does not try it by itself either."""
    async with clinic(bound=False) as ward:
        ward.sandbox.script.start("wrong-password")
        first = await ward.examined(sign_in=True)
        await ward.run.until(lambda: ward.run.now().refused_credentials is not None)
        second, plain = await ward.examined(sign_in=True), await ward.examined()
        assert ward.sandbox.calls["login"] == 1
        for layers in (first, second, plain):
            assert [layer["step"] for layer in layers if layer["status"] == "failed"] == ["sign-in"]
        assert "refused this sign-in before" in named(second, "sign-in")["detail"]
        assert not ward.run.now().has_usable_credentials
        events = [event for event, _, _ in await last_records(ward, 4)]
        assert events == ["doctor_ran", "sign_in_refused", "doctor_ran", "doctor_ran"]


async def test_two_who_ask_at_once_do_not_try_a_wrong_password_twice(clinic: Opened) -> None:
    async with clinic(bound=False) as ward:
        ward.sandbox.script.start("wrong-password")
        reports = await asyncio.gather(*(ward.examined(sign_in=True) for _ in range(3)))
        assert {statuses(layers)["sign-in"] for layers in reports} == {"failed"}
        assert ward.sandbox.calls["login"] == 1


async def test_what_the_last_bind_was_refused_with_is_told_where_it_belongs(clinic: Opened) -> None:
    """No login is made to find out again that the user is locked."""
    async with clinic(bound=False) as ward:
        ward.sandbox.script.start("locked-account")
        assert (await ward.run.rebind()).state is State.FAILED
        layers = await ward.examined()
        assert ward.sandbox.calls["login"] == 1
        assert statuses(layers)["sign-in"] == "skipped"
        assert statuses(layers)["account"] == "failed"
        assert named(layers, "account")["remedy"] == Fault.ACCOUNT_LOCKED.remedy


async def test_a_missing_role_shows_at_a_login_and_its_keys_are_ended_all_the_same(clinic: Opened) -> None:
    async with clinic(bound=False) as ward:
        ward.sandbox.script.start("missing-role")
        layers = await ward.examined(sign_in=True)
        assert (statuses(layers)["sign-in"], statuses(layers)["role"]) == ("passed", "failed")
        assert keys_at_the_service(ward) == 0


async def test_a_logout_that_fails_is_pending_until_the_service_confirms(clinic: Opened) -> None:
    """The keys stay sealed and are revoked later, as those of a failed bind."""
    async with clinic(bound=False) as ward:
        ward.sandbox.script.start("service-error", endpoint="logout")
        layers = await ward.examined(sign_in=True)
        assert statuses(layers)["sign-in"] == "warning"
        assert "tried again until the service confirms" in named(layers, "sign-in")["detail"]
        await ward.run.until(lambda: bool(ward.run.now().revoke_pending))
        assert keys_at_the_service(ward) == 1
        ward.sandbox.script.heal()
        await ward.clock.advance(600)
        await ward.run.until(lambda: not ward.run.now().revoke_pending)
        assert keys_at_the_service(ward) == 0


async def test_a_login_that_is_cut_off_leaves_nothing_valid_behind(
    clinic: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The daemon stops in the middle: the keys that were issued are sealed, found and ended."""
    async with clinic(bound=False) as ward:
        ward.sandbox.script.start("slow", seconds=0.9, endpoint="profile")
        vault, sealed = ward.run.daemon.vault, asyncio.Event()
        put = vault.put

        async def seal(*what: Any, **options: Any) -> None:
            await put(*what, **options)
            sealed.set()

        monkeypatch.setattr(vault, "put", seal)
        asked = ward.run.daemon.front.doctor("default", caller=Caller(actor="a test"), sign_in=True)
        examination = asyncio.create_task(asked, name="examination")
        await asyncio.wait_for(sealed.wait(), LONGEST)
        examination.cancel()
        with pytest.raises(asyncio.CancelledError):
            await examination
        await ward.run.until(lambda: bool(ward.run.now().revoke_pending))
        await ward.clock.advance(1)
        await ward.run.until(lambda: not ward.run.now().revoke_pending)
        assert keys_at_the_service(ward) == 0


async def test_while_a_bind_is_under_way_no_login_is_made(clinic: Opened) -> None:
    async with clinic() as ward:
        ward.sandbox.script.start("slow", seconds=0.8, endpoint="login")
        bind = await ward.run.asked("POST", "/rebind", status=202)
        layers = await ward.examined(sign_in=True)
        assert statuses(layers)["sign-in"] == "skipped"
        assert "a bind is under way" in named(layers, "sign-in")["detail"]
        await ward.run.ended(bind["id"])
        assert ward.sandbox.calls["login"] == 2


# --- what cannot be recorded -------------------------------------------------------------------


@pytest.fixture
def unwritable(monkeypatch: pytest.MonkeyPatch) -> Any:
    def break_it(ward: Clinic) -> None:
        async def refuse(_entry: object) -> int:
            raise JournalUnavailable("the disk is full; free some space")

        monkeypatch.setattr(ward.run.daemon.journal, "append", refuse)

    return break_it


async def test_no_key_is_used_and_no_login_made_that_cannot_be_recorded(clinic: Opened, unwritable: Any) -> None:
    """What needs no key is examined all the same; a login is refused with 503."""
    async with clinic() as ward:
        calls = ward.sandbox.calls
        with pytest.MonkeyPatch.context() as patch:
            unwritable(ward)
            layers = await ward.examined()
            problem = await ward.run.asked("POST", "/api/v1/sites/default/doctor", status=503, json={"sign_in": True})
            patch.undo()
        assert statuses(layers)["discover"] == "passed"
        assert "the disk is full" in named(layers, "keys held")["detail"]
        assert problem["code"] == "journal-unavailable"
        assert {name: ward.sandbox.calls[name] for name in ("login", "profile")} == {
            name: calls[name] for name in ("login", "profile")
        }


# --- the clock ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "ahead, strict, status", [(-59, True, "passed"), (61, True, "warning"), (9999, False, "warning")]
)
def test_the_clock_is_judged_by_what_the_service_does_with_it(ahead: float, strict: bool, status: str) -> None:
    """API 2.0 does not look at our date, so however wrong the clock is, that is a warning."""
    now, line = ManualClock().now(), Line()
    judge_clock(line, service=now + timedelta(seconds=ahead), host=now, strict=strict)
    assert line.status == status
    assert bool(line.remedy) is (status == "warning")


def test_a_clock_that_is_five_minutes_off_is_why_api_one_refuses() -> None:
    now = ManualClock().now()
    with pytest.raises(ProviderFault) as caught:
        judge_clock(Line(), service=now - timedelta(minutes=6), host=now, strict=True)
    assert caught.value.fault is Fault.CLOCK_SKEWED
    line = Line()
    judge_clock(line, service=None, host=now, strict=True)
    assert line.status == "warning"
