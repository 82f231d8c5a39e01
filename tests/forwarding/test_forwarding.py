"""What is sent, sent again and known to be delivered, and how a receiver that is away shows, by a clock of our own."""

from __future__ import annotations

import math
from datetime import datetime
from pathlib import Path

import pytest

from daemon.engine.delivery import SETTLED
from daemon.engine.forwarding import RETRY_CEILING
from tests.acceptance.processes import a_free_port
from tests.clock import ManualClock
from tests.forwarding.listener import Listener, listening
from tests.forwarding.scene import Sending, sending
from tests.running import eventually


def to(listener: Listener) -> dict[str, str]:
    return {"audit_forward": f"tcp://127.0.0.1:{listener.port}"}


async def arrived(here: Sending, listener: Listener, *, connection: int = 0) -> int:
    """Wait until the last record was taken; its number."""
    journal = here.run.daemon.journal
    await eventually(
        lambda: len(listener.taken) > connection and listener.numbers(connection)[-1:] == [journal.last_seq],
        "the last record",
    )
    await eventually(lambda: here.forwarder._waiting() == 0, "it is known to be taken")
    return journal.last_seq


async def test_a_record_counts_as_delivered_when_the_connection_has_outlived_it(
    tmp_path: Path, clock: ManualClock
) -> None:
    """Until then nothing may be pruned on its account, and it would be sent again."""
    async with listening() as listener, sending(tmp_path, clock, **to(listener)) as here:
        last = await arrived(here, listener)
        assert (here.forwarder.delivered(), await here.metric("position"), await here.metric("waiting")) == (0, 0, 0)
        await clock.advance(SETTLED + 0.1)
        await eventually(lambda: here.forwarder.delivered() == last, "it is kept")
        assert await here.metric("position") == last
        assert await here.problem() is None
        (_, check) = (await here.run.asked("GET", "/-/healthy"))["checks"]
        said = f"sent to {to(listener)['audit_forward']} up to record {last}, 0 wait"
        assert (check["name"], check["status"], check["text"]) == ("audit-forward", "pass", said)


async def test_what_is_not_delivered_when_the_connection_breaks_is_sent_again(
    tmp_path: Path, clock: ManualClock
) -> None:
    """And only that."""
    async with listening() as listener, sending(tmp_path, clock, **to(listener)) as here:
        settled = await arrived(here, listener)
        await clock.advance(SETTLED + 0.1)
        await eventually(lambda: here.forwarder.delivered() == settled, "it is kept")
        await here.record(3)
        last = await arrived(here, listener)
        listener.cut()
        await eventually(here.forwarder.problem, "the loss is noticed")
        await here.run.in_time(lambda: len(listener.taken) == 2)
        assert await arrived(here, listener, connection=1) == last
        assert listener.numbers(1) == list(range(settled + 1, last + 1))


async def test_a_receiver_that_ends_an_idle_connection_is_no_trouble(tmp_path: Path, clock: ManualClock) -> None:
    """The next record makes another one."""
    async with listening() as listener, sending(tmp_path, clock, **to(listener)) as here:
        last = await arrived(here, listener)
        await clock.advance(SETTLED + 0.1)
        await eventually(lambda: here.forwarder.delivered() == last, "it is kept")
        listener.cut()
        await here.record(1)
        await here.run.in_time(lambda: len(listener.taken) == 2)
        assert await arrived(here, listener, connection=1) == last + 1
        assert listener.numbers(1) == [last + 1]


async def test_who_takes_everything_and_hangs_up_never_counts_as_having_it(tmp_path: Path, clock: ManualClock) -> None:
    """As a server for TLS does that hears plain text. The waits grow, and the problem stays."""
    async with listening() as listener, sending(tmp_path, clock, **to(listener)) as here:
        for connection in range(4):
            await here.run.in_time(lambda n=connection: len(listener.taken) > n)
            await arrived(here, listener, connection=connection)
            listener.cut()
            await eventually(lambda n=connection: here.forwarder._failures == n + 1, "it is noticed")
        problem = await here.problem()
        assert problem is not None
        assert "TLS where audit_forward says tcp://" in problem["remedy"]
        assert (here.forwarder.delivered(), await here.metric("failures_total")) == (0, 4)


async def test_a_receiver_that_is_away_is_a_problem_and_disturbs_nothing(tmp_path: Path, clock: ManualClock) -> None:
    """What failed, since when, how much waits, what to do; and it ends by itself. A wait is a minute at most."""
    port = a_free_port()
    async with sending(tmp_path, clock, audit_forward=f"tcp://127.0.0.1:{port}") as here:
        await eventually(here.forwarder.problem, "nobody listens")
        began = clock.now()
        await here.record(2)
        await here.run.in_time(lambda: here.forwarder._failures > 8, step=RETRY_CEILING / 4)
        problem = await here.problem()
        assert problem is not None
        assert "Connection refused" in problem["text"]
        assert problem["text"].endswith(f" {here.run.daemon.journal.last_seq} records wait for it.")
        assert datetime.fromisoformat(problem["since"]) <= began
        assert (problem["severity"], "Start the receiver" in problem["remedy"]) == ("warning", True)
        checks = (await here.run.asked("GET", "/-/healthy"))["checks"]
        assert [(one["name"], one["status"]) for one in checks] == [("event-loop", "pass"), ("audit-forward", "warn")]
        assert await here.metric("waiting") == here.run.daemon.journal.last_seq
        async with listening(port=port) as listener:
            await clock.advance(RETRY_CEILING)
            await arrived(here, listener)
            await clock.advance(SETTLED + 0.1)
            await eventually(lambda: here.forwarder.problem() is None, "it works")
            assert here.forwarder._failures == 0


