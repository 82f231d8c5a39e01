"""The rate budget of an application, in time that the test moves."""

from __future__ import annotations

import asyncio

import pytest

from daemon.ports import ProviderFault
from daemon.providers.allowance import LONGEST_PAUSE, Allowances
from states import Fault
from tests.clock import ManualClock

KEY = ("https://eu-api.example", "application", "profile")
SPENT = {"X-RateLimit-Limit": "800", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "4157"}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


async def test_nobody_waits_while_calls_are_left(clock: ManualClock) -> None:
    """Also after an answer that names what is left."""
    allowances = Allowances(clock)
    await allowances.wait(KEY)
    allowances.note(KEY, status=200, headers={**SPENT, "X-RateLimit-Remaining": "1"})
    await allowances.wait(KEY)


async def test_a_spent_budget_is_waited_for_by_everybody_who_shares_it(clock: ManualClock) -> None:
    """4157 milliseconds: not a moment less, and then all at once."""
    allowances = Allowances(clock)
    allowances.note(KEY, status=200, headers=SPENT)
    waiting = [asyncio.create_task(allowances.wait(KEY), name=f"call {number}") for number in range(3)]
    await clock.advance(4.15)
    assert not any(task.done() for task in waiting)
    await clock.advance(0.01)
    assert all(task.done() for task in waiting)


async def test_another_application_or_endpoint_is_not_held_up(clock: ManualClock) -> None:
    """Budgets are told apart by origin, application and endpoint."""
    allowances = Allowances(clock)
    allowances.note(KEY, status=429, headers={"X-RateLimit-Reset": "2000"})
    for other in (("https://us-api.example", *KEY[1:]), (KEY[0], "other", KEY[2]), (*KEY[:2], "login")):
        await allowances.wait(other)


async def test_a_long_wait_is_a_fault_with_its_time(clock: ManualClock) -> None:
    """So that the retry is planned for then."""
    allowances = Allowances(clock)
    allowances.note(KEY, status=429, headers={"Retry-After": "120"})
    with pytest.raises(ProviderFault) as raised:
        await allowances.wait(KEY)
    assert raised.value.fault is Fault.THROTTLED
    assert raised.value.retry_after == 120.0
    await clock.advance(120 - LONGEST_PAUSE)
    late = asyncio.create_task(allowances.wait(KEY), name="late call")
    await clock.advance(LONGEST_PAUSE)
    assert late.done()
    late.result()


@pytest.mark.parametrize("headers", [{}, {"X-RateLimit-Remaining": "0"}, {**SPENT, "X-RateLimit-Reset": "soon"}])
async def test_headers_that_say_nothing_change_nothing(clock: ManualClock, headers: dict[str, str]) -> None:
    """A 200 without a time to wait for is not waited for."""
    allowances = Allowances(clock)
    allowances.note(KEY, status=200, headers=headers)
    await allowances.wait(KEY)
