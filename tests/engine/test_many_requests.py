"""Many who ask at once: each is answered and recorded, also when the journal fails or the daemon stops under them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from daemon.ports import JournalUnavailable
from daemon.sandbox import Sandbox
from states import Moved, Refused, State
from states.events import BindRequested, RetryDue, UnbindRequested
from tests.clock import ManualClock
from tests.running import Running, running


def requests(count: int) -> list[BindRequested]:
    return [BindRequested(actor=f"caller-{number}", reason="now") for number in range(count)]


async def opened(run: Running) -> None:
    """A bind that stays open."""
    await run.reach(State.BOUND)
    run.sandbox.script.start("slow", seconds=30, endpoint="discover", times=1)
    await run.asked("POST", "/rebind", status=202)


async def test_each_who_joins_is_answered_and_recorded(run: Running) -> None:
    """A hundred callers, one bind, a hundred records, in the order in which they asked."""
    await opened(run)
    driver = run.daemon.driver
    steps = await asyncio.gather(*(driver.ask("default", event) for event in requests(100)))
    assert all(isinstance(step, Moved) and step.after.open == run.now().open for step in steps)
    records = await run.daemon.journal.audit(site="default", limit=1000)
    assert [r.actor for r in records if r.actor.startswith("caller-")] == [f"caller-{n}" for n in range(100)]
    assert (await run.daemon.journal.verify()).intact


async def test_requests_behind_a_change_see_it(run: Running) -> None:
    """The first opens the bind, the others join just that one; an unbind among them parts them."""
    await run.reach(State.BOUND)
    driver = run.daemon.driver
    first, *joined = await asyncio.gather(*(driver.ask("default", event) for event in requests(20)))
    assert {step.after.open.bind_id for step in (first, *joined)} == {"default-2"}
    assert run.now().attempt == 2
    unbind = UnbindRequested(actor="operator", reason="moving house")
    asked = [*requests(3), unbind, *requests(3)]
    steps = await asyncio.gather(*(driver.ask("default", event) for event in asked))
    assert [step.after.open.bind_id if step.after.open else None for step in steps] == [
        *["default-2"] * 3,
        None,
        *["default-3"] * 3,
    ]
    await run.ended("default-3")


async def test_all_of_them_are_refused_while_the_journal_is_broken(run: Running) -> None:
    """And taken afterwards."""
    await opened(run)
    driver = run.daemon.driver
    with run.without_journal():
        answers = await asyncio.gather(
            *(driver.ask("default", event) for event in requests(20)), return_exceptions=True
        )
        assert {type(answer) for answer in answers} == {JournalUnavailable}
    steps = await asyncio.gather(*(driver.ask("default", event) for event in requests(20)))
    assert {type(step) for step in steps} == {Moved}


async def test_who_went_away_before_the_answer_costs_nobody_else_theirs(run: Running) -> None:
    """A caller that is cancelled while it waits."""
    await run.reach(State.BOUND)
    driver = run.daemon.driver
    driver.post("default", RetryDue(attempt=99))
    asking = [asyncio.ensure_future(driver.ask("default", event)) for event in requests(6)]
    await asyncio.sleep(0)
    asking[0].cancel()
    asking[3].cancel()
    answers = await asyncio.gather(*asking, return_exceptions=True)
    assert [type(answer) for answer in answers] == [
        asyncio.CancelledError, Moved, Moved, asyncio.CancelledError, Moved, Moved,
    ]  # fmt: skip
    await run.ended("default-2")


async def test_a_request_for_a_site_that_is_not_there_is_an_error_of_who_asks(run: Running) -> None:
    """The driver lives on."""
    await run.reach(State.BOUND)
    with pytest.raises(KeyError):
        await run.daemon.driver.ask("nobody", requests(1)[0])
    run.daemon.driver.post("nobody", RetryDue(attempt=1))
    with pytest.raises(KeyError):
        await run.daemon.driver.ask("nobody", requests(1)[0])
    assert (await run.rebind()).state is State.BOUND


async def test_what_is_being_recorded_when_a_stop_comes_is_recorded_to_its_end(run: Running) -> None:
    """Whoever asked gets the answer that stands in the journal."""
    await run.reach(State.BOUND)
    driver = run.daemon.driver
    driver.post("default", RetryDue(attempt=77))
    asking = asyncio.ensure_future(driver.ask("default", requests(1)[0]))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert await run.daemon.supervisor._records.close(seconds=5) == ()
    step = await asking
    assert isinstance(step, Moved)
    assert run.now().open == step.after.open
    assert [event for event, _, _ in await run.audit("default")][-2:] == ["retry_due", "bind_requested"]
    await run.ended("default-2")


async def test_a_refusal_is_recorded_with_its_reason(config: Path, sandbox: Sandbox, clock: ManualClock) -> None:
    """A bind without a configuration."""
    config.write_text(config.read_text() + "\n[conection]\n")
    async with running(config, sandbox, clock) as run:
        await run.until(lambda: "default" in run.daemon.driver.snapshots and bool(run.now().findings))
        step = await run.daemon.driver.ask("default", requests(1)[0])
        assert isinstance(step, Refused)
        records = await run.daemon.journal.audit(site="default", limit=100)
        assert records[-1].detail["refused"] == "not-configured"
        problem = await run.asked("POST", "/rebind", status=409)
        assert any("conection" in finding for finding in problem["findings"])