async def test_it_may_begin_with_what_happens_from_now_on(tmp_path: Path, clock: ManualClock) -> None:
    """And that beginning is kept: a start before the first delivery skips nothing."""
    async with sending(tmp_path, clock) as here:
        await here.record(5)
        old = here.run.daemon.journal.last_seq + 1  # and its stop
    port = a_free_port()
    options = {"audit_forward": f"tcp://127.0.0.1:{port}", "audit_forward_from": "now"}
    async with sending(tmp_path, clock, **options) as here:
        await eventually(here.forwarder.delivered, "it has begun")
        began = here.forwarder.delivered() or 0
        assert began >= old
        await here.record(1)
        await eventually(here.forwarder.problem, "nobody listens")
    async with listening(port=port) as listener, sending(tmp_path, clock, **options) as here:
        await here.run.in_time(lambda: listener.taken and listener.numbers(0))
        assert listener.numbers(0)[0] == began + 1


async def test_another_receiver_gets_what_comes_next(tmp_path: Path, clock: ManualClock) -> None:
    """Given while the daemon runs; what was not known to be delivered to the first goes to the second, too."""
    async with listening() as first, listening() as second, sending(tmp_path, clock, **to(first)) as here:
        settled = await arrived(here, first)
        await clock.advance(SETTLED + 0.1)
        await eventually(lambda: here.forwarder.delivered() == settled, "it is kept")
        await here.configure(**to(second))
        await arrived(here, second)
        assert second.numbers(0)[0] == settled + 1


async def test_nothing_is_sent_and_nothing_told_without_a_receiver(tmp_path: Path, clock: ManualClock) -> None:
    """Nor any more once it is taken away."""
    async with listening() as listener, sending(tmp_path, clock) as here:
        assert here.forwarder.delivered() is None
        assert math.isnan(await here.metric("position"))
        assert math.isnan(await here.metric("waiting"))
        await here.configure(**to(listener))
        await arrived(here, listener)
        assert here.forwarder.delivered() == 0
        await here.configure()
        await eventually(lambda: not listener.open, "it is let go")
        await here.record(1)
        assert here.forwarder.delivered() is None
        assert len(listener.taken) == 1


async def test_a_stop_sends_what_was_recorded_in_it(tmp_path: Path, clock: ManualClock) -> None:
    """A receiver that ends the connection in turn has it all, and the next start sends none of it again."""
    async with listening() as listener:
        async with sending(tmp_path, clock, **to(listener)) as here:
            await arrived(here, listener)
        last = listener.numbers(0)[-1]
        async with sending(tmp_path, clock, **to(listener)) as here:
            await eventually(lambda: len(listener.taken) == 2 and listener.numbers(1), "it goes on")
        assert listener.numbers(1)[0] == last + 1


async def test_a_stop_does_not_wait_for_a_receiver_that_is_away(tmp_path: Path, clock: ManualClock) -> None:
    """It is tried once more; the clock stands still meanwhile, and the stop ends all the same."""
    async with sending(tmp_path, clock, audit_forward=f"tcp://127.0.0.1:{a_free_port()}") as here:
        await eventually(here.forwarder.problem, "nobody listens")
    assert here.forwarder.delivered() == 0


async def test_a_defect_is_a_problem_and_not_the_end(
    tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with listening() as listener, sending(tmp_path, clock) as here:
        monkeypatch.setattr(here.forwarder._outbox, "page", None)
        await here.configure(**to(listener))
        await eventually(here.forwarder.problem, "it is met")
        problem = await here.problem()
        assert problem is not None
        assert "TypeError, a defect in sitebind" in problem["text"]
        monkeypatch.undo()
        await here.run.in_time(lambda: here.forwarder._waiting() == 0)


async def test_a_trail_that_cannot_be_read_is_told(tmp_path: Path, clock: ManualClock) -> None:
    """The position cannot be kept while the disk refuses; what was taken is then sent again, and nothing is skipped."""
    async with listening() as listener, sending(tmp_path, clock, **to(listener)) as here:
        last = await arrived(here, listener)
        with here.run.without_journal():
            await clock.advance(SETTLED + 0.1)
            await eventually(lambda: here.forwarder.delivered() in {0, last}, "looked at")
        await here.run.in_time(lambda: here.forwarder.delivered() == last)
