"""A real daemon whose service manager the test is: what it tells over the notify socket, and when it falls silent."""

from __future__ import annotations

import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.acceptance.installation import Installation
from tests.acceptance.processes import LONGEST, Program, console_script, until
from tests.deploy.listening import Listening, Message, abstract_name

pytestmark = pytest.mark.slow

BOUND = "1 site: 1 bound"


def started(installation: Installation, manager: Listening, **environment: str) -> Program:
    command = [*console_script(), "run", "--config", installation.config]
    return Program(command, cwd=installation.folder, env={"NOTIFY_SOCKET": manager.name, **environment})


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Listening]:
    with Listening(tmp_path / "notify") as manager:
        yield manager


def is_ready(said: Message) -> bool:
    return said.get("READY") == "1"


def test_ready_is_told_when_the_api_answers_and_the_line_follows_the_site(
    installation: Installation, manager: Listening
) -> None:
    with started(installation, manager) as program:
        manager.until(is_ready, "READY=1")
        assert installation.api.ask("GET", "/-/healthy").status == 200
        assert manager.heard == [{"READY": "1", "STATUS": "no site yet"}]
        manager.status(BOUND)
        installation.simulated.trouble("wrong-password")
        installation.api.rebind()
        manager.status("1 site: 1 failed")
        assert program.stop() == 0
        manager.until(lambda said: said.get("STOPPING") == "1", "STOPPING=1")
        assert manager.message(within=0.1) is None, "nothing is told after the stop began"
    assert not any("WATCHDOG" in said for said in manager.heard), "nobody asked for it"


def test_an_abstract_name_is_understood_too(installation: Installation) -> None:
    with Listening(abstract_name()) as manager, started(installation, manager) as program:
        manager.until(is_ready, "READY=1")
        assert program.stop() == 0


def test_a_reload_is_told_from_its_begin_to_its_end(installation: Installation, manager: Listening) -> None:
    """As systemd has it for notify-reload: the time in RELOADING is not before the signal's."""
    with started(installation, manager) as program:
        manager.status(BOUND)
        asked = time.monotonic_ns() // 1000
        program.send(signal.SIGHUP)
        begin = manager.until(lambda said: "RELOADING" in said, "RELOADING=1")
        assert begin["RELOADING"] == "1"
        assert asked <= int(begin["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
        assert manager.message() == {"READY": "1", "STATUS": BOUND}


def test_a_reload_of_a_broken_file_ends_too(installation: Installation, manager: Listening) -> None:
    """The daemon goes on with the last good settings, so it is ready again."""
    with started(installation, manager) as program:
        manager.status(BOUND)
        installation.save(connection={"use_proxy": "perhaps"})
        program.send(signal.SIGHUP)
        manager.until(lambda said: "RELOADING" in said, "RELOADING=1")
        assert manager.until(is_ready, "READY=1")["STATUS"] == BOUND


def test_a_daemon_that_cannot_start_is_never_ready(installation: Installation, manager: Listening) -> None:
    with started(installation, manager) as first:
        manager.until(is_ready, "READY=1")
        with started(installation, manager) as second:
            assert second.ended() == 2
        assert first.stop() == 0
    assert sum(map(is_ready, manager.heard)) == 1


def test_a_manager_that_has_gone_costs_a_line_in_the_log_and_nothing_else(
    installation: Installation, tmp_path: Path
) -> None:
    with Listening(tmp_path / "notify") as manager:
        pass
    (tmp_path / "notify").unlink()
    with started(installation, manager) as program:
        program.line("the service manager could not be told READY=1")
        installation.api.reach("bound")
        assert program.stop() == 0


def test_the_watchdog_is_fed_at_half_of_its_time(installation: Installation, manager: Listening) -> None:
    with started(installation, manager, WATCHDOG_USEC="1000000") as program:
        manager.status(BOUND)
        fed = [manager.until(lambda said: "WATCHDOG" in said, "WATCHDOG=1") and time.monotonic() for _ in range(5)]
        assert fed[-1] - fed[0] > 4 * 0.4
        assert program.stop() == 0


def test_a_watchdog_that_is_meant_for_another_process_is_left_alone(
    installation: Installation, manager: Listening
) -> None:
    with started(installation, manager, WATCHDOG_USEC="200000", WATCHDOG_PID="1") as program:
        manager.status(BOUND)
        assert manager.silent_for(1.0, "WATCHDOG")
        assert program.stop() == 0


@contextmanager
def writer_blocked(installation: Installation) -> Iterator[None]:
    """Somebody holds SQLite's lock while a record waits for it: the writer's thread stands still."""
    with closing(sqlite3.connect(installation.database, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        asking = threading.Thread(target=installation.api.ask, args=("POST", "/rebind"), name="asks")
        asking.start()
        try:
            yield
        finally:
            holder.execute("ROLLBACK")
            asking.join(LONGEST)


def test_a_blocked_writer_starves_the_watchdog_is_named_and_is_fed_for_again(
    installation: Installation, manager: Listening
) -> None:
    with started(installation, manager, WATCHDOG_USEC="1000000") as program:
        manager.status(BOUND)
        before = len(program.err)
        with writer_blocked(installation):
            program.line("no sign of life for 0.5 s from: .*the journal's threads", after=before)
            while manager.message(within=0.05) is not None:
                """What was told before."""
            assert manager.silent_for(1.5, "WATCHDOG")
        manager.until(lambda said: "WATCHDOG" in said, "WATCHDOG=1")
        program.line("every worker turns again")
        assert program.stop() == 0


def test_a_stop_that_takes_its_time_is_no_worker_that_hangs(installation: Installation, manager: Listening) -> None:
    """A sign-in that does not answer is waited for; timers and consumers have ended before."""
    with started(installation, manager, WATCHDOG_USEC="4000000") as program:
        manager.status(BOUND)
        logins = installation.simulated.calls["login"]
        installation.simulated.trouble("slow", seconds=600, endpoint="login")
        installation.api.ask("POST", "/rebind")
        until(lambda: installation.simulated.calls["login"] > logins, "a sign-in is under way")
        assert program.stop() == 0
        manager.until(lambda said: "STOPPING" in said, "STOPPING=1")
        assert manager.message(within=0.1) is None
        assert "no sign of life" not in program.err
