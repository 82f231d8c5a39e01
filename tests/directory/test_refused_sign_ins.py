"""A refused sign-in is not tried again for a while, by nobody who shares it."""

from __future__ import annotations

import asyncio
import traceback

import pytest

from daemon.ports import ProviderFault, Secret
from daemon.providers.refused_sign_ins import PAUSE, RefusedSignIns
from states import Fault
from tests.clock import ManualClock

KEY = ("dc1.example.test", "svc@example.test", Secret("first-password"))
REFUSED = ProviderFault(Fault.DIRECTORY_SIGN_IN_REFUSED, "wrong password")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def refused(clock: ManualClock) -> RefusedSignIns:
    return RefusedSignIns(clock.monotonic)


async def test_a_refused_sign_in_is_held_back_until_the_pause_is_over(
    refused: RefusedSignIns, clock: ManualClock
) -> None:
    refused.note(KEY, REFUSED)
    await clock.advance(PAUSE - 60)
    with pytest.raises(ProviderFault) as raised:
        refused.check(KEY)
    assert raised.value.fault is Fault.DIRECTORY_SIGN_IN_REFUSED
    assert "not tried again for 60 s" in raised.value.detail
    await clock.advance(60)
    refused.check(KEY)


async def test_what_was_answered_then_is_told_with_its_age_and_with_what_is_tried_at_once(
    refused: RefusedSignIns, clock: ManualClock
) -> None:
    """Whoever reads it must not look for the ids of an earlier call in this minute's log."""
    answered = "dc1.example.test refused the sign-in; trace id 4711 (request id 0815)"
    refused.note(KEY, ProviderFault(Fault.DIRECTORY_SIGN_IN_REFUSED, answered))
    for passes, ago, left in ((0, "just now", "15 min"), (40, "40 s ago", "14 min"), (140, "3 min ago", "12 min")):
        await clock.advance(passes)
        with pytest.raises(ProviderFault) as raised:
            refused.check(KEY)
        assert raised.value.detail == (
            f"{answered}; that was {ago}: so as not to lock the account, it is not tried again for {left}; another "
            "user or password and `sitebind rebind` are tried at once"
        )


async def test_minutes_are_said_in_minutes(refused: RefusedSignIns) -> None:
    refused.note(KEY, REFUSED)
    with pytest.raises(ProviderFault, match="for 15 min"):
        refused.check(KEY)


def test_an_equal_password_is_the_same_sign_in_and_a_changed_one_another(refused: RefusedSignIns) -> None:
    refused.note(KEY, REFUSED)
    with pytest.raises(ProviderFault):
        refused.check((*KEY[:2], Secret("first-password")))
    refused.check((*KEY[:2], Secret("second-password")))


def test_a_sign_in_that_was_accepted_is_forgotten(refused: RefusedSignIns) -> None:
    refused.note(KEY, REFUSED)
    refused.forget(KEY)
    refused.forget(KEY)
    refused.check(KEY)


async def test_what_is_over_is_not_kept(refused: RefusedSignIns, clock: ManualClock) -> None:
    refused.note(KEY, REFUSED)
    await clock.advance(PAUSE)
    refused.note(("elsewhere",), REFUSED)
    assert list(refused._refused) == [("elsewhere",)]


async def test_many_at_once_spend_one_try(refused: RefusedSignIns) -> None:
    tries = 0

    async def sign_in() -> None:
        nonlocal tries
        async with refused.turn(KEY):
            tries += 1
            await asyncio.sleep(0)
            refused.note(KEY, REFUSED)
            raise REFUSED

    ended = await asyncio.gather(*(sign_in() for _ in range(20)), return_exceptions=True)
    assert tries == 1
    assert all(isinstance(one, ProviderFault) for one in ended)


async def test_no_lock_is_kept_when_nobody_waits(refused: RefusedSignIns) -> None:
    async with refused.turn(KEY):
        assert refused._turns
    assert not refused._turns


def test_no_traceback_with_a_password_in_its_frames_is_kept(refused: RefusedSignIns) -> None:
    try:
        raise REFUSED
    except ProviderFault as fault:
        refused.note(KEY, fault)
    with pytest.raises(ProviderFault) as raised:
        refused.check(KEY)
    assert "first-password" not in "".join(traceback.format_exception(raised.value))
    assert raised.value.__context__ is None
